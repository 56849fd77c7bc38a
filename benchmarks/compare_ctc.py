"""Transcription by CTC, skrnn against PyTorch: the loss, epochs, label errors.

    python benchmarks/compare_ctc.py [--quick] [--writers FOLDER]

The loss and its gradient are those of one batch of 32 sequences of random outputs, in
float32; their results are checked to be equal before anything is timed. An epoch is
one of `SequenceTranscriber.fit`, with one bidirectional layer of 64 GRU cells, and of a
loop in PyTorch with the same network, dropout, batches and Adam: packed sequences, the
longest first, its own `CTCLoss`, and the norm of the gradient limited.

Both run in turns in this one process, on one thread; times are CPU seconds of the
process, so that other work on the machine matters little. A ratio is the median over
the turns of PyTorch's time over ours, more than 1 being to our favour.

With ``--writers``, the folder of ``pendigits.py`` and its data, both are trained on
handwritten numbers of three quarters of the writers, and their label error on those of
the others stands beside their seconds.
"""

import sys
import warnings
from pathlib import Path
from time import process_time

import numpy as np
import torch
from measure import Machine, check_equal, in_turns, options, table

from skrnn import SequenceTranscriber
from skrnn._ctc import AlignmentSums, LabelSequences
from skrnn._recurrence import PackedShape
from skrnn.metrics import label_error_rate, sequence_accuracy_score

N_SEQS = 32
# steps, labels, symbols
CASES = [(150, 40, 28), (130, 3, 11), (600, 60, 28), (150, 40, 1000)]
EPOCH = {"n_seqs": 844, "n_features": 40, "n_symbols": 11, "segment_length": 5}


# --------------------------------------------------------------------- the loss


def make_loss(n_steps, n_labels, n_symbols):
    """Return our loss and gradient of a batch, and PyTorch's."""
    rng = np.random.default_rng(0)
    raw = 3 * rng.normal(size=(n_steps, N_SEQS, n_symbols)).astype(np.float32)
    labels = rng.integers(1, n_symbols, (N_SEQS, n_labels))
    shape = PackedShape(np.full(n_steps, N_SEQS, dtype=np.int32))
    rows, gradient = raw.reshape(-1, n_symbols), np.empty_like(raw)
    targets, weight = LabelSequences(list(labels), n_symbols), np.ones(N_SEQS)
    sums, d_rows = AlignmentSums(), gradient.reshape(-1, n_symbols)
    x, y = torch.tensor(raw, requires_grad=True), torch.tensor(labels)
    lengths = torch.full((N_SEQS,), n_steps), torch.full((N_SEQS,), n_labels)

    def ours():
        return sums.loss_and_gradient(shape, rows, targets, weight, d_rows)

    def theirs():
        x.grad = None
        log_p = x.log_softmax(-1)
        loss = torch.nn.functional.ctc_loss(log_p, y, *lengths, reduction="none")
        loss.sum().backward()
        return loss.detach()

    name = f"the loss of {(n_steps, n_labels, n_symbols)}"
    # PyTorch adds up logarithms in float32, so its gradient has few digits.
    check_equal(name, [ours(), gradient], [theirs(), x.grad], tolerance=1e-2)
    return ours, theirs


def compare_losses(args):
    rows = []
    for case in CASES:
        ours, theirs = make_loss(*case)
        times = in_turns(ours, theirs, rounds=args.rounds, clock=process_time)
        ratio = np.median(times[1] / times[0])
        each = (f"{1e6 * np.median(t) / N_SEQS:.0f}" for t in times)
        rows.append([", ".join(map(str, case)), *each, f"{ratio:.1f}"])
    title = "Loss and gradient, microseconds a sequence:"
    table(title, ["steps, labels, symbols", "skrnn", "torch", "×"], rows)


# ------------------------------------------------------------------------ epochs


class Loop:
    """What one would write in PyTorch."""

    def __init__(self, X, y, n_symbols, k, batch_size, learning_rate, n_epochs):
        self.X = [torch.from_numpy(segments(x, k)) for x in X]
        self.y = [torch.tensor(own) for own in y]
        self.batch_size, self.n_epochs = batch_size, n_epochs
        n_in = self.X[0].shape[1]
        torch.manual_seed(0)
        self.rnn = torch.nn.GRU(n_in, 64, bidirectional=True)
        self.head = torch.nn.Linear(128, n_symbols)
        self.parameters = [*self.rnn.parameters(), *self.head.parameters()]
        self.solver = torch.optim.Adam(self.parameters, lr=learning_rate)
        self.schedule = torch.optim.lr_scheduler.LinearLR(
            self.solver, 1.0, 1e-3, total_iters=n_epochs
        )
        self.dropout, self.loss = (
            torch.nn.Dropout(0.3),
            torch.nn.CTCLoss(reduction="sum"),
        )

    def outputs(self, X, trains):
        packed = torch.nn.utils.rnn.pack_sequence(X, enforce_sorted=False)
        h, _ = torch.nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0])
        return self.head(self.dropout(h) if trains else h).log_softmax(-1)

    def epoch(self):
        for rows in torch.randperm(len(self.X)).split(self.batch_size):
            X, y = [self.X[i] for i in rows], [self.y[i] for i in rows]
            lengths = [torch.tensor([len(own) for own in items]) for items in (X, y)]
            self.solver.zero_grad(set_to_none=True)
            loss = self.loss(self.outputs(X, True), torch.cat(y), *lengths) / len(rows)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.solver.step()
        self.schedule.step()

    @torch.inference_mode()
    def predict(self, X, k):
        found = []
        for x in X:
            path = self.outputs([torch.from_numpy(segments(x, k))], False)[:, 0]
            path = path.argmax(-1).unique_consecutive()
            found.append(path[path > 0].tolist())
        return found


def segments(x, k):
    """Return rows of k steps each; the last step fills up the last row."""
    x = np.asarray(x, dtype=np.float32)
    x = np.concatenate([x, np.repeat(x[-1:], -len(x) % k, axis=0)])
    return x.reshape(-1, k * x.shape[1])


def utterances(n_seqs, n_features, n_symbols, segment_length):
    """Return made-up signals as long as connected spoken digits, and their labels."""
    rng = np.random.default_rng(0)
    y = [rng.integers(1, n_symbols, n) for n in rng.integers(1, 6, size=n_seqs)]
    X = [rng.normal(size=(55 * len(own) + 20, n_features)) for own in y]
    return [x.astype(np.float32) for x in X], y


def compare_epochs(args):
    X, y = utterances(**EPOCH)
    k, n_epochs = EPOCH["segment_length"], 2
    loop = Loop(X, y, EPOCH["n_symbols"], k, 32, 0.008, 100)
    model = SequenceTranscriber(segment_length=k, max_iter=n_epochs, random_state=0)

    def ours():
        model.fit(X, y)

    def theirs():
        for _ in range(n_epochs):
            loop.epoch()

    rounds = 1 if args.quick else 5
    times = in_turns(ours, theirs, rounds=rounds, clock=process_time) / n_epochs
    ratio = np.median(times[1] / times[0])
    row = [len(X), *(f"{np.median(t):.2f}" for t in times), f"{ratio:.1f}"]
    title = "An epoch, CPU seconds; the fit's with all that comes before training:"
    table(title, ["sequences", "skrnn", "torch", "×"], [row])


# ------------------------------------------------------------------- handwriting


def compare_writers(folder, quick):
    sys.path.insert(0, str(folder))
    import pendigits

    data = pendigits.load(folder / "pendigits_30writers.npz")
    writers = np.unique(data["writers"])
    X, y, _ = pendigits.numbers(data, writers[writers % 4 != 0])
    X_test, y_test, _ = pendigits.numbers(data, writers[writers % 4 == 0])
    rows = []

    def judge(name, seconds, predicted):
        error = label_error_rate(y_test, predicted)
        right = sequence_accuracy_score(y_test, predicted)
        rows.append([name, f"{error:.4f}", f"{right:.3f}", f"{seconds:.0f}"])

    model = SequenceTranscriber(random_state=0, **({"max_iter": 1} if quick else {}))
    start = process_time()
    model.fit(X, y)
    judge("skrnn, defaults", process_time() - start, model.predict(X_test))
    k, n_epochs = model.segment_length_, model.n_iter_
    center, scale = np.mean(np.concatenate(X), 0), np.std(np.concatenate(X), 0)
    X, X_test = ([(x - center) / scale for x in part] for part in (X, X_test))
    codes = [np.array(own) + 1 for own in y]
    start = process_time()
    loop = Loop(X, codes, 11, k, 32, 0.008, n_epochs)
    for _ in range(n_epochs):
        loop.epoch()
    seconds = process_time() - start
    predicted = [[code - 1 for code in own] for own in loop.predict(X_test, k)]
    judge(f"torch, {n_epochs} epochs", seconds, predicted)
    title = f"Handwritten numbers, {len(X)} to learn from, {len(X_test)} of others:"
    table(title, ["", "label error", "numbers right", "fit, CPU s"], rows)


def main():
    args = options(
        __doc__, writers={"type": Path, "help": "folder of pendigits.py and its data"}
    )
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    warnings.simplefilter("ignore")
    machine = Machine(
        lambda a, b: torch.mm(torch.from_numpy(a), torch.from_numpy(b)), 3
    )
    machine.describe(torch=torch.__version__)
    compare_losses(args)
    compare_epochs(args)
    if args.writers is not None:
        compare_writers(args.writers, args.quick)


if __name__ == "__main__":
    main()
