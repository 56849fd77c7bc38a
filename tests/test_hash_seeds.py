"""Nothing that is learned depends on the seed by which Python hashes strings."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skrnn import LanguageModel, RNNClassifier
from skrnn.export import save
from skrnn.inputs.subwords import BytePairs
from skrnn.inputs.tokens import Vocabulary
from skrnn.preprocessing import SequenceVectorizer
from toys import make_classes

QUICK = {"hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0}


def vocabulary():
    return Vocabulary.learn(list("the quick brown fox")).tokens.tolist()


def subwords():
    texts = ["the lowest of the low", "newer and wider", "a whole new world"] * 3
    return BytePairs.learn(texts, 40).merges


def vectorizer():
    texts = [f"a{i % 7} b{i % 5} c{i % 3}" for i in range(40)]
    v = SequenceVectorizer(max_features=9, stop_words=["b1"]).fit(texts)
    w = SequenceVectorizer(vocabulary={"b", "a", "c"}).fit(texts)
    return v.tokens_.tolist(), list(v.vocabulary_.items()), w.tokens_.tolist()


def classifier():
    X = ["the cat".split(), "a dog".split()] * 5
    model = RNNClassifier(**QUICK, learning_rate="linear").fit(X, [0, 1] * 5)
    return model.categories_[0].tolist(), model.weights_["head.W"].tolist()


def language_model():
    model = LanguageModel(**QUICK, analyzer="word")
    model.fit(["the dog sat", "a cat sat", "dogs"])
    return model.tokens_.tolist(), model.score(["the cat"])


def model_file():
    weights = {name: 1 for name in {"no", "yes", "perhaps"}}
    model = RNNClassifier(**QUICK, class_weight=weights).fit(*make_classes())
    file = io.BytesIO()
    save(model, file)
    return file.getvalue()


WHAT = [vocabulary, subwords, vectorizer, classifier, language_model, model_file]


def main():
    """Print what is learned, a line for each function."""
    for function in WHAT:
        print(ascii(function()))


@pytest.fixture(scope="module")
def found():
    """What processes of several seeds print."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    lines = []
    for seed in "01":
        run = subprocess.run(
            [sys.executable, "-W", "ignore", __file__],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            check=True,
            text=True,
        )
        lines.append(run.stdout.splitlines())
    return list(zip(*lines, strict=True))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("function", WHAT, ids=lambda function: function.__name__)
def test_the_same_with_any_hash_seed(function, found):
    first, second = found[WHAT.index(function)]
    assert first == second == ascii(function())


def test_the_order_of_texts_changes_nothing():
    texts = [f"a{i % 7} b{i % 5} c{i % 3}" for i in range(40)]
    fits = [
        SequenceVectorizer(max_features=9, stop_words=["b1"]).fit(given)
        for given in (texts, texts[::-1], texts[13:] + texts[:13])
    ]
    assert len({tuple(fit.vocabulary_.items()) for fit in fits}) == 1


if __name__ == "__main__":
    main()
