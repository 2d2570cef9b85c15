"""The expression IR: what one native loop computes for every element of a shape.

``ElementLoop((2, 3), (Operand(f4, (2, 3)), Operand(f4, (3,))), (sum,))``, with ``sum = Apply(f4, "add", (Input(f4, 0),
Input(f4, 1)))``, adds a vector to the rows of a matrix. Inputs broadcast to the shape of the loop as numpy's do; each
output has that shape. An expression that is used twice is one object that occurs twice, and is computed once.

Functions have the names, dtypes and results of numpy's, bit for bit; ``FUNCTIONS`` and ``CALLS`` list them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

# The functions of an Apply, with their number of arguments. Arguments of arithmetic and comparisons have one dtype;
# ``where`` takes a bool first; ``cast`` converts to the dtype of the Apply.
FUNCTIONS = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "maximum", "minimum", "fmax", "fmin"), 2),
    **dict.fromkeys(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"), 2),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), 2),
    **dict.fromkeys(("negative", "absolute", "sqrt", "sign", "floor", "ceil", "trunc", "rint"), 1),
    **dict.fromkeys(("isnan", "logical_not", "cast"), 1),
    "where": 3,
}
# Functions of one float that numpy computes, block by block: its results depend on the processor, and must be the same.
CALLS = frozenset(
    {"exp", "exp2", "expm1", "log", "log2", "log1p", "sin", "cos", "tan", "tanh", "sinh", "cosh", "arctan"}
)


@dataclass(frozen=True, eq=False)
class Expression:
    """A value for each element of a loop, of a numpy dtype."""

    dtype: np.dtype[Any]


@dataclass(frozen=True, eq=False)
class Input(Expression):
    """An element of the input of that index."""

    index: int


@dataclass(frozen=True, eq=False)
class Literal(Expression):
    """A number that is known when the loop is compiled."""

    value: Any


@dataclass(frozen=True, eq=False)
class Apply(Expression):
    """A function of ``FUNCTIONS`` or ``CALLS``, applied to expressions."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Operand:
    """The dtype of an array in memory, and its shape, which broadcasts to that of the loop. It is contiguous."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ElementLoop:
    """A loop over the elements of a shape: the inputs that it reads, and an expression for each of its outputs."""

    shape: tuple[int, ...]
    inputs: tuple[Operand, ...]
    outputs: tuple[Expression, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def in_order(outputs: Sequence[Expression]) -> Iterator[Expression]:
    """Yields each expression that the outputs consist of once, after its arguments. Does not recurse."""
    seen: set[Expression] = set()
    stack: list[Expression] = list(reversed(outputs))
    while stack:
        top = stack[-1]
        if top in seen:
            stack.pop()
            continue
        pending = [one for one in arguments(top) if one not in seen]
        if pending:
            stack.extend(reversed(pending))
            continue
        seen.add(stack.pop())
        yield top


def arguments(expression: Expression) -> tuple[Expression, ...]:
    """Returns the expressions that an expression is computed from."""
    return expression.arguments if isinstance(expression, Apply) else ()


def replace_inputs(expression: Expression, values: Sequence[Expression]) -> Expression:
    """Returns the expression with ``values[i]`` in place of the input of index i."""
    made: dict[Expression, Expression] = {}
    for one in in_order([expression]):
        if isinstance(one, Input):
            made[one] = values[one.index]
        elif isinstance(one, Apply):
            made[one] = Apply(one.dtype, one.function, tuple(made[a] for a in one.arguments))
        else:
            made[one] = one
    return made[expression]


@dataclass(frozen=True)
class IterationSpace:
    """The dimensions of a loop after neighbours have been joined where all operands allow it. ``strides[i][d]`` is the
    step of operand i along dimension d, in elements; 0 where it broadcasts."""

    dims: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]


def iteration_space(shape: Sequence[int], operands: Sequence[Sequence[int]]) -> IterationSpace:
    """Joins the dimensions of a loop: an elementwise sum of two arrays of any rank has one, a bias has two."""
    rank = len(shape)
    padded = [(1,) * (rank - len(one)) + tuple(one) for one in operands]
    dims: list[int] = []
    patterns: list[tuple[bool, ...]] = []
    for axis, extent in enumerate(shape):
        if extent == 1:
            continue
        pattern = tuple(one[axis] != 1 for one in padded)
        if patterns and patterns[-1] == pattern:
            dims[-1] *= extent
        else:
            dims.append(extent)
            patterns.append(pattern)
    if not dims:
        dims, patterns = [1], [(True,) * len(operands)]
    strides: list[tuple[int, ...]] = []
    for number in range(len(operands)):
        step, steps = 1, [0] * len(dims)
        for axis in range(len(dims) - 1, -1, -1):
            if patterns[axis][number]:
                steps[axis] = step
                step *= dims[axis]
        strides.append(tuple(steps))
    return IterationSpace(tuple(dims), tuple(strides))
