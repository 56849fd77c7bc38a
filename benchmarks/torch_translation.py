"""A translator in PyTorch, as `compare_translation.py` wants it.

The encoder is a bidirectional GRU over packed sequences. The decoder is a GRU that
starts from the last states of the encoder, and looks at its states by general
attention. The table of target tokens is also the output matrix. Batches hold sentences
of like length, and the output layer sees no padding.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import (
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
)

POOL = 32  # batches whose sentences are sorted by length


class Translator(nn.Module):
    """An encoder and a decoder.

    Parameters
    ----------
    n_source, n_target : int
        Tokens of the sources, and of the targets with their end, which is the last one.
    units, size : int
        Units of a layer, and columns of the tables.
    place : {"after", "feeding"}
        Whether what attention finds is read by the next step: input feeding.
    """

    def __init__(self, n_source, n_target, units=256, size=256, place="after"):
        super().__init__()
        self.place, self.units, self.end = place, units, n_target - 1
        self.source = nn.Embedding(n_source, size)
        self.target = nn.Embedding(n_target + 1, size)  # the last row: the beginning
        self.encoder = nn.GRU(size, units, bidirectional=True)
        self.bridge = nn.Linear(2 * units, units)
        n_read = size + (size if place == "feeding" else 0)
        self.decoder = nn.GRU(n_read, units)
        self.keys = nn.Linear(2 * units, units, bias=False)
        self.join = nn.Linear(3 * units, size)
        self.bias = nn.Parameter(torch.zeros(n_target))
        for table in (self.source, self.target):
            nn.init.uniform_(table.weight, -0.1, 0.1)
        self.dropout = nn.Dropout(0.2)

    def encode(self, sources):
        """Return keys, values (n, n_steps, .), what is no padding, and first states."""
        packed = pack_sequence(sources, enforce_sorted=False)
        rows = packed._replace(data=self.dropout(self.source(packed.data)))
        out, last = self.encoder(rows)
        values, lengths = pad_packed_sequence(out, batch_first=True)
        keep = torch.arange(values.shape[1]) < lengths[:, None]
        first = torch.tanh(self.bridge(torch.cat([last[0], last[1]], 1)))
        return self.keys(values), values, keep, first

    def attend(self, h, keys, values, keep):
        """Return contexts of the states (n, n_rows, units)."""
        scores = torch.bmm(h, keys.transpose(1, 2))
        scores = scores.masked_fill(~keep[:, None], float("-inf"))
        return torch.bmm(scores.softmax(-1), values)

    def logits(self, rows):
        """Return the outputs of rows that the table has as many columns as."""
        return nn.functional.linear(rows, self.target.weight[:-1], self.bias)

    def rows(self, encoded, targets):
        """Return what the output layer reads, (n_tokens, size), one below the other."""
        keys, values, keep, first = encoded
        begin = torch.tensor([self.end + 1])
        read = [torch.cat([begin, own]) for own in targets]
        lengths = torch.tensor([len(own) for own in read])
        if self.place == "feeding":
            return self._fed_rows(pad_sequence(read, True), lengths, encoded)
        packed = pack_sequence(read, enforce_sorted=False)
        x = packed._replace(data=self.dropout(self.target(packed.data)))
        out, _ = self.decoder(x, first[None])
        h, _ = pad_packed_sequence(out, batch_first=True)
        inside = torch.arange(h.shape[1]) < lengths[:, None]
        joined = torch.cat([h, self.attend(h, keys, values, keep)], -1)
        return torch.tanh(self.join(joined[inside]))

    def _fed_rows(self, read, lengths, encoded):
        keys, values, keep, h = encoded
        x = self.dropout(self.target(read))
        found, rows = torch.zeros(len(read), x.shape[-1]), []
        for t in range(read.shape[1]):
            h = self.cell(self.decoder, torch.cat([x[:, t], found], 1), h)
            context = self.attend(h[:, None], keys, values, keep)[:, 0]
            found = torch.tanh(self.join(torch.cat([h, context], 1)))
            rows.append(found)
        inside = torch.arange(len(rows)) < lengths[:, None]
        return torch.stack(rows, 1)[inside]

    @staticmethod
    def cell(layer, x, h):
        """Return the state after one step of a layer."""
        return torch.gru_cell(x, h, *(getattr(layer, f"{k}_l0") for k in NAMES))

    def step(self, tokens, states, encoded):
        """Return log probabilities (n, k, n_target) after a token, and the states."""
        keys, values, keep, _ = encoded
        n, k = tokens.shape
        x = self.target(tokens.flatten())
        h, *more = states
        if self.place == "feeding":
            x = torch.cat([x, more[0]], 1)
        h = self.cell(self.decoder, x, h)
        context = self.attend(h.view(n, k, -1), keys, values, keep).flatten(0, 1)
        row = torch.tanh(self.join(torch.cat([h, context], 1)))
        states = [h, row][: 1 + (self.place == "feeding")]
        return self.logits(row).log_softmax(-1).view(n, k, -1), states

    def fed(self):
        """Return a model with input feeding that makes nothing of what it is fed.

        It says what this one says, in the time that input feeding takes.
        """
        n_source, size = self.source.weight.shape
        other = Translator(n_source, self.end + 1, self.units, size, "feeding")
        values = self.state_dict()
        weight = values["decoder.weight_ih_l0"]
        values["decoder.weight_ih_l0"] = torch.cat([weight, 0 * weight], 1)
        other.load_state_dict(values)
        return other

    # Search --------------------------------------------------------------------------

    @torch.inference_mode()
    def translate(self, sources, beam=5, ratio=1.5):
        """Return the best translation of each sequence, as lists of ids."""
        self.eval()
        encoded, n = self.encode(sources), len(sources)
        limits = [int(ratio * len(own)) + 10 for own in sources]
        first = encoded[3].repeat_interleave(beam, 0)
        states = [first]
        if self.place == "feeding":
            states.append(torch.zeros(n * beam, self.target.weight.shape[1]))
        tokens = torch.full((n, beam), self.end + 1)
        scores = torch.full((n, beam), float("-inf"))
        scores[:, 0] = 0.0
        alive, texts = list(range(n)), [[[] for _ in range(beam)] for _ in range(n)]
        finished, best = [[] for _ in range(n)], [[] for _ in range(n)]
        length = 0
        while alive:
            length += 1
            log_p, states = self.step(tokens, states, encoded)
            n_tokens = log_p.shape[-1]
            top = (log_p + scores[..., None]).flatten(1).topk(2 * beam)
            kept = []
            for i, each, ids in zip(
                alive, top.values.tolist(), top.indices.tolist(), strict=True
            ):
                live = []
                for rank, (score, code) in enumerate(zip(each, ids, strict=True)):
                    parent, token = divmod(code, n_tokens)
                    if token == self.end:
                        if rank < beam:
                            finished[i].append((score / length, texts[i][parent]))
                    elif len(live) < beam:
                        live.append((parent, token, score))
                done = sorted(finished[i], key=lambda pair: -pair[0])[:beam]
                bound = live[0][2] / limits[i]
                if length >= limits[i] or (len(done) == beam and bound <= done[-1][0]):
                    hope = (live[0][2], texts[i][live[0][0]])
                    best[i] = (done or [hope])[0][1]
                    continue
                texts[i] = [texts[i][parent] + [token] for parent, token, _ in live]
                kept.append((i, live))
            positions = {i: place for place, i in enumerate(alive)}
            places = torch.tensor([positions[i] for i, _ in kept], dtype=torch.long)
            parents = torch.tensor(
                [[positions[i] * beam + parent for parent, _, _ in live]
                 for i, live in kept], dtype=torch.long,
            )  # fmt: skip
            alive = [i for i, _ in kept]
            if not alive:
                break
            states = [each[parents.flatten()] for each in states]
            tokens = torch.tensor([[t for _, t, _ in live] for _, live in kept])
            scores = torch.tensor([[s for _, _, s in live] for _, live in kept])
            if len(places) < len(encoded[0]):
                encoded = [each[places] for each in encoded]
        return best


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Training:
    """Epochs of a translator with Adam, a rate that falls to zero, and clipping."""

    def __init__(self, model, sources, targets, n_updates, rate=2e-3, batch_size=64):
        self.model, self.batch_size = model, batch_size
        self.sources, self.targets = sources, targets
        self.adam = torch.optim.Adam(model.parameters(), lr=rate)
        self.schedule = torch.optim.lr_scheduler.LinearLR(
            self.adam, 1.0, 1e-3, n_updates
        )

    def batches(self, rng):
        """Return the pairs of each batch: of like length, in random order."""
        drawn = rng.permutation(len(self.sources))
        lengths = np.array([len(own) for own in self.sources])
        parts = []
        for pool in np.split(
            drawn, range(POOL * self.batch_size, len(drawn), POOL * self.batch_size)
        ):
            pool = pool[np.argsort(lengths[pool], kind="stable")]
            parts += np.split(pool, range(self.batch_size, len(pool), self.batch_size))
        return [parts[i] for i in rng.permutation(len(parts))]

    def epoch(self, rng, n_batches=None):
        """Train on all batches or the first ones; return the tokens of the targets."""
        model, n_tokens = self.model.train(), 0
        for pairs in self.batches(rng)[:n_batches]:
            targets = [self.targets[i] for i in pairs]
            encoded = model.encode([self.sources[i] for i in pairs])
            rows = model.dropout(model.rows(encoded, targets))
            end = torch.tensor([model.end])
            right = torch.cat([part for own in targets for part in (own, end)])
            loss = cross_entropy(model.logits(rows), right, label_smoothing=0.1)
            self.adam.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            self.adam.step()
            self.schedule.step()
            n_tokens += len(right)
        return n_tokens
