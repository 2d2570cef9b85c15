"""If and Case: conditionals whose branches are library functions (TensorFlow's functional_ops.cc).

Only the branch that is taken runs. FakeParam and ToBool are what TensorFlow's converters put around them.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.facts import Fact
from ...core.registry import Family
from ...core.traits import BodyExecution, CallForm, GpuSupport
from ...functions.library import join_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.attributes import Function
    from ...core.binding import Binding
    from ...core.context import Callee
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def is_true(value: Any) -> bool:
    """True if a tensor counts as true, as in TensorFlow's functional control flow: a scalar number that is not
    zero, a scalar string that is not empty, or a tensor of rank 1 or more that has elements.

    Raises INVALID_ARGUMENT for a scalar resource or variant."""
    if np.ndim(value):
        return value.size > 0
    if isinstance(value, np.ndarray):
        value = value[()]
    if isinstance(value, np.generic | bytes | bool | int | float | complex):
        return bool(value)
    raise invalid("a resource or variant cannot be a condition")


def _branch_facts(c: ShapeContext, branches: Sequence[Function]) -> list[Fact]:
    """The facts of the outputs that hold for every branch."""
    results = [c.results_of(branch, c.facts[1:]) for branch in branches]
    common = [reduce(join_facts, facts) for facts in zip(*results)]
    return with_stated_shapes(common, c.attr("output_shapes"))


def with_stated_shapes(facts: Sequence[Fact], stated: Sequence[Shape]) -> list[Fact]:
    """Returns the facts with unknown shapes replaced by those of the attribute ``output_shapes``; unchanged if
    that has another length."""
    if len(stated) != len(facts):
        return list(facts)
    return [
        fact._replace(shape=shape) if fact.shape == UNKNOWN else fact for fact, shape in zip(facts, stated)
    ]


def _if_facts(c: ShapeContext) -> list[Fact]:
    return _branch_facts(c, [c.bound.attrs["then_branch"], c.bound.attrs["else_branch"]])  # type: ignore[list-item]


def _if(
    ctx: Any, xp: Any, cond: Any, input: Sequence[Any], *, then_branch: Callee, else_branch: Callee
) -> Any:
    return (then_branch if is_true(cond) else else_branch)(ctx, *input)


def _bind_if(b: Binding) -> Any:
    taken = b.attrs["then_branch"].given(b.inputs[1:])
    otherwise = b.attrs["else_branch"].given(b.inputs[1:])

    def call(ctx: Any, cond: Any, *values: Any) -> Any:
        return (taken if is_true(cond) else otherwise)(ctx, *values)

    return call


def _if_gradient(g: Any, node: Any, *dys: Any) -> Any:
    from ...functions.branch_gradients import branch_gradient

    return branch_gradient(g, node, ("then_branch", "else_branch"), dys)


for _name in ("If", "StatelessIf"):
    _op = op(
        f"{_name}(cond: Tcond, input: *Tin; Tcond: type, Tin: list(type) >= 0, Tout: list(type) >= 0, "
        "then_branch: func, else_branch: func, output_shapes: list(shape) = []) -> (output: *Tout)",
        shape=_if_facts,
        stateful=_name == "If",
        calls=CallForm(("then_branch", "else_branch"), 1, "Tin", "Tout", body=BodyExecution.LOWERED),
    )
    _op.kernel(_if)
    _op.bind(_bind_if)
    _op.gradient(_if_gradient)


def _case_facts(c: ShapeContext) -> list[Fact]:
    return _branch_facts(c, c.bound.attrs["branches"])  # type: ignore[arg-type]


def _case(ctx: Any, xp: Any, branch_index: Any, input: Sequence[Any], *, branches: Sequence[Callee]) -> Any:
    return _select_branch(branches, branch_index)(ctx, *input)


def _select_branch(branches: Sequence[Any], index: Any) -> Callable[..., Any]:
    """Returns branch ``index``, or the last branch if the index is out of range.

    Raises INVALID_ARGUMENT unless the index is a scalar."""
    if np.ndim(index):
        raise invalid(f"branch_index must be a scalar, but has shape {Shape(np.shape(index))}")
    return branches[index if 0 <= index < len(branches) else -1]


def _bind_case(b: Binding) -> Any:
    branches = [branch.given(b.inputs[1:]) for branch in b.attrs["branches"]]

    def call(ctx: Any, index: Any, *values: Any) -> Any:
        return _select_branch(branches, index)(ctx, *values)

    return call


def _case_gradient(g: Any, node: Any, *dys: Any) -> Any:
    from ...functions.branch_gradients import branch_gradient

    return branch_gradient(g, node, ("branches",), dys)


for _name in ("Case", "StatelessCase"):
    _op = op(
        f"{_name}(branch_index: int32, input: *Tin; Tin: list(type) >= 0, Tout: list(type) >= 0, "
        "branches: list(func) >= 1, output_shapes: list(shape) = []) -> (output: *Tout)",
        shape=_case_facts,
        stateful=_name == "Case",
        calls=CallForm(("branches",), 1, "Tin", "Tout", body=BodyExecution.LOWERED),
    )
    _op.kernel(_case)
    _op.bind(_bind_case)
    _op.gradient(_case_gradient)


def _fake_shape(c: ShapeContext) -> Shape:
    return c.attr("shape")


fake_param = op("FakeParam(; dtype: type, shape: shape) -> (output: dtype)", shape=_fake_shape)


@fake_param.kernel
def _(xp: Any, *, dtype: Any, shape: Shape) -> Any:
    """A placeholder output of a branch that has no value there; it is never read. Unknown dimensions are 0."""
    dims = (0,) if shape.dims is None else tuple(d or 0 for d in shape.dims)
    return np.full(dims, b"", object) if dtype.is_opaque else xp.zeros(dims, dtype.numpy)


to_bool = op("ToBool(input: T; T: type) -> (output: bool)", shape=shapes.scalar)


@to_bool.kernel
def _(xp: Any, input: Any) -> Any:
    return np.bool_(is_true(input))
