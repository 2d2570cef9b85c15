"""Code generation for loops and branches: straight-line code with a ``while`` or an ``if`` around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from .. import liveness
from ..codegen import FunctionSource, StatementWriter
from .regions import Branch, Loop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.graph import Endpoint
    from ....kernels.core.facts import Fact
    from ..instruction import Computation
    from ..segment import Segment
    from .regions import Side


def generate_region(region: Computation, facts: Mapping[str, Sequence[Fact]]) -> Segment:
    """The function from the inputs of a loop or branch to its outputs."""
    if isinstance(region, Loop):
        return _generate_loop(region, facts)
    assert isinstance(region, Branch)
    return _generate_branch(region, facts)


def _generate_loop(loop: Loop, facts: Mapping[str, Sequence[Fact]]) -> Segment:
    instructions = [*loop.condition, *loop.on_exit, *loop.body]
    live = liveness.analyse(instructions, [*loop.next_values, loop.predicate, *loop.results])
    source = FunctionSource(loop.parameters)
    writer = StatementWriter(live, facts, source, "  ")
    source.add_line(" while True:", loop.origin)
    writer.write(loop.condition)
    source.add_line(f"  if not {_truth(writer, loop.predicate)}:", loop.origin)
    writer.indent = "   "
    writer.write(loop.on_exit)
    source.add_line(f"   return {_tuple(writer, loop.results)}", loop.origin)
    writer.indent = "  "
    writer.write(loop.body)
    next_values = [writer.result(value, reads=False) for value in loop.next_values]
    changes = [(f"a{n}", value) for n, value in enumerate(next_values) if value != f"a{n}"]
    if changes:
        names, values = zip(*changes)
        source.add_line(f"  {', '.join(names)} = {', '.join(values)}", loop.origin)
    source.add_line(f"  {source.use_halt()}", loop.origin)
    return source.compile()


def _generate_branch(branch: Branch, facts: Mapping[str, Sequence[Fact]]) -> Segment:
    source = FunctionSource(branch.inputs)
    if_false, if_true = (_side_writer(side, facts, source) for side in branch.sides)
    source.add_line(f" if {_truth(if_true, branch.predicate)}:", branch.origin)
    if_true.indent = "  "
    for writer, side in ((if_true, branch.sides[1]), (if_false, branch.sides[0])):
        writer.write(side.instructions)
        source.add_line(f"{writer.indent}return {_tuple(writer, side.results)}", branch.origin)
    return source.compile()


def _side_writer(side: Side, facts: Mapping[str, Sequence[Fact]], source: FunctionSource) -> StatementWriter:
    values = [result for result in side.results if not isinstance(result, int)]
    return StatementWriter(liveness.analyse(side.instructions, values), facts, source)


def _tuple(writer: StatementWriter, results: Sequence[Endpoint | int]) -> str:
    names = [
        writer.source.add_global("c", np.int32(result))
        if isinstance(result, int)
        else writer.result(result, reads=False)
        for result in results
    ]
    return f"({', '.join(names)}{',' if names else ''})"


def _truth(writer: StatementWriter, predicate: Endpoint) -> str:
    """The expression for a predicate, checked to be a scalar where that is not known."""
    name = writer.result(predicate, reads=True)
    if writer.facts[predicate.node][predicate.port].shape.rank == 0:
        return name
    # Nearly always it is a numpy scalar; a call of the check would take as long as an addition.
    kind, check = writer.source.add_global("c", np.bool_), writer.source.add_global("k", _checked_scalar)
    return f"({name} if {name}.__class__ is {kind} else {check}({name}))"


def _checked_scalar(predicate: Any) -> Any:
    if np.ndim(predicate):
        raise invalid(f"the predicate of a Switch must be a scalar, but has shape {list(predicate.shape)}")
    return predicate
