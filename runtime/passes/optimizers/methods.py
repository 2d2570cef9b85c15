"""Optimizers: for each, its update operation, slots, hyperparameters, and the update by sparse gradients.

Names and defaults are those of TensorFlow 1's optimizers (AdaMax: of its contrib), so that checkpoints are
interchangeable. TensorFlow has no default learning rate for sgd, momentum, nesterov, adagrad, rmsprop and ftrl,
nor a default momentum for momentum and nesterov: here they are 0.01 and 0.9.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ....kernels.builder.graph_builder import GraphBuilder, IndexedSlices, Tensor
from .variables import VariableNodes

Hyperparameters = Mapping[str, Tensor]
RowUpdate = Callable[
    [GraphBuilder, VariableNodes, Mapping[str, VariableNodes], Hyperparameters, IndexedSlices], "Tensor | str"
]


@dataclass(frozen=True)
class Slot:
    """A variable that an optimizer keeps per variable.

    ``input`` is its name among the operation's inputs; ``initial`` is its initial value, a number or the name
    of a hyperparameter.
    """

    input: str
    initial: float | str = 0.0


@dataclass(frozen=True)
class Method:
    """An optimizer.

    ``slots`` are in the order in which they are numbered. ``inputs`` maps inputs of the operation to
    hyperparameters of another name. ``powers`` are variables shared by all variables: hyperparameters raised to
    the number of the step. ``variants`` replace the method where a hyperparameter is set. ``rows``, if set,
    builds the update by a sparse gradient, instead of the operation's sparse variant; ``sums_rows`` is True if
    repeated rows are summed first. ``composed`` builds the update from other operations, where the update
    operation does not exist.
    """

    operation: str
    scope: str
    defaults: Mapping[str, float | bool]
    slots: Sequence[Slot] = ()
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    powers: Mapping[str, str] = field(default_factory=dict[str, str])
    variants: Mapping[str, Method] = field(default_factory=dict[str, "Method"])
    rows: RowUpdate | None = None
    sums_rows: bool = True
    composed: Callable[..., Any] | None = None

    def variant(self, values: Mapping[str, float | bool]) -> Method:
        """Returns the method for these hyperparameter values."""
        return next((method for name, method in self.variants.items() if values[name]), self)


def _descend_rows(
    g: GraphBuilder,
    var: VariableNodes,
    slots: Mapping[str, VariableNodes],
    hyper: Hyperparameters,
    gradient: IndexedSlices,
) -> Tensor | str:
    return var.scatter("Sub", gradient.indices, gradient.values * hyper["learning_rate"])


def _moments(
    g: GraphBuilder,
    slots: Mapping[str, VariableNodes],
    hyper: Hyperparameters,
    gradient: Tensor | IndexedSlices,
) -> tuple[Tensor, Tensor]:
    """Decays both of Adam's moments in all rows, adds the gradient where there is one, and returns both."""

    def moved(slot: VariableNodes, beta: Tensor, new: Tensor) -> Tensor:
        if not isinstance(gradient, IndexedSlices):
            return slot.read_after(slot.assign(slot.read() * beta + new * (1 - beta)))
        with g.control_dependencies([slot.assign(slot.read() * beta)]):
            added = slot.scatter("Add", gradient.indices, new * (1 - beta))
        return slot.read_after(added)

    values = gradient.values if isinstance(gradient, IndexedSlices) else gradient
    return moved(slots["m"], hyper["beta1"], values), moved(slots["v"], hyper["beta2"], values * values)


def _adam(
    g: GraphBuilder,
    var: VariableNodes,
    slots: Mapping[str, VariableNodes],
    hyper: Hyperparameters,
    gradient: Tensor | IndexedSlices,
) -> Tensor | str:
    """Composes Adam's update. Moments decay in all rows, including those that a sparse gradient does not name."""
    m, v = _moments(g, slots, hyper, gradient)
    if "vhat" in slots:
        vhat = slots["vhat"]
        v = vhat.read_after(vhat.assign(g.Maximum(vhat.read(), v)))
    rate = hyper["learning_rate"] * g.Sqrt(1 - hyper["beta2_power"]) / (1 - hyper["beta1_power"])
    return var.subtract(rate * m / (g.Sqrt(v) + hyper["epsilon"]))


def _adamax_rows(
    g: GraphBuilder,
    var: VariableNodes,
    slots: Mapping[str, VariableNodes],
    hyper: Hyperparameters,
    gradient: IndexedSlices,
) -> Tensor | str:
    """Composes AdaMax's update of the rows that a sparse gradient names."""
    at, values = gradient.indices, gradient.values
    m = slots["m"].gather(at) * hyper["beta1"] + values * (1 - hyper["beta1"])
    v = g.Maximum(slots["v"].gather(at) * hyper["beta2"], g.Abs(values))
    kept = [slots["m"].scatter("Update", at, m), slots["v"].scatter("Update", at, v)]
    rate = hyper["learning_rate"] / (1 - hyper["beta1_power"])
    with g.control_dependencies(kept):
        return var.scatter("Sub", at, rate * (m / (v + hyper["epsilon"])))


_RATE = {"lr": "learning_rate"}
_ADAM = {"learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
_MEAN_SQUARE = Slot("ms", 1.0)

_momentum = Method(
    "Momentum",
    "Momentum",
    {"learning_rate": 0.01, "momentum": 0.9, "use_nesterov": False},
    [Slot("accum")],
    _RATE,
)
_rmsprop = Method(
    "RMSProp",
    "RMSProp",
    {"learning_rate": 0.01, "decay": 0.9, "momentum": 0.0, "epsilon": 1e-10, "centered": False},
    [_MEAN_SQUARE, Slot("mom")],
    {**_RATE, "rho": "decay"},
)
_adam_method = Method(
    "Adam",
    "Adam",
    {**_ADAM, "use_nesterov": False, "amsgrad": False},
    [Slot("m"), Slot("v")],
    _RATE,
    {"beta1_power": "beta1", "beta2_power": "beta2"},
    rows=_adam,
    composed=_adam,
)
_ftrl = Method(
    "Ftrl",
    "Ftrl",
    {
        "learning_rate": 0.01,
        "learning_rate_power": -0.5,
        "initial_accumulator_value": 0.1,
        "l1_regularization_strength": 0.0,
        "l2_regularization_strength": 0.0,
        "l2_shrinkage_regularization_strength": 0.0,
    },
    [Slot("accum", "initial_accumulator_value"), Slot("linear")],
    {
        **_RATE,
        "lr_power": "learning_rate_power",
        "l1": "l1_regularization_strength",
        "l2": "l2_regularization_strength",
        "l2_shrinkage": "l2_shrinkage_regularization_strength",
    },
)

METHODS: dict[str, Method] = {
    "sgd": Method(
        "GradientDescent",
        "GradientDescent",
        {"learning_rate": 0.01},
        inputs={"alpha": "learning_rate"},
        rows=_descend_rows,
        sums_rows=False,
    ),
    "momentum": _momentum,
    "nesterov": replace(_momentum, defaults={**_momentum.defaults, "use_nesterov": True}),
    "adagrad": Method(
        "Adagrad",
        "Adagrad",
        {"learning_rate": 0.01, "initial_accumulator_value": 0.1},
        [Slot("accum", "initial_accumulator_value")],
        _RATE,
    ),
    "adadelta": Method(
        "Adadelta",
        "Adadelta",
        {"learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-8},
        [Slot("accum"), Slot("accum_update")],
        _RATE,
    ),
    "rmsprop": replace(
        _rmsprop,
        variants={
            "centered": replace(
                _rmsprop, operation="CenteredRMSProp", slots=[_MEAN_SQUARE, Slot("mg"), Slot("mom")]
            )
        },
    ),
    "adam": replace(
        _adam_method,
        variants={
            "amsgrad": replace(
                _adam_method, operation="AdamWithAmsgrad", slots=[Slot("m"), Slot("v"), Slot("vhat")]
            )
        },
    ),
    "adamax": Method(
        "AdaMax",
        "AdaMax",
        _ADAM,
        [Slot("m"), Slot("v")],
        _RATE,
        {"beta1_power": "beta1"},
        rows=_adamax_rows,
    ),
    "ftrl": replace(
        _ftrl, variants={"l2_shrinkage_regularization_strength": replace(_ftrl, operation="FtrlV2")}
    ),
}
