"""Draw the pictures of the README and of the first page.

``python doc/images/draw.py`` draws all; names of panels, or ``readme``, behind
it draw these alone.

Each picture shows what an estimator says of data that it has not seen. The data are
made up, or come with the package.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from skrnn import (
    LanguageModel,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    SequenceTagger,
    SequenceTranscriber,
    SequenceTranslator,
    SeriesOutlierDetector,
)
from skrnn.datasets import load_shakespeare, make_dates
from skrnn.plotting import AttentionDisplay

# Colour-blind people tell these apart (Okabe and Ito).
BLUE, ORANGE, GREEN, YELLOW = "#0072B2", "#D55E00", "#009E73", "#F0E442"
GRAY = "#555555"


def stroke(kind, rng):
    """Return a pen stroke (n_steps, 2) of a kind, of any size, slant and length."""
    p = np.linspace(0, 1, rng.integers(30, 70))[:, None]
    turn = 2 * np.pi * p
    xy = {
        "circle": np.hstack([np.cos(turn), np.sin(turn)]),
        "eight": np.hstack([np.sin(turn), np.sin(2 * turn)]),
        "spiral": np.hstack([p * np.cos(2 * turn), p * np.sin(2 * turn)]),
        "wave": np.hstack([2 * p - 1, 0.6 * np.sin(2 * turn)]),
        "tick": np.hstack([2 * p - 1, np.abs(3 * p - 1) - 1]),
        "line": np.hstack([2 * p - 1, 0.4 * p]),
    }[kind]
    slant = np.eye(2) + rng.normal(scale=0.15, size=(2, 2))
    return xy @ slant + rng.normal(scale=0.03, size=xy.shape)


def draw_classes(ax):
    """A label for each sequence: pen strokes."""
    rng = np.random.default_rng(0)
    kinds = ["circle", "eight", "spiral", "wave", "tick", "line"]
    y = np.repeat(kinds, 30)
    model = RNNClassifier(32, random_state=0).fit([stroke(k, rng) for k in y], y)
    X = [stroke(kind, rng) for kind in kinds]
    chances = model.predict_proba(X).max(axis=1)
    for i, (x, label, p) in enumerate(zip(X, model.predict(X), chances, strict=True)):
        left, top = 2.9 * (i % 3), -3.3 * (i // 3)
        ax.plot(x[:, 0] + left, x[:, 1] + top, color=BLUE, lw=1.6)
        text = f"{label}, {100 * p:.0f} %"
        ax.text(left, top - 1.65, text, ha="center", va="center", fontsize=9)
    ax.set(title="Label a sequence: pen strokes", xlim=(-1.4, 7.2), ylim=(-5.4, 1.4))
    ax.set(xticks=[], yticks=[])


def draw_numbers(ax):
    """A number for each sequence: the period of a noisy wave."""
    rng = np.random.default_rng(0)
    periods = rng.uniform(8, 24, size=260)
    X = [
        np.sin(2 * np.pi * (np.arange(n) / period + rng.random()))
        + rng.normal(scale=0.5, size=n)
        for n, period in zip(rng.integers(50, 90, size=260), periods, strict=True)
    ]
    model = RNNRegressor(random_state=0).fit(X[:180], periods[:180])
    ax.axline((8, 8), slope=1, color=GRAY, lw=1, label="exact")
    answers = model.predict(X[180:])
    ax.plot(periods[180:], answers, "o", color=BLUE, ms=4, alpha=0.7, label="new wave")
    ax.set(title="A number for a sequence: its period")
    ax.set(xlabel="true period, steps", ylabel="predicted period")
    ax.legend(fontsize=8)


def load_of_hours(n_rows, seed):
    """Return hours of a load that has days and weeks."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_rows)
    day = 10 * np.sin(2 * np.pi * t / 24) + 4 * np.sin(4 * np.pi * t / 24 + 1)
    return 50 + day + 3 * (t // 24 % 7 > 4) + 1.5 * rng.normal(size=n_rows)


def draw_forecast(ax):
    """The next two days of a load."""
    y = load_of_hours(24 * 70, 0)
    past, future = y[:-48], y[-48:]
    model = SequenceForecaster(horizon=48, random_state=0).fit(None, past)
    low, high = model.predict_interval(coverage=0.9).T
    before, after = np.arange(-72, 0), np.arange(48)
    ax.plot(before, past[-72:], color=GRAY, lw=1, label="known")
    ax.fill_between(
        after, low, high, color=BLUE, alpha=0.25, lw=0, label="90 % interval"
    )
    ax.plot(after, model.predict(), color=BLUE, label="forecast")
    ax.plot(after, future, ".", color=ORANGE, ms=4, label="what came")
    ax.set(title="Forecast a series, with an interval", xlabel="hours", ylabel="load")
    ax.set_ylim(22, 70)
    ax.legend(fontsize=8, loc="lower left", ncol=2)


def walk(rng):
    """Return the acceleration of somebody who rests, walks and runs, and the labels."""
    kinds = rng.choice(["rest", "walk", "run"], size=6)
    lengths = rng.integers(30, 60, size=6)
    y = np.repeat(kinds, lengths)
    height = np.select([y == "rest", y == "walk"], [0.1, 1.0], 2.0)
    period = np.where(y == "run", 8, 14)
    phase = np.cumsum(2 * np.pi / period)
    return height * np.sin(phase) + rng.normal(scale=0.4, size=len(y)), y


def draw_tags(ax):
    """A label for each step: rest, walk or run."""
    rng = np.random.default_rng(0)
    X, y = zip(*(walk(rng) for _ in range(60)), strict=True)
    model = SequenceTagger(32, crf=True, random_state=0).fit(list(X), list(y))
    rng = np.random.default_rng(5)
    x, _ = walk(rng)
    [labels] = model.predict([x])
    colors = {"rest": "#BBBBBB", "walk": YELLOW, "run": ORANGE}
    for kind, color in colors.items():
        ax.fill_between([], [], color=color, alpha=0.45, lw=0, label=f"tagged {kind}")
    ends = [*np.flatnonzero(labels[1:] != labels[:-1]) + 1, len(labels)]
    for start, stop in zip([0, *ends], ends, strict=False):
        ax.axvspan(start, stop, color=colors[labels[start]], alpha=0.45, lw=0)
    ax.plot(x, color=BLUE, lw=1, label="acceleration")
    ax.set(title="Label each step: rest, walk, run", xlabel="steps", ylim=(-3.2, 4.6))
    ax.legend(fontsize=8, ncol=2, loc="upper center")


def draw_language(ax):
    """What may come next in a play."""
    plays = load_shakespeare(subset="train").data
    model = LanguageModel(64, ends=False, max_iter=3, ngram_order=6, random_state=0)
    model.fit(plays)
    start = "O Romeo, "
    tokens, chances = zip(*model.predict_next([start], k=6)[0], strict=True)
    shown = [{" ": "blank", "\n": "line end"}.get(token, token) for token in tokens]
    ax.barh(np.arange(6), chances, color=BLUE)
    ax.set_yticks(np.arange(6), shown)
    ax.invert_yaxis()
    ax.set(title=f"Write on: what follows “{start}”?", xlabel="probability")


def draw_translation(ax):
    """A date into standard form, and what each digit looks at."""
    X, y = make_dates(6000, random_state=0)
    model = SequenceTranslator(64, max_iter=6, random_state=0).fit(X, y)
    AttentionDisplay.from_estimator(model, ["24th August 2025"], ax=ax)
    ax.set_title("Translate: dates, and where it looks")


def draw_transcript(ax):
    """Labels in their order: bumps and dips of a signal."""
    rng = np.random.default_rng(0)
    shapes = {"a": [1, 2, 1], "b": [-1, -2, -1], "c": [1.5, -1.5, 1.5]}

    def signal(text):
        parts = [np.zeros(4)]
        for letter in text:
            parts += [np.repeat(shapes[letter], 3), np.zeros(rng.integers(3, 8))]
        values = np.concatenate(parts)
        return values + rng.normal(scale=0.25, size=len(values))

    y = ["".join(rng.choice(list("abc"), size=n)) for n in rng.integers(2, 7, size=300)]
    model = SequenceTranscriber(32, bidirectional=False, random_state=0)
    model.fit([signal(text) for text in y], y)
    x = signal("abcab")
    [text], [spans] = model.predict([x]), model.align([x])
    ax.plot(x, color=GRAY, lw=1, label="signal")
    for letter, (start, stop) in zip(text, spans, strict=True):
        ax.axvspan(start, stop, color=YELLOW, alpha=0.6, lw=0)
        ax.text((start + stop) / 2, 3.0, letter, ha="center", fontsize=11, color=BLUE)
    ax.axvspan(0, 0, color=YELLOW, alpha=0.6, lw=0, label="where it found a letter")
    ax.set(title="Transcribe: labels in order", xlabel="steps", ylim=(-4.4, 4.0))
    ax.legend(fontsize=8, loc="lower left", ncol=2)


def draw_alarms(ax):
    """Unusual rows, at a promised rate of false alarms."""
    y = load_of_hours(24 * 75, 1)
    y[-150:-147] += 12
    y[-70:-58] -= 12
    model = SeriesOutlierDetector(false_alarm_rate=0.001, random_state=0)
    labels = model.fit(y[:-240]).predict(y[-240:])
    hours = np.arange(-240, 0)
    ax.plot(hours, y[-240:], color=GRAY, lw=1, label="load")
    alarms = labels == -1
    ax.plot(hours[alarms], y[-240:][alarms], "o", color=ORANGE, ms=5, label="alarm")
    ax.set(title="Find unusual rows: alarms", xlabel="hours", ylabel="load")
    ax.set_ylim(26, 76)
    ax.legend(fontsize=8, loc="lower left", ncol=2)


PANELS = {
    "classify": draw_classes,
    "regress": draw_numbers,
    "forecast": draw_forecast,
    "tag": draw_tags,
    "language": draw_language,
    "translate": draw_translation,
    "transcribe": draw_transcript,
    "detect": draw_alarms,
}
README = ("classify", "forecast", "tag", "detect")


def main():
    """Draw panels, each alone, and four of them for the README."""
    folder, names = Path(__file__).parent, sys.argv[1:]
    plt.rcParams.update({"font.size": 9, "axes.titlesize": 11})
    for name in names or PANELS:
        if name == "readme":
            continue
        figure, ax = plt.subplots(figsize=(4, 3), layout="constrained")
        PANELS[name](ax)
        figure.savefig(folder / f"{name}.png", dpi=100)
    if not names or "readme" in names:
        figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
        for name, ax in zip(README, axes.flat, strict=True):
            PANELS[name](ax)
        figure.savefig(folder / "skrnn.png", dpi=100)


if __name__ == "__main__":
    main()
