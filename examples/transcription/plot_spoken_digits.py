"""
Spoken digits, and a transcript that follows
============================================

People say one to five digits in a row, and nobody has marked where one ends and the
next begins. The model learns from speakers whose digits are known, and transcribes a
speaker that it has never heard. Then it follows a WAV file block by block, and prints
each digit as soon as it is certain.

The recordings are those of the Free Spoken Digit Dataset. Where they are not at hand,
made-up voices stand in, which hum two formants for each digit; the program says so.
"""

# %%
# Waveforms of 8 kHz, and the digits of each. The last speaker is only for the test.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly
from sklearn.pipeline import make_pipeline

from skrnn import SequenceTranscriber
from skrnn.preprocessing import LogMel

RATE = 8000


def find(name):
    """Return the path of a file of the data set, or None."""
    here = Path(__file__).resolve() if "__file__" in globals() else Path.cwd() / "x"
    for folder in here.parents:
        path = folder / "shared" / "data" / "speech" / name
        if path.exists():
            return path
    return None


def read(path):
    """Return recordings of single digits, the digits and the speakers."""
    with np.load(path) as file:
        # First differences, of which small ones are small numbers without a sign.
        coded = (file["high"].astype(np.uint16) << 8) | file["low"]
        steps = (coded >> 1) ^ (np.uint16(0) - (coded & 1))
        samples = np.cumsum(steps, dtype=np.uint16).view(np.int16)
        recordings = np.split(samples, np.cumsum(file["lengths"])[:-1])
        return recordings, file["digits"], file["speakers"]


def hum(digit, speaker, rng):
    """Return a syllable: harmonics of a voice under two formants that glide."""
    shapes = np.random.default_rng(5).uniform([300, 900], [800, 2400], (10, 2, 2))
    pitch, tract = 90 + 35 * speaker, 0.9 + 0.07 * speaker
    n = int(RATE * rng.uniform(0.2, 0.35))
    glide = np.linspace(0, 1, n)[:, np.newaxis, np.newaxis]
    formants = tract * (shapes[digit, 0] * (1 - glide) + shapes[digit, 1] * glide)
    harmonics = np.arange(1, int(3500 / pitch)) * pitch * rng.uniform(0.95, 1.05)
    gains = (1 / (1 + ((harmonics[:, np.newaxis] - formants) / 120) ** 2)).sum(axis=2)
    tones = np.sin(2 * np.pi * harmonics * np.arange(n)[:, np.newaxis] / RATE)
    wave = (gains * tones).sum(axis=1) * np.hanning(n) * 10 ** rng.uniform(2.8, 3.4)
    return (wave + 20 * rng.normal(size=n)).astype(np.int16)


def made_up():
    """Return recordings of four voices, 30 of each digit."""
    rng = np.random.default_rng(0)
    digits, speakers = np.tile(np.arange(10), 120), np.repeat(np.arange(4), 300)
    pairs = zip(digits, speakers, strict=True)
    return [hum(digit, who, rng) for digit, who in pairs], digits, speakers


def connect(recordings, digits, rng):
    """Return utterances of one to five digits, with pauses, and their digits."""
    X, y, order = [], [], rng.permutation(len(recordings))
    while len(order):
        chosen, order = np.split(order, [rng.integers(1, 6)])
        parts = []
        for i in chosen:
            pause = rng.integers(-2, 3, size=rng.integers(400, 2000))
            parts += [pause.astype(np.int16), recordings[i]]
        X.append(np.concatenate([*parts, np.zeros(800, dtype=np.int16)]))
        y.append(digits[chosen].tolist())
    return X, y


path = find("fsdd_4speakers.npz")
if path is None:
    print("The recordings are not at hand: made-up voices stand in for them.")
recordings, digits, speakers = made_up() if path is None else read(path)
rng = np.random.default_rng(0)
X, y, X_test, y_test = [], [], [], []
for who in np.unique(speakers):
    rows = np.flatnonzero(speakers == who)
    waves, labels = connect([recordings[i] for i in rows], digits[rows], rng)
    test = who == speakers.max()
    (X_test if test else X).extend(waves)
    (y_test if test else y).extend(labels)
print(f"{len(X)} utterances to learn from, {len(X_test)} of another speaker.")

# %%
# Copies that are slower and faster make more voices of few: the pitch and the formants
# move as well. Then log-mel frames, and a network that reads them in both directions.
# ``standardize="sequence"`` takes the mean out of each utterance, and with it most of
# the microphone and of the voice.


def at_speed(wave, percent):
    """Return a waveform, played faster or slower."""
    slower = resample_poly(wave.astype(float), 100, percent)
    return slower.clip(-32768, 32767).astype(np.int16)


X_more = X + [at_speed(wave, percent) for percent in (88, 114) for wave in X]
model = make_pipeline(
    LogMel(RATE),
    SequenceTranscriber(
        64, standardize="sequence", segment_length=5, max_iter=10, random_state=0
    ),
)
model.fit(X_more, y * 3)
found = model.predict(X_test)
for right, answer in list(zip(y_test, found, strict=True))[:5]:
    print("said", *right, "- heard", *answer)
print(f"label error rate: {1 - model.score(X_test, y_test):.3f}")

# %%
# Where the labels are: `align` gives the frames of each label on its best path.

i = max(range(len(found)), key=lambda i: (found[i] == y_test[i], len(found[i])))
frames = model[0].transform(X_test[i : i + 1])[0]
spans = model[-1].align([frames])[0]
fig, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
seconds = len(frames) * model[0].hop
image = ax.imshow(
    frames.T, origin="lower", aspect="auto", extent=(0, seconds, 0, 40), cmap="magma"
)
for label, (start, stop) in zip(found[i], spans, strict=True):
    middle = (start + stop) / 2 * model[0].hop
    ax.axvline(middle, color="white", linestyle=":", label="a digit")
    ax.annotate(
        str(label),
        (middle, 40),
        ha="center",
        va="bottom",
        fontsize="large",
        annotation_clip=False,
    )
ax.set(xlabel="seconds", ylabel="band of the mel scale")
fig.colorbar(image, label="logarithm of the energy", pad=0.01)
line, *_ = ax.get_legend_handles_labels()[0] or [None]
if line is not None:
    ax.legend(handles=[line], facecolor="0.3", labelcolor="white", loc="upper right")
fig.suptitle("Frames of an utterance, and the digits heard in them")
plt.show()

# %%
# A transcript that follows
# -------------------------
#
# For a stream the network must not look ahead, so ``bidirectional=False``. The mean of
# an utterance is not known before its end, and a running mean of two seconds stands in
# for it. The file is read in blocks of 50 milliseconds, as a microphone gives them.

live = make_pipeline(
    LogMel(RATE, running_mean=2.0),
    SequenceTranscriber(
        64, bidirectional=False, segment_length=5, max_iter=10, random_state=0
    ),
)
live.fit(X_more, y * 3)
print(f"label error rate: {1 - live.score(X_test, y_test):.3f}")
file = Path(tempfile.mkdtemp()) / "digits.wav"
long = max(range(len(y_test)), key=lambda i: len(y_test[i]))
wavfile.write(file, RATE, X_test[long])

rate, wave = wavfile.read(file)
ears, pen = live[0].stream(), live[-1].stream()
for start in range(0, len(wave), rate // 20):
    for frame in ears.step(wave[start : start + rate // 20]):
        for label in pen.step(frame):
            print(f"{start / rate:5.2f} s: {label}")
print("said", *y_test[long], "- heard", *pen.labels)
assert pen.labels == live.predict([wave])[0]
