"""Networks from loose options, as most tests want them, and one call of a trainer."""

from skrnn.network import Network, NetworkSpec, PassOptions
from skrnn.training import Hooks, Trainer, TrainingOptions

OF_PASSES = (
    "dropout",
    "recurrent_dropout",
    "bptt_steps",
    "trains",
    "embedding_dropout",
)


def make_network(n_in, sizes, n_out, *, loss=None, **options):
    """Return a network; options are those of NetworkSpec and of PassOptions."""
    passes = {name: options.pop(name) for name in OF_PASSES if name in options}
    passes["bptt_steps"] = passes.get("bptt_steps") or 0
    spec = NetworkSpec(n_in, tuple(sizes), n_out, **options)
    return Network(spec, loss, PassOptions(**passes))


def train(
    network,
    theta,
    data,
    loss,
    solver,
    *,
    random_state,
    history=None,
    validation=None,
    scorer=None,
    on_epoch_begin=None,
    on_epoch=None,
    incremental=False,
    **options,
):
    """Train a network with all that a trainer takes, in one call."""
    trainer = Trainer(network, loss, solver, TrainingOptions(**options), random_state)
    if incremental:
        return trainer.fit_more(theta, data, history=history)
    return trainer.fit(
        theta,
        data,
        validation=validation,
        scorer=scorer,
        history=history,
        hooks=Hooks(on_epoch_begin, on_epoch),
    )
