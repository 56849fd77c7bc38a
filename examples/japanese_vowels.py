"""
Who said "ae"? Speakers of Japanese vowels
==========================================

Nine men uttered the vowels /ae/. Each recording is a sequence of 7 to 29 steps with 12
features (cepstral coefficients) each, and the task is to tell who spoke. Recordings
differ in length, so they are a list of arrays, and such a list passes through
scikit-learn's tools as it is: this example tunes a pipeline by cross-validation, tests
it on new recordings, saves it, and loads it again.
"""

# %%
# The data
# --------

import tempfile
from pathlib import Path

import joblib
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skrnn import RNNClassifier
from skrnn.datasets import load_japanese_vowels
from skrnn.preprocessing import SequenceScaler

X_train, y_train = load_japanese_vowels(subset="train", return_X_y=True)
X_test, y_test = load_japanese_vowels(subset="test", return_X_y=True)
lengths = [len(x) for x in X_train + X_test]
print(f"{len(X_train)} recordings to learn from and {len(X_test)} to test with,")
print(f"of {min(lengths)} to {max(lengths)} steps with {X_train[0].shape[1]} features.")

# %%
# The search
# ----------
#
# A recording is known as a whole, so the network may read it in both directions. The
# scaling is fitted within each split. The search shows its progress where scikit-learn
# has callbacks (1.9) and rich is installed, and otherwise prints a line for each fit.

network = RNNClassifier(bidirectional=True, random_state=0)
pipeline = Pipeline([("scale", SequenceScaler()), ("classify", network)])
candidates = {
    "classify__cell": ["rnn", "lstm", "gru"],
    "classify__hidden_layer_sizes": [(32,), (64,)],
}
search = GridSearchCV(pipeline, candidates, cv=3, n_jobs=2)
try:
    from sklearn.callback import ProgressBar

    search.set_callbacks(ProgressBar(max_propagation_depth=0))
except ImportError:
    search.set_params(verbose=2)
search.fit(X_train, y_train)

print("\nAccuracy in cross-validation:")
results = search.cv_results_
for i in np.argsort(results["rank_test_score"]):
    cell, (size,) = results["params"][i].values()
    print(f"  {cell:<5} {size:>3} units  {results['mean_test_score'][i]:.3f}")

# %%
# The test
# --------

y_pred = search.predict(X_test)
accuracy = accuracy_score(y_test, y_pred)
print(f"\nAccuracy on the test set: {accuracy:.3f}")
print("Speakers (rows) and who they were taken for (columns):")
print(confusion_matrix(y_test, y_pred))
assert accuracy >= 0.97

# %%
# Keeping the model
# -----------------
#
# What was fitted is plain arrays, so any way of keeping Python objects does. The model
# that is loaded predicts the same bits.

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "speakers.joblib"
    joblib.dump(search.best_estimator_, path)
    print(f"\nSaved in {path.stat().st_size / 1000:.0f} kB and loaded again: ", end="")
    loaded = joblib.load(path)
before, after = search.predict_proba(X_test), loaded.predict_proba(X_test)
assert before.tobytes() == after.tobytes()
print("all probabilities are the same, to the last bit.")
