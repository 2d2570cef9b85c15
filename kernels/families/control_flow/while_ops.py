"""While and For: loops whose condition and body are library functions (TensorFlow's functional_ops.cc)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR
from ...core.facts import Fact
from ...core.registry import Family
from ...core.traits import BodyExecution, CallForm, GpuSupport
from ...functions.library import loop_facts
from .branch_ops import is_true, with_stated_shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.binding import Binding
    from ...core.context import Callee
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _facts(c: ShapeContext) -> list[Fact]:
    library = c.callees()
    body: Any = c.bound.attrs["body"]
    cond: Any = c.bound.attrs["cond"]
    checked_body = library.check(body, [fact.dtype for fact in c.facts], c.bound.output_types)
    test = library.instance(cond)
    if len(test.result_types) != 1:
        raise invalid(
            f"function {cond.name!r} must return one condition, not {len(test.result_types)} results"
        )
    library.check(cond, [fact.dtype for fact in c.facts], test.result_types)
    passed_on = [checked_body.is_passed_on(i) for i in range(len(c.facts))]
    state = loop_facts(lambda facts: library.infer(body, facts), c.facts, passed_on)
    return with_stated_shapes(
        [f._replace(constant=None) if f.dtype.is_opaque else f for f in state], c.attr("output_shapes")
    )


def _while(ctx: Any, xp: Any, input: Sequence[Any], *, cond: Callee, body: Callee) -> Any:
    return cond.repeat(ctx, body, input, is_true)


def _bind(b: Binding) -> Any:
    cond, body = b.attrs["cond"], b.attrs["body"]
    passed_on = [body.is_passed_on(i) for i in range(len(b.inputs))]
    facts = loop_facts(body.infer, b.inputs, passed_on)
    cond, body = cond.given(facts), body.given(facts)

    def loop(ctx: Any, *state: Any) -> Any:
        return cond.repeat(ctx, body, state, is_true)

    return loop


def _gradient(g: Any, node: Any, *dys: Any) -> Any:
    from ...functions.loop_gradients import while_gradient

    return while_gradient(g, node, dys)


for _name in ("While", "StatelessWhile"):
    _op = op(
        f"{_name}(input: *T; T: list(type) >= 0, cond: func, body: func, output_shapes: list(shape) = [], "
        "parallel_iterations: int = 10) -> (output: *T)",
        shape=_facts,
        stateful=_name == "While",
        calls=CallForm(("cond", "body"), 0, "T", "T", repeats=True, body=BodyExecution.LOWERED),
    )
    _op.kernel(_while)
    _op.bind(_bind)
    _op.gradient(_gradient)


def _for_facts(c: ShapeContext) -> list[Fact]:
    library = c.callees()
    body: Any = c.bound.attrs["body"]
    counter, state = Fact(dtypes.int32, SCALAR), c.facts[3:]
    library.check(body, [counter.dtype, *(fact.dtype for fact in state)], c.bound.output_types)
    for name in ("start", "limit", "delta"):
        c.with_rank(name, 0)
    results = loop_facts(lambda facts: library.infer(body, [counter, *facts]), state, [False] * len(state))
    return [fact._replace(constant=None, elements=None) for fact in results]


for_loop = op(
    "For(start: int32, limit: int32, delta: int32, input: *T; T: list(type) >= 0, body: func) -> (output: *T)",
    shape=_for_facts,
    stateful=True,
    calls=CallForm(("body",), 3, "T", "T", repeats=True, shift=1),
)


@for_loop.kernel
def _(ctx: Any, xp: Any, start: Any, limit: Any, delta: Any, input: Sequence[Any], *, body: Callee) -> Any:
    distance, step = int(limit) - int(start), int(delta)
    if distance * step < 0 or (distance and not step):
        raise invalid(
            f"For: start {start} and limit {limit} with delta {delta}: the loop would not terminate"
        )
    state = input
    for count in range(int(start), int(limit), step or 1):
        ctx.check_cancelled()
        state = body(ctx, np.int32(count), *state)
    return list(state)
