"""Loops whose condition and body are library functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..graphfmt.errors import invalid
from .branch_ops import is_true, with_stated_shapes
from .library import loop_facts
from .registry import op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .binding import Binding
    from .context import Callee
    from .facts import Fact
    from .inference import ShapeContext


def _facts(c: ShapeContext) -> list[Fact]:
    library = c.callees()
    body: Any = c.bound.attrs["body"]
    cond: Any = c.bound.attrs["cond"]
    made = library.check(body, [fact.dtype for fact in c.facts], c.bound.output_types)
    test = library.instance(cond)
    if len(test.result_types) != 1:
        raise invalid(f"function {cond.name!r} must give one condition, not {len(test.result_types)} results")
    library.check(cond, [fact.dtype for fact in c.facts], test.result_types)
    passed_on = [made.is_passed_on(i) for i in range(len(c.facts))]
    found = loop_facts(lambda facts: library.infer(body, facts), c.facts, passed_on)
    return with_stated_shapes(
        [f._replace(constant=None) if f.dtype.is_opaque else f for f in found], c.attr("output_shapes")
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
    from .loop_gradients import while_gradient

    return while_gradient(g, node, dys)


for _name in ("While", "StatelessWhile"):
    _op = op(
        f"{_name}(input: *T; T: list(type) >= 0, cond: func, body: func, output_shapes: list(shape) = [], "
        "parallel_iterations: int = 10) -> (output: *T)",
        shape=_facts,
        stateful=_name == "While",
    )
    _op.kernel(_while)
    _op.bind(_bind)
    _op.gradient(_gradient)
