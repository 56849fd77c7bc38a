"""Language models: skrnn, loops in PyTorch, and Kneser-Ney.

    python benchmarks/compare_language_model.py [--quick]

Training: whole epochs on random tokens, 32 lanes, 64 tokens at a time, one LSTM or GRU
of 128 units and a table of 64 (V = 65) or 128 columns (V = 10,000), Adam, clipping.
PyTorch runs the loop that its examples show. Tokens a CPU second, one thread.

Writing: CPU time a character of `generate` after a fit on three plays, against a loop
of PyTorch's cell with softmax and multinomial, one text alone and 32 side by side.

Accuracy: bits a character on the end of the plays that come with the package, beside
CPU seconds of the fit. The yardstick is modified Kneser-Ney of order 7 alone.
"""

from time import process_time

import numpy as np
from measure import Machine, options, table

from skrnn import LanguageModel
from skrnn.datasets import load_shakespeare
from skrnn.models.ngram import NgramModel

UNITS, LANES, STEPS = 128, 32, 64


class Torch:
    """An LSTM or GRU with a table and a linear output."""

    def __init__(self, cell, n_tokens, size):
        import torch

        torch.manual_seed(0)
        self.torch, nn = torch, torch.nn
        layer = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.table = nn.Embedding(n_tokens, size)
        self.layer, self.head = layer(size, UNITS), nn.Linear(UNITS, n_tokens)
        self.parts = nn.ModuleList([self.table, self.layer, self.head])
        self.n_tokens = n_tokens

    def fit(self, ids, n_epochs, rate=0.008):
        torch = self.torch
        weights = list(self.parts.parameters())
        adam = torch.optim.Adam(weights, lr=rate)
        n = (len(ids) - 1) // LANES
        x = torch.tensor(ids[: n * LANES]).view(LANES, n).T
        y = torch.tensor(ids[1 : n * LANES + 1]).view(LANES, n).T
        n_updates = n_epochs * -(-n // STEPS)
        schedule = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.01, n_updates)
        for _ in range(n_epochs):
            state = None
            for start in range(0, n, STEPS):
                part = slice(start, start + STEPS)
                out, state = self.layer(self.table(x[part]), state)
                detach = isinstance(state, tuple)
                state = tuple(s.detach() for s in state) if detach else state.detach()
                raw = self.head(out).flatten(0, 1)
                loss = torch.nn.functional.cross_entropy(raw, y[part].flatten())
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
                adam.step()
                schedule.step()
        return self

    def bits(self, ids):
        torch = self.torch
        with torch.no_grad():
            ids = torch.tensor(ids)
            out, _ = self.layer(self.table(ids[:-1, None]))
            raw = self.head(out[:, 0])
            loss = torch.nn.functional.cross_entropy(raw, ids[1:])
        return loss.item() / np.log(2)

    def write(self, n_texts, n_tokens):
        torch, lstm = self.torch, self.layer
        cell = torch.nn.LSTMCell(lstm.input_size, UNITS)
        cell.load_state_dict({k[:-3]: v for k, v in lstm.state_dict().items()})
        ids = torch.zeros(n_texts, dtype=torch.long)
        state = None
        with torch.no_grad():
            for _ in range(n_tokens):
                state = cell(self.table(ids), state)
                p = torch.softmax(self.head(state[0]), 1)
                ids = torch.multinomial(p, 1)[:, 0]


def seconds(function, *args, **kwargs):
    start = process_time()
    found = function(*args, **kwargs)
    return process_time() - start, found


def language_model(cell="lstm", **more):
    options = {"ends": False, "batch_size": LANES, "bptt_steps": STEPS, "dropout": 0.1}
    options |= more
    return LanguageModel(UNITS, cell=cell, random_state=0, n_jobs=1, **options)


def compare_training(args):
    rows = []
    for cell, n_tokens, size, n in (
        ("lstm", 65, 64, 200_000),
        ("gru", 65, 64, 200_000),
        ("lstm", 10_000, 128, 30_000),
    ):
        # Fewer would not have all the tokens, and so fewer outputs than torch.
        n //= 4 if args.quick and n_tokens < n // 8 else 1
        ids = np.random.default_rng(0).integers(n_tokens, size=n)
        rates = []
        for _ in range(1 if args.quick else 3):
            ours = language_model(cell, embedding_size=size, max_iter=1, dropout=0)
            theirs = Torch(cell, n_tokens, size)
            t, u = seconds(ours.fit, [ids])[0], seconds(theirs.fit, ids, 1)[0]
            rates.append((n / t, n / u, u / t))
        ours, theirs, ratio = np.median(rates, axis=0)
        rows.append([cell, n_tokens, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ratio:.1f}"])
    header = ["cell", "V", "skrnn", "torch", "×"]
    table("Training, tokens a second, reading the tokens included:", header, rows)


def compare_writing(args, model, theirs):
    rows = []
    for n_texts, n_tokens in ((1, 4000), (32, 400)):
        n_tokens //= 4 if args.quick else 1
        times = []
        for _ in range(1 if args.quick else 5):
            t, _ = seconds(model.generate, n_samples=n_texts, max_new_tokens=n_tokens)
            u, _ = seconds(theirs.write, n_texts, n_tokens)
            times.append((t, u, u / t))
        t, u, ratio = np.median(times, axis=0)
        each = 1e6 / (n_texts * n_tokens)
        rows.append([n_texts, f"{each * t:.1f}", f"{each * u:.1f}", f"{ratio:.0f}"])
    table("Writing, µs a character:", ["texts", "skrnn", "torch", "×"], rows)


def compare_accuracy(args):
    """Print bits beside seconds; return both networks."""
    train, test = (load_shakespeare(subset=s).data for s in ("train", "test"))
    n_epochs = 1 if args.quick else 4
    tokens = sorted(set(train) | set(test))
    ids = [np.searchsorted(tokens, list(text)) for text in (train, test)]
    lines = [np.append(len(tokens), own).astype(np.int32) for own in ids]
    rows = []
    t, ngrams = seconds(NgramModel.count, lines[0], 7, len(tokens))
    p, _, _ = ngrams.probabilities(lines[1])
    rows.append(["7-gram alone", f"{t:.2f}", f"{-np.log2(p[1:]).mean():.3f}"])
    known = set(train)
    test = "".join(c for c in test if c in known)
    models = {}
    for name, more in (("network", {}), ("both", {"ngram_order": 7})):
        models[name] = language_model(max_iter=n_epochs, **more)
        t, model = seconds(models[name].fit, train)
        rows.append(
            [f"skrnn, {name}", f"{t:.1f}", f"{model.bits_per_character(test):.3f}"]
        )
    theirs = Torch("lstm", len(tokens), 64)
    t, _ = seconds(theirs.fit, ids[0], n_epochs)
    rows.append(["torch, network", f"{t:.1f}", f"{theirs.bits(ids[1]):.3f}"])
    title = f"Bits a character, {n_epochs} epochs, LSTM of {UNITS} units:"
    table(title, ["", "CPU seconds", "bits"], rows)
    return models["network"], theirs


def main():
    args = options(__doc__)
    import torch

    torch.set_num_threads(1)
    Machine(lambda a, b: torch.tensor(a) @ torch.tensor(b), 3).describe(
        torch=torch.__version__
    )
    compare_training(args)
    compare_writing(args, *compare_accuracy(args))


if __name__ == "__main__":
    main()
