"""Conditionals whose branches are library functions: only the branch that is taken runs."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.facts import Fact
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...functions.library import joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.attributes import Function
    from ...core.binding import Binding
    from ...core.context import Callee
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def is_true(value: Any) -> bool:
    """Whether a tensor counts as true: a number that is not zero, a string that is not empty, and of any
    rank but 0 a tensor that has elements."""
    if np.ndim(value):
        return value.size > 0
    if isinstance(value, np.ndarray):
        value = value[()]
    if isinstance(value, np.generic | bytes | bool | int | float | complex):
        return bool(value)
    raise invalid("a resource or variant can be neither true nor false")


def _branch_facts(c: ShapeContext, branches: Sequence[Function]) -> list[Fact]:
    """What holds of the outputs whichever branch is taken."""
    found = [c.results_of(branch, c.facts[1:]) for branch in branches]
    together = [reduce(joined, facts) for facts in zip(*found)]
    return with_stated_shapes(together, c.attr("output_shapes"))


def with_stated_shapes(facts: Sequence[Fact], stated: Sequence[Shape]) -> list[Fact]:
    """Facts with the shapes that the node states where nothing is known."""
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
    from ...functions.call_gradients import branch_gradient

    return branch_gradient(g, node, ("then_branch", "else_branch"), dys)


for _name in ("If", "StatelessIf"):
    _op = op(
        f"{_name}(cond: Tcond, input: *Tin; Tcond: type, Tin: list(type) >= 0, Tout: list(type) >= 0, "
        "then_branch: func, else_branch: func, output_shapes: list(shape) = []) -> (output: *Tout)",
        shape=_if_facts,
        stateful=_name == "If",
    )
    _op.kernel(_if)
    _op.bind(_bind_if)
    _op.gradient(_if_gradient)


def _case_facts(c: ShapeContext) -> list[Fact]:
    return _branch_facts(c, c.bound.attrs["branches"])  # type: ignore[arg-type]


def _case(ctx: Any, xp: Any, branch_index: Any, input: Sequence[Any], *, branches: Sequence[Callee]) -> Any:
    return _select_branch(branches, branch_index)(ctx, *input)


def _select_branch(branches: Sequence[Any], index: Any) -> Callable[..., Any]:
    """The branch of that number; the last one where there is none."""
    if np.ndim(index):
        raise invalid(f"branch_index must be a scalar, but has shape {Shape(np.shape(index))}")
    return branches[index if 0 <= index < len(branches) else -1]


def _bind_case(b: Binding) -> Any:
    branches = [branch.given(b.inputs[1:]) for branch in b.attrs["branches"]]

    def call(ctx: Any, index: Any, *values: Any) -> Any:
        return _select_branch(branches, index)(ctx, *values)

    return call


def _case_gradient(g: Any, node: Any, *dys: Any) -> Any:
    from ...functions.call_gradients import branch_gradient

    return branch_gradient(g, node, ("branches",), dys)


for _name in ("Case", "StatelessCase"):
    _op = op(
        f"{_name}(branch_index: int32, input: *Tin; Tin: list(type) >= 0, Tout: list(type) >= 0, "
        "branches: list(func) >= 1, output_shapes: list(shape) = []) -> (output: *Tout)",
        shape=_case_facts,
        stateful=_name == "Case",
    )
    _op.kernel(_case)
    _op.bind(_bind_case)
    _op.gradient(_case_gradient)


def _fake_shape(c: ShapeContext) -> Shape:
    return c.attr("shape")


fake_param = op("FakeParam(; dtype: type, shape: shape) -> (output: dtype)", shape=_fake_shape)


@fake_param.kernel
def _(xp: Any, *, dtype: Any, shape: Shape) -> Any:
    """A tensor that nobody will read: it stands where only another branch has a value."""
    dims = (0,) if shape.dims is None else tuple(d or 0 for d in shape.dims)
    return np.full(dims, b"", object) if dtype.is_opaque else xp.zeros(dims, dtype.numpy)


to_bool = op("ToBool(input: T; T: type) -> (output: bool)", shape=shapes.scalar)


@to_bool.kernel
def _(xp: Any, input: Any) -> Any:
    return np.bool_(is_true(input))
