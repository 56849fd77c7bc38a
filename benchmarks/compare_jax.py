"""One recurrent layer, skrnn against JAX (jit, CPU): training and inference.

    python benchmarks/compare_jax.py [--quick] [--isa avx2] [--threads 1 2]

Both have the same weights and data in float32, and their results are checked to be
equal before anything is timed. They run in turns in one process a number of threads
(XLA reads it when it starts); a ratio is the median over the turns of JAX's time over
ours, more than 1 being to our favour.

JAX runs as one writes it well: the inputs' product of all steps first, `lax.scan` over
the steps with only the states' product inside, `value_and_grad` of the loss with
respect to the parameters, all of it compiled once. The scan is unrolled by 1 and by 4
(`--unroll`), and the faster one is kept. Compiling is not in the ratios; its time is in
a table of its own, and a fit pays it for every shape of batch.
"""

import os
import subprocess
import sys
from functools import partial
from time import perf_counter

import numpy as np
from measure import Machine, check_equal, compare, in_turns, options, table
from suite.cases import N_GATES, Layer, make_case


def hold_to(n_threads):
    """Let XLA, which counts the cores that it may use, have so many threads."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_threads])
    if n_threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false"


def make_functions(cell):
    """Return forward(parameters, x, unroll) and train(parameters, x, dlast, unroll)."""
    import jax
    import jax.numpy as jnp
    from jax.nn import sigmoid

    def lstm(parameters, state, xw):
        h, c = state
        i, f, g, o = jnp.split(xw + h @ parameters["U"], 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        return sigmoid(o) * jnp.tanh(c), c

    def gru(parameters, state, xw):
        (h,) = state
        xr, xz, xn = jnp.split(xw, 3, axis=-1)
        hr, hz, hn = jnp.split(h @ parameters["U"], 3, axis=-1)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        n = jnp.tanh(xn + r * (hn + parameters["b"][-h.shape[-1] :]))
        return (n + z * (h - n),)

    def rnn(parameters, state, xw):
        return (jnp.tanh(xw + state[0] @ parameters["U"]),)

    step = {"lstm": lstm, "gru": gru, "rnn": rnn}[cell]

    def forward(parameters, x, unroll):
        columns = parameters["W"].shape[1]
        xw = x @ parameters["W"] + parameters["b"][:columns]
        zero = jnp.zeros((x.shape[1], columns // N_GATES[cell]), x.dtype)
        start = (zero, zero) if cell == "lstm" else (zero,)
        states, _ = jax.lax.scan(
            lambda state, xw: (step(parameters, state, xw), None),
            start,
            xw,
            unroll=unroll,
        )
        return states[0]

    def loss(parameters, x, dlast, unroll):
        last = forward(parameters, x, unroll)
        return (last * dlast).sum(), last

    return forward, jax.value_and_grad(loss, has_aux=True)


class Comparison:
    """Makes the functions of a case, and keeps how long they took to compile."""

    def __init__(self, n_threads, unroll):
        self.n_threads, self.unroll = n_threads, unroll
        self.compile_seconds = {}

    def compiled(self, key, function, *arguments):
        """Return the call that is the fastest of all ways to unroll."""
        import jax

        arguments = jax.device_put(arguments)
        calls, seconds = [], []
        for unroll in self.unroll:
            start = perf_counter()
            jitted = jax.jit(partial(function, unroll=unroll))
            compiled = jitted.lower(*arguments).compile()
            seconds.append(perf_counter() - start)
            calls.append(lambda f=compiled: jax.block_until_ready(f(*arguments)))
        best = np.median(in_turns(*calls, rounds=5), axis=1).argmin()
        self.compile_seconds[key] = seconds[best]
        return calls[best]

    def training(self, cell, shape):
        case = make_case(cell, shape)
        ours = Layer(case, self.n_threads)
        parameters = {"W": case.W, "U": case.U, "b": case.b}
        train = make_functions(cell)[1]
        theirs = self.compiled(
            ("training", cell, shape), train, parameters, case.x, case.dlast
        )
        (_, last), gradients = theirs()
        expected = [last, *(np.atleast_2d(gradients[name]) for name in "WUb")]
        check_equal(f"training {cell} {shape}", ours.train(), expected)
        return ours.train, theirs, case.training_flops

    def inference(self, cell, shape):
        case = make_case(cell, shape)
        ours = Layer(case, self.n_threads, trains=False)
        parameters = {"W": case.W, "U": case.U, "b": case.b}
        forward = make_functions(cell)[0]
        theirs = self.compiled(("inference", cell, shape), forward, parameters, case.x)
        check_equal(f"inference {cell} {shape}", [ours.forward()], [theirs()])
        return ours.forward, theirs, case.forward_flops


def run(args, n_threads):
    hold_to(n_threads)
    import jax

    machine = Machine(np.matmul, args.rounds)
    machine.describe(jax=jax.__version__, numpy=np.__version__)
    comparison = Comparison(n_threads, args.unroll)
    turns = partial(compare, machine=machine, args=args, n_threads=n_threads)
    turns("Training", "jax", make=comparison.training)
    turns("Inference", "jax", make=comparison.inference)
    rows = []
    for what in ("training", "inference"):
        for cell in args.cells:
            seconds = [
                comparison.compile_seconds[what, cell, shape] for shape in args.shapes
            ]
            rows.append([what, cell, *(f"{s:.2f}" for s in seconds)])
    header = ["pass", "cell", *(", ".join(map(str, shape)) for shape in args.shapes)]
    table("Seconds to compile, once for each shape of batch:", header, rows)


def main():
    args = options(
        __doc__,
        unroll={"type": int, "nargs": "+", "default": [1, 4]},
        child={"type": int, "default": 0},
    )
    if args.child:
        run(args, args.child)
        return
    for n_threads in args.threads:
        command = [sys.executable, *sys.argv, "--child", str(n_threads)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
