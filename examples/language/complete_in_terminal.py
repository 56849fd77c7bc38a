"""
Completion in a terminal
========================

Type the beginning of a line, and a language model goes on. ``generate_iter`` yields the
text piece by piece, so that it appears while it is written. Run it in a terminal::

    python complete_in_terminal.py                     # asks for beginnings
    python complete_in_terminal.py "What must the k"   # completes this one
    python complete_in_terminal.py --text book.txt     # learns from your own text

After each beginning the most probable next characters are listed, as a keyboard shows
them. An empty line ends the program.
"""

import argparse
from pathlib import Path

from skrnn import LanguageModel
from skrnn.datasets import load_shakespeare


def learn(path):
    """Fit a model to a file, or to the plays that come with the package."""
    text = Path(path).read_text() if path else load_shakespeare(subset="train").data
    print(f"Learning {len(text):,} characters, some seconds for each 100,000 ...")
    model = LanguageModel(128, ends=False, max_iter=4, ngram_order=7, random_state=0)
    return model.fit(text)


def complete(model, beginning, temperature, seed):
    """Print what comes next, and then a completion as it is written."""
    likely = model.predict_next([beginning], k=5)[0]
    print("next:", "  ".join(f"{token!r} {share:.2f}" for token, share in likely))
    pieces = model.generate_iter(
        beginning,
        max_new_tokens=400,
        temperature=temperature,
        stop="\n\n",
        random_state=seed,
    )
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


def main():
    parser = argparse.ArgumentParser(description="Complete lines of text.")
    parser.add_argument("beginnings", nargs="*")
    parser.add_argument("--text", help="a file to learn from")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = learn(options.text)
    for beginning in options.beginnings:
        complete(model, beginning, options.temperature, options.seed)
    while not options.beginnings:
        try:
            beginning = input("> ")
        except EOFError:
            break
        if not beginning:
            break
        complete(model, beginning, options.temperature, options.seed)


if __name__ == "__main__":
    main()
