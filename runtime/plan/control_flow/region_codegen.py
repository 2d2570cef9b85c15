"""Loops and branches as Python functions: straight lines with a ``while`` or an ``if`` around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from .. import liveness
from ..lowering import Text, Writer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.graph import Endpoint, Node
    from ....kernels.core.facts import Fact
    from ..liveness import Line
    from ..lowering import Segment


class Loop(NamedTuple):
    """A loop. ``arguments`` begin with the variables, and ``following`` are the values that these have in the
    next iteration; ``condition`` are the lines that run first in every iteration, ``after`` those that run
    once the predicate is false, before the results are given. ``node`` answers for the loop itself."""

    arguments: Sequence[Endpoint]
    following: Sequence[Endpoint]
    condition: Sequence[Line]
    predicate: Endpoint
    after: Sequence[Line]
    results: Sequence[Endpoint]
    body: Sequence[Line]
    node: Node


def lower_loop(loop: Loop, facts: Mapping[str, Sequence[Fact]]) -> Segment:
    """The function that runs a loop from the values it is entered with to its results."""
    lines = [*loop.condition, *loop.after, *loop.body]
    live = liveness.analyse(lines, [*loop.following, loop.predicate, *loop.results])
    text = Text(loop.arguments)
    writer = Writer(live, facts, text, "  ")
    text.add(" check = ctx.check_cancelled", loop.node)
    text.add(" while True:", loop.node)
    writer.add(loop.condition)
    text.add(f"  if not {_truth(writer, loop.predicate)}:", loop.node)
    writer.indent = "   "
    writer.add(loop.after)
    text.add(f"   return {_tuple(writer, loop.results)}", loop.node)
    writer.indent = "  "
    writer.add(loop.body)
    following = [writer.result(value, read=False) for value in loop.following]
    changes = [(f"a{n}", value) for n, value in enumerate(following) if value != f"a{n}"]
    if changes:
        names, values = zip(*changes)
        text.add(f"  {', '.join(names)} = {', '.join(values)}", loop.node)
    text.add("  check()", loop.node)
    return text.compiled()


class Side(NamedTuple):
    """One side of a branch; a result that is a number is that number."""

    lines: Sequence[Line]
    results: Sequence[Endpoint | int]


def lower_branch(
    arguments: Sequence[Endpoint],
    predicate: Endpoint,
    sides: tuple[Side, Side],
    node: Node,
    facts: Mapping[str, Sequence[Fact]],
) -> Segment:
    """The function that runs one of two sides, the second where the predicate is true."""
    text = Text(arguments)
    writers = [_writer(side, facts, text) for side in sides]
    text.add(f" if {_truth(writers[1], predicate)}:", node)
    writers[1].indent = "  "
    for side, writer in reversed(list(zip(sides, writers))):
        writer.add(side.lines)
        text.add(f"{writer.indent}return {_tuple(writer, side.results)}", node)
    return text.compiled()


def _writer(side: Side, facts: Mapping[str, Sequence[Fact]], text: Text) -> Writer:
    values = [result for result in side.results if not isinstance(result, int)]
    return Writer(liveness.analyse(side.lines, values), facts, text)


def _tuple(writer: Writer, results: Sequence[Endpoint | int]) -> str:
    names = [
        writer.text.refer("c", np.int32(result))
        if isinstance(result, int)
        else writer.result(result, read=False)
        for result in results
    ]
    return f"({', '.join(names)}{',' if names else ''})"


def _truth(writer: Writer, predicate: Endpoint) -> str:
    name = writer.result(predicate, read=True)
    if writer.facts[predicate.node][predicate.port].shape.rank == 0:
        return name
    # Nearly always it is a scalar all the same, and a call would take as long as an addition.
    kind, check = writer.text.refer("c", np.bool_), writer.text.refer("k", _scalar)
    return f"({name} if {name}.__class__ is {kind} else {check}({name}))"


def _scalar(predicate: Any) -> Any:
    if np.ndim(predicate):
        raise invalid(f"the predicate of a Switch must be a scalar, but has shape {list(predicate.shape)}")
    return predicate
