"""Every optimizer's update: on references and resources, whole and by rows."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from tfg.graphfmt import dtypes
from tfg.kernels.core import registry
from tfg.kernels.families.state.optimizer_rules import rules
from tfg.kernels.families.state.update_rules import Rule

from ...harness import cast, f32, i32, i64, rand
from ...state_harness import StateCase, state_case, state_tests

# A value for every hyperparameter, within what all operations allow.
VALUES = {
    "lr": 0.1, "alpha": 0.3, "rho": 0.9, "momentum": 0.8, "epsilon": 1e-3, "beta1": 0.9, "beta2": 0.99,
    "beta1_power": 0.7, "beta2_power": 0.9, "l1": 0.1, "l2": 0.2, "l2_shrinkage": 0.05, "lr_power": -0.5,
    "logbase": 1.2, "sign_decay": 0.6, "beta": 0.85, "global_step": 3,
}  # fmt: skip
# Slots that hold mean squares, and the like.
POSITIVE = {"ms", "accum", "v", "vhat", "accum_update", "gradient_squared_accumulator"}
ROWS = [1, 4, 1, 0, 4, 1]


def operation(rule: Rule, dtype: str, *, by_handle: bool, sparse: bool, **changed: Any) -> StateCase:
    """A row for one of a rule's operations. What is changed may be an attribute or a value."""
    kind = dtypes.BY_NAME[dtype].numpy
    shape = (5, 3) if sparse else (2, 5)

    def values(seed: int, *dims: int, positive: bool = False) -> Any:
        low = 0.5 if positive else -2
        made = rand(*dims, seed=seed, dtype="double", low=low)
        return (
            (made + 1j * rand(*dims, seed=seed + 50, dtype="double")).astype(kind)
            if kind.kind == "c"
            else made.astype(kind)
        )

    inputs = [
        values(1, *shape),
        *(values(2 + i, *shape, positive=s in POSITIVE) for i, s in enumerate(rule.slots)),
    ]
    # The mean square is never less than the square of the mean.
    inputs = [x * kind.type(3) if s == "ms" else x for x, s in zip(inputs, ("", *rule.slots))]
    for name in rule.inputs:
        if name in ("grad", "delta"):
            inputs.append(values(9, *((len(ROWS), 3) if sparse else shape)))
            inputs += [np.array(ROWS, np.int32 if dtype == "float" else np.int64)] if sparse else []
        else:
            given = changed.get(name, VALUES[name])
            inputs.append(i64(given) if name == "global_step" else np.asarray(given).astype(kind))
    attrs = {name: changed[name] for name in rule.attrs if name in changed}
    prefix = ("Resource" if by_handle else "") + ("Sparse" if sparse else "")
    name = f"{prefix}Apply{rule.name}"
    return state_case(name, *inputs, error=_refusal(name, changed), **attrs)


# The operations that refuse values of hyperparameters.
REFUSING = (
    "ResourceApplyProximalAdagrad",
    "ResourceSparseApplyProximalAdagrad",
    "ResourceSparseApplyFtrl",
    "ResourceSparseApplyFtrlV2",
)


def _refusal(name: str, changed: dict[str, Any]) -> str | None:
    """The error of an operation with changed hyperparameters."""
    if name not in REFUSING:
        return None
    for penalty in ("l1", "l2", "l2_shrinkage"):
        if not changed.get(penalty, 0) >= 0:
            return f"INVALID_ARGUMENT: {penalty} must not be negative"
    if changed.get("lr_power", 0) > 0:
        return "INVALID_ARGUMENT: lr_power must not be positive"
    if changed.get("lr") == 0 and not changed.get("multiply_linear_by_lr"):
        return "INVALID_ARGUMENT: lr must be positive"
    return None


def rows_of(rule: Rule) -> list[StateCase]:
    """All its operations in float, with every attribute; one of them in every other dtype."""
    rows: list[StateCase] = []
    kinds = [
        (h, s)
        for h, s in product((False, True), repeat=2)
        if (h or rule.references) and (rule.sparse or not s) and (rule.dense or s)
    ]
    for by_handle, sparse in kinds:
        for flags in product((False, True), repeat=len(rule.attrs)):
            given = dict(zip(rule.attrs, flags))
            rows.append(operation(rule, "float", by_handle=by_handle, sparse=sparse, **given))
    for sparse in {s for _, s in kinds}:
        for dtype in (rule.sparse_types if sparse else rule.types).split():
            if dtype != "float":
                rows.append(operation(rule, dtype, by_handle=True, sparse=sparse))
    for changed in CHANGED:
        if set(changed) <= {*rule.inputs, *rule.attrs}:
            rows += [operation(rule, "float", by_handle=h, sparse=s, **changed) for h, s in kinds if h]
    return rows


# Other paths through the formulas, and values that are refused.
CHANGED: list[dict[str, Any]] = [
    {"l1": 0.0}, {"l1": 5.0}, {"l1": -1.0}, {"l1": np.nan}, {"l2": -1.0}, {"l2_shrinkage": -1.0},
    {"lr_power": -0.3}, {"lr_power": 0.5}, {"lr_power": 0.0},
    {"lr": 0.0, "l1": 0.1},
    {"lr": 0.0, "multiply_linear_by_lr": True}, {"lr_power": -0.3, "multiply_linear_by_lr": True},
]  # fmt: skip

UNEQUAL = "Dimensions must be equal"
X, Y = rand(4), rand(4, seed=3)
T = rand(4, 3)

ERRORS = [
    # Shapes that do not fit, known before the step and not.
    *(
        state_case(
            f"{kind}Apply{rest}",
            *inputs,
            dynamic=dynamic,
            error=f"INVALID_ARGUMENT: {late if dynamic else early}",
        )
        for kind in ("", "Resource")
        for dynamic in (False, True)
        for rest, inputs, early, late in [
            ("GradientDescent", (X, f32(0.1), rand(5)), UNEQUAL, "var and grad do not have the same shape"),
            ("GradientDescent", (X, f32([0.1]), Y), "'alpha' must be of rank", "alpha is not a scalar"),
            # The shapes of reference variables are known before the step in any case.
            (
                "Momentum",
                (X, rand(5), f32(0.1), Y, f32(0.9)),
                UNEQUAL,
                "var and accum do not have the same shape" if kind else UNEQUAL,
            ),
            (
                "Momentum",
                (X, Y, f32(0.1), rand(2, 2), f32(0.9)),
                "must be equal rank",
                "var and grad do not have the same shape",
            ),
            (
                "Adam",
                (X, Y, Y, *(f32([0.5]),) * 6, Y),
                "'beta1_power' must be of rank",
                "beta1_power is not a scalar",
            ),
        ]
    ),
    *(
        state_case(f"{kind}SparseApply{rest}", *inputs, dynamic=dynamic)
        for kind in ("", "Resource")
        for dynamic in (False, True)
        for rest, inputs in [
            ("Adagrad", (T, T, f32(0.1), rand(0, 3), i32([]))),
            ("Momentum", (X, X, f32(0.1), rand(3), i32([3, 3, 0]), f32(0.9))),
        ]
    ),
    *(
        state_case(
            f"{kind}SparseApplyAdagrad",
            *inputs,
            dynamic=dynamic,
            error=f"INVALID_ARGUMENT: {late if dynamic else early}",
        )
        for kind in ("", "Resource")
        for dynamic in (False, True)
        for inputs, early, late in [
            ((T, T, f32(0.1), rand(2, 3), i32([0, 4])), *("indices[1] = 4 is not in",) * 2),
            ((T, T, f32(0.1), rand(2, 3), i32([-1, 0])), *("indices[0] = -1 is not in",) * 2),
            ((T, T, f32(0.1), rand(2, 2), i32([1, 0])), UNEQUAL, "one row for each of 2 indices"),
            ((T, T, f32(0.1), rand(2, 3), i32([1, 0, 2])), UNEQUAL, "one row for each of 3 indices"),
            (
                (T, T, f32(0.1), rand(2, 3), i32([[1], [0]])),
                "'indices' must be of rank",
                "indices must be a vector",
            ),
            (
                (T, rand(5, 3), f32(0.1), rand(2, 3), i64([1, 0])),
                UNEQUAL,
                "var and accum do not have the same shape" if kind else UNEQUAL,
            ),
            (
                (f32(1), f32(1), f32(0.1), f32(1), i32([0])),
                "must be equal rank",
                "at least 1 dimensional",
            ),
        ]
    ),
    # Nothing has been assigned.
    state_case(
        "ApplyGradientDescent",
        X,
        f32(0.1),
        Y,
        _uninitialized=True,
        error="FAILED_PRECONDITION: uninitialized value",
    ),
    state_case(
        "ApplyMomentum",
        X,
        X,
        f32(0.1),
        Y,
        f32(0.9),
        _uninitialized=True,
        error="FAILED_PRECONDITION: uninitialized value",
    ),
]

SHAPES = [
    *(
        state_case(f"{kind}ApplyMomentum", *(f32(x) for x in (1, 2, 0.1, 3, 0.9)))
        for kind in ("", "Resource")
    ),
    *(
        state_case(f"{kind}ApplyAdam", *[rand(0, 3)] * 3, *[f32(0.5)] * 6, rand(0, 3))
        for kind in ("", "Resource")
    ),
    *(state_case(f"{kind}ApplyAdam", *[cast("half", 0.5)] * 10) for kind in ("", "Resource")),
]

CASES = [*(row for rule in rules() for row in rows_of(rule)), *SHAPES, *ERRORS]

test_states, test_errors = state_tests(CASES)


def test_every_update_has_a_row() -> None:
    tested = {row.op for row in CASES}
    declared = {
        o.name
        for o in registry.all_ops()
        if o.name.removeprefix("Resource").removeprefix("Sparse").startswith("Apply")
    }
    assert declared <= tested
