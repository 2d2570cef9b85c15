"""Switch, Merge and the loop-frame operations (white paper section 4.4, OSDI'16 section 3.4); RefSelect; Abort.

The kernels only forward values. Deadness, frames and iterations are tracked by the scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN
from ...core.binding import PASS_ON
from ...core.facts import Fact
from ...core.registry import Family
from ...core.traits import Effects, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


class _Dead:
    def __repr__(self) -> str:
        return "DEAD"


# Returned by a kernel for a dead output.
DEAD: Final = _Dead()


def _passed(c: ShapeContext) -> Fact:
    """The input's fact without its constant value, which may change between iterations."""
    return c.facts[0]._replace(dtype=c.bound.output_types[0], constant=None, elements=None)


def _bind_to_pass_on(b: Binding) -> Any:
    return PASS_ON


def _switch_facts(c: ShapeContext) -> Sequence[Fact]:
    c.with_rank("pred", 0)
    return [_passed(c)] * 2


def _switch(xp: Any, data: Any, pred: Any) -> tuple[Any, Any]:
    """Returns (data, DEAD) if ``pred`` is false, (DEAD, data) if it is true."""
    if np.ndim(pred):
        raise invalid(f"Switch: pred must be a scalar, but has shape {list(pred.shape)}")
    return (DEAD, data) if pred else (data, DEAD)


def _switch_gradient(g: GraphBuilder, node: NodeView, dfalse: Tensor, dtrue: Tensor) -> Any:
    """Merges the two gradients: one of them is live."""
    return g.Merge([dfalse, dtrue])[0], None


for _name, _kind in (("Switch", "T"), ("RefSwitch", "Ref(T)")):
    _op = op(
        f"{_name}(data: {_kind}, pred: bool; T: type) -> (output_false: {_kind}, output_true: {_kind})",
        shape=_switch_facts,
        role=Role.SWITCH,
        is_free=True,
        forwards_input=True,
    )
    _op.kernel(_switch)
    _op.gradient(_switch_gradient)


def _merge_facts(c: ShapeContext) -> Sequence[Fact]:
    """The common shape of all inputs; unknown if they differ or one is unknown."""
    shapes = {shape.dims for shape in c.inputs("inputs")}
    value = Fact(
        c.bound.output_types[0], c.input(0) if len(shapes) == 1 else UNKNOWN, handle=c.facts[0].handle
    )
    return [value, Fact(dtypes.int32, SCALAR)]


def _merge(xp: Any, inputs: Sequence[Any]) -> Any:
    raise AssertionError("the scheduler runs Merge nodes itself")


def _merge_gradient(g: GraphBuilder, node: NodeView, dy: Tensor, dindex: None) -> Any:
    """The gradient pass makes each gradient live only where its input is."""
    return [dy] * node.attr("N")


for _name, _list, _kind in (("Merge", "N*T", "T"), ("RefMerge", "Ref(N*T)", "Ref(T)")):
    _op = op(
        f"{_name}(inputs: {_list}; T: type, N: int >= 1) -> (output: {_kind}, value_index: int32)",
        shape=_merge_facts,
        role=Role.MERGE,
        is_free=True,
        forwards_input=True,
    )
    _op.kernel(_merge)
    _op.gradient(_merge_gradient)


def _same(g: GraphBuilder, node: NodeView, dy: Any) -> Any:
    return dy


def _declare_forwarding(
    text: str, *, role: Role = Role.COMPUTATION, is_free: bool = True, sparse_gradient: bool = False
) -> None:
    """Declares an operation that forwards its input, and whose gradient forwards that of its output. The scheduler
    and the gradient pass handle frames."""
    declared = op(
        text, shape=_passed, role=role, forwards_input=True, is_free=is_free, sparse_gradient=sparse_gradient
    )
    declared.bind(_bind_to_pass_on)
    declared.gradient(_same)


for _name, _kind in (("Enter", "T"), ("RefEnter", "Ref(T)")):
    _declare_forwarding(
        f"{_name}(data: {_kind}; T: type, frame_name: string, is_constant: bool = false, "
        f"parallel_iterations: int = 10) -> (output: {_kind})",
        role=Role.ENTER,
        sparse_gradient=_name == "Enter",
    )

for _name, _kind, _role in (
    ("Exit", "T", Role.EXIT),
    ("NextIteration", "T", Role.NEXT_ITERATION),
    ("RefExit", "Ref(T)", Role.EXIT),
    ("RefNextIteration", "Ref(T)", Role.NEXT_ITERATION),
):
    _declare_forwarding(f"{_name}(data: {_kind}; T: type) -> (output: {_kind})", role=_role)

_declare_forwarding(
    "RefIdentity(input: Ref(T); T: type) -> (output: Ref(T))", role=Role.IDENTITY, is_free=False
)
_declare_forwarding("LoopCond(input: bool) -> (output: bool)")


def _ref_select_fact(c: ShapeContext) -> Fact:
    c.with_rank("index", 0)
    return c.facts[1]._replace(shape=UNKNOWN)


ref_select = op(
    "RefSelect(index: int32, inputs: Ref(N*T); T: type, N: int >= 1) -> (output: Ref(T))",
    shape=_ref_select_fact,
    forwards_input=True,
)


@ref_select.kernel
def _(xp: Any, index: Any, inputs: Sequence[Any]) -> Any:
    if not 0 <= index < len(inputs):
        raise invalid(f"RefSelect: index is {index}, but must be in [0, {len(inputs)})")
    return inputs[int(index)]


abort = op(
    'Abort(; error_msg: string = "", exit_without_error: bool = false)',
    shape=lambda c: [],
    stateful=True,
    effects=Effects(aborts=True),
)


@abort.kernel
def _(xp: Any, *, error_msg: str, node_name: str) -> Any:
    raise TfgError(Status.ABORTED, error_msg or f"Abort was run at node {node_name!r}")
