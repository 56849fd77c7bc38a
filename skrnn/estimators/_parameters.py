"""Parameters of all estimators: what they may be, and what follows from them."""

from numbers import Integral, Real

import joblib
import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from skrnn._recurrence import max_threads
from skrnn.cells import CELLS
from skrnn.estimators._interrupt import called_by_user
from skrnn.network import PassOptions
from skrnn.solvers import SCHEDULES, SOLVERS
from skrnn.training import TrainingOptions

# Parameters that a fitted network is made of: they cannot change when it is trained on.
STRUCTURE = (
    "hidden_layer_sizes",
    "cell",
    "activation",
    "bidirectional",
    "pooling",
    "segment_length",
    "standardize",
    "missing",
    "dtype",
)
# Those of which 'auto' has become something else in a fitted network.
SETTLED = ("bidirectional", "pooling", "hidden_layer_sizes", "ngram_order")
# How many kernels an estimator has that may have convolutions.
CONVOLUTIONS = [StrOptions({"auto"}), Interval(Integral, 0, 2**16, closed="both")]
JOBLIB_BACKENDS = joblib.parallel.SequentialBackend.__module__
LEARNING_RATE = ("learning_rate_init", "learning_rate", "power_t")
SOLVER_PARAMETERS = {
    "adam": (*LEARNING_RATE, "beta_1", "beta_2", "epsilon"),
    "sgd": (*LEARNING_RATE, "momentum", "nesterovs_momentum"),
    "lbfgs": ("max_fun",),
}


def auto_batch_size(n_seqs):
    """Choose how many sequences make an update: small sets want many updates, too."""
    return int(np.clip(n_seqs // 15, 4, 32))


def count_threads(n_jobs):
    """Return how many threads of this process `n_jobs` means."""
    if type(n_jobs) is int and n_jobs == 1:
        return 1  # whatever joblib's backend is
    if n_jobs is not None and not isinstance(n_jobs, Integral):
        raise ValueError(f"n_jobs must be None or an int other than 0, got {n_jobs!r}.")
    # A backend of joblib itself says how much of this machine may be used. One of a
    # cluster counts the cores of all its workers, whatever it is asked.
    backend, _ = joblib.parallel.get_active_backend()
    if type(backend).__module__ == JOBLIB_BACKENDS:
        n_threads = joblib.effective_n_jobs(n_jobs)
    elif n_jobs is None:
        n_threads = 1
    else:
        with joblib.parallel_config("threading"):
            n_threads = joblib.effective_n_jobs(n_jobs)
    # Limits of threadpoolctl, and of joblib within its workers, arrive in OpenMP.
    return n_threads if n_threads == 1 else min(n_threads, max_threads())


def current(estimator, *names):
    """Return parameters that predictions read, checked: they may be set after `fit`."""
    values = {name: getattr(estimator, name) for name in names}
    if not get_config()["skip_parameter_validation"]:
        constraints = {name: estimator._parameter_constraints[name] for name in names}
        validate_parameter_constraints(
            constraints, values, caller_name=type(estimator).__name__
        )
    return tuple(values.values()) if len(names) > 1 else values[names[0]]


def has_partial_fit(estimator):
    """Whether there is a partial_fit; an AttributeError that says why not."""

    def is_set(name, value):
        # Before it is checked a parameter may be an array, neither true nor false.
        found = getattr(estimator, name, None)
        return isinstance(found, type(value)) and found == value

    solver = getattr(estimator, "solver", None)
    if isinstance(solver, str) and solver in SOLVERS:
        if not SOLVERS[solver].has_partial_fit:
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. "
                f"{solver} is not stochastic."
            )
    if is_set("early_stopping", True) or is_set("early_stopping", np.True_):
        raise AttributeError("partial_fit does not support early_stopping=True.")
    if is_set("class_weight", "balanced"):
        raise AttributeError(
            "partial_fit does not support class_weight='balanced': it does not know "
            "how many sequences of each class will come. Give the weights as a dict."
        )
    return True


class Parameters(BaseEstimator):
    """The parameters of all estimators, with the names of scikit-learn's MLP."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "cell": [StrOptions(set(CELLS))],
        "activation": [StrOptions({"tanh", "relu"})],
        "bidirectional": ["boolean"],
        "pooling": [StrOptions({"last", "mean", "max", "attention", "joined"})],
        "segment_length": [
            StrOptions({"auto"}),
            Interval(Integral, 1, 2**20, closed="both"),
        ],
        "standardize": ["boolean"],
        "missing": [StrOptions({"error", "indicator"})],
        "categorical_features": ["array-like", str, Integral, callable, None],
        "embedding_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, 2**20, closed="both"),
            dict,
        ],
        "embedding_init": [
            dict,
            HasMethods(["loc"]),
            HasMethods(["key_to_index"]),
            None,
        ],
        "embedding_trainable": ["boolean"],
        "embedding_dropout": [Interval(Real, 0, 1, closed="left")],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
        ],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "recurrent_dropout": [Interval(Real, 0, 1, closed="left")],
        "solver": [StrOptions(set(SOLVERS))],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate": [StrOptions(set(SCHEDULES))],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "bptt_steps": [Interval(Integral, 1, 2**31 - 1, closed="both"), None],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [str, callable, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "dtype": [
            StrOptions({"float32", "float64"}),
            Options(type, {np.float32, np.float64}),
        ],
        "n_jobs": [Integral, None],
    }

    # What the network is made of and no parameter says.
    _fixed_structure: dict = {}

    def _set_parameters(self, arguments):
        """Keep the arguments of a constructor, which are its ``locals()``."""
        for name in self._get_param_names():
            setattr(self, name, arguments[name])

    def _check_parameters(self, incremental):
        """Check the parameters; return whether a fitted network is trained on."""
        if not get_config()["skip_parameter_validation"]:
            self._validate_params()
            for name, value in self.get_params(deep=False).items():
                if isinstance(value, int) and abs(value) >= 2**1023:
                    raise InvalidParameterError(
                        f"The {name!r} parameter of {type(self).__name__} must be a "
                        f"number that a float can hold. Got one of "
                        f"{value.bit_length()} bits instead."
                    )
        structure = self._describe_structure()
        resume = (incremental or self.warm_start) and self.__sklearn_is_fitted__()
        for name, value in structure.items() if resume else ():
            if value == "auto" and name in SETTLED:
                continue
            # Networks of older files have no convolutions, and do not say so.
            absent = value if value == "auto" else 0
            fitted = self._fitted_structure().get(name, absent)
            if value != fitted:
                raise ValueError(
                    f"{'partial_fit' if incremental else 'warm_start'} continues "
                    f"training the fitted network, so {name} cannot change from "
                    f"{fitted!r} to {value!r}. To start anew, call fit with "
                    "warm_start=False."
                )
        return resume

    def _fitted_structure(self):
        """Return the parameters that the fitted network was made of."""
        return self._model.structure

    def _describe_structure(self):
        """Return the parameters that the network is made of, as plain values."""
        fixed = self._fixed_structure
        structure = {
            name: fixed[name] if name in fixed else getattr(self, name)
            for name in STRUCTURE
        }
        if "convolutions" in self._parameter_constraints:
            given = self.convolutions
            structure["convolutions"] = given if given == "auto" else int(given)
        if "rocket" in self._parameter_constraints:
            given = self.rocket
            structure["rocket"] = given if isinstance(given, str) else bool(given)
        structure["hidden_layer_sizes"] = self._layer_sizes()
        structure["dtype"] = np.dtype(self.dtype).name
        return structure

    def _layer_sizes(self):
        """Return the number of units of each layer, as a tuple."""
        try:
            sizes = np.atleast_1d(self.hidden_layer_sizes)
        except ValueError:
            sizes = np.array(None)  # lists of several lengths
        if (
            sizes.ndim != 1
            or sizes.size == 0
            or sizes.dtype.kind not in "iu"
            or sizes.min() < 1
            or sizes.max() >= 2**31
        ):
            raise ValueError(
                "hidden_layer_sizes must hold a positive integer below 2**31 for each "
                f"layer, got {self.hidden_layer_sizes!r}."
            )
        return tuple(sizes.tolist())

    def _solver_parameters(self):
        """Return the arguments of the solver."""
        return {name: getattr(self, name) for name in SOLVER_PARAMETERS[self.solver]}

    def _make_solver(self, solver_state=None, incremental=False):
        """Return the solver, which goes on from what another one has kept."""
        solver = SOLVERS[self.solver](**self._solver_parameters())
        if solver_state is not None and solver_state[0] == self.solver:
            state = dict(solver_state[1])
            if not incremental:
                # An adaptive learning rate that ended the last fit starts anew.
                state.pop("n_stalls", None)
            solver.set_state(state)
        return solver

    def _pass_options(self):
        """Return what only the training of the network knows."""
        drops_out = SOLVERS[self.solver].drops_out
        return PassOptions(
            dropout=self.dropout if drops_out else 0.0,
            recurrent_dropout=self.recurrent_dropout if drops_out else 0.0,
            bptt_steps=self.bptt_steps or 0,
        )

    def _training_options(self, batch_size, early_stopping, **more):
        """Return how training goes; `more` are further options."""
        names = ("max_iter", "shuffle", "alpha", "max_grad_norm", "tol")
        names += ("n_iter_no_change",)
        options = {name: getattr(self, name) for name in names}
        options |= {"verbose": bool(self.verbose), "n_threads": self._n_threads()}
        options |= {"batch_size": batch_size, "early_stopping": early_stopping}
        options["keep_interrupted"] = called_by_user()
        return TrainingOptions(**options | more)

    def _n_threads(self):
        return count_threads(self.n_jobs)
