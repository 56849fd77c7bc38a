"""Words that a small language model learns in a moment."""

from skrnn import LanguageModel

WORDS = ["anna", "hanna", "susanna", "johanna", "ann", "hannah", "", "o"]
QUICK = {"hidden_layer_sizes": 6, "max_iter": 2, "batch_size": 4, "random_state": 0}
QUICK |= {"cell": "lstm", "dropout": 0.1}


def fit(X=WORDS, **parameters):
    return LanguageModel(**{**QUICK, **parameters}).fit(X)
