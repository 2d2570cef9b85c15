"""Cuts a loop at the functions that numpy computes: into loops of native code, with calls of numpy between them.

All stages run on one block of elements before the next block, so that what passes between them stays in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .expression import CALLS, Apply, ElementLoop, Expression, Input, Operand, arguments, in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


@dataclass(frozen=True, eq=False)
class Stage:
    """A native loop, and the functions of numpy that are then applied to its outputs, in place; none in the last stage.

    Its inputs are those of the whole loop, then the results of all functions of earlier stages.
    """

    loop: ElementLoop
    functions: tuple[str, ...]


def cut_into_stages(loop: ElementLoop) -> list[Stage]:
    """The stages of a loop; one without functions where it calls none."""
    levels = _levels(loop.outputs)
    results: dict[Expression, Expression] = {}
    operands = list(loop.inputs)
    stages: list[Stage] = []
    for level in range(1, max(levels.values(), default=0) + 1):
        calls = [one for one, own in levels.items() if own == level and _is_call(one)]
        values = _with_results([arguments(call)[0] for call in calls], results)
        functions = tuple(call.function for call in calls if isinstance(call, Apply))
        stages.append(Stage(ElementLoop(loop.shape, tuple(operands), tuple(values)), functions))
        for call in calls:
            results[call] = Input(call.dtype, len(operands))
            operands.append(Operand(call.dtype, loop.shape))
    outputs = _with_results(loop.outputs, results)
    return [*stages, Stage(ElementLoop(loop.shape, tuple(operands), tuple(outputs)), ())]


def result_dtypes(stages: Sequence[Stage]) -> list[np.dtype[Any]]:
    """The dtypes of the results of all functions, in the order of the stages."""
    return [output.dtype for stage in stages[:-1] for output in stage.loop.outputs]


def _is_call(one: Expression) -> bool:
    return isinstance(one, Apply) and one.function in CALLS


def _levels(outputs: Sequence[Expression]) -> dict[Expression, int]:
    """How many calls depend on each other, at most, up to each expression."""
    levels: dict[Expression, int] = {}
    for one in in_order(outputs):
        levels[one] = max((levels[a] for a in arguments(one)), default=0) + _is_call(one)
    return levels


def _with_results(values: Sequence[Expression], results: dict[Expression, Expression]) -> list[Expression]:
    """The values with inputs in place of calls whose results are known."""
    made = dict(results)
    for one in in_order(values):
        if one not in made:
            made[one] = _rebuilt(one, made)
    return [made[value] for value in values]


def _rebuilt(one: Expression, made: dict[Expression, Expression]) -> Expression:
    if not isinstance(one, Apply):
        return one
    return Apply(one.dtype, one.function, tuple(made[a] for a in one.arguments))
