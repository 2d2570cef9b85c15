"""Einsum: equations by Einstein's convention, sizes of labels, and evaluation as stacks of matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ...numeric.reductions import sum_over
from .products import multiply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ELLIPSIS = "..."

# A label is a character of the equation, or, for an axis covered by the ellipsis, its position counted from the
# right.
Label = str | int


@dataclass(frozen=True)
class Equation:
    """An equation: the labels of each input and of the output, in which the ellipsis is a label of its own."""

    text: str
    inputs: tuple[tuple[str, ...], ...]
    output: tuple[str, ...]


@lru_cache(maxsize=256)
def parse(text: str) -> Equation:
    """Parses an equation such as ``bij,jk->bik``.

    Raises INVALID_ARGUMENT unless it has one arrow, one or two inputs, at most one ellipsis each, and an output
    made of labels of the inputs.
    """
    sides = text.split("->")
    if len(sides) != 2:
        raise invalid(f"einsum equation {text!r} must have exactly one '->'")
    inputs = tuple(_labels(text, part) for part in sides[0].split(","))
    output = _labels(text, sides[1])
    if len(inputs) > 2:
        raise invalid(f"einsum equation {text!r} has {len(inputs)} inputs, but must have one or two")
    unknown = set(output).difference(*inputs, (ELLIPSIS,))
    if unknown:
        raise invalid(f"the output of einsum equation {text!r} has {sorted(unknown)}, which no input has")
    return Equation(text, inputs, output)


def _labels(text: str, part: str) -> tuple[str, ...]:
    before, *after = part.split(ELLIPSIS)
    if len(after) > 1:
        raise invalid(f"einsum equation {text!r} has more than one ellipsis in {part!r}")
    return (*before, *((ELLIPSIS, *after[0]) if after else ()))


def expand(labels: Sequence[str], rank: int, text: str) -> list[Label]:
    """Returns the labels of each axis of an input of that rank.

    Raises INVALID_ARGUMENT where the rank does not fit.
    """
    covered = rank - len(labels)
    if ELLIPSIS not in labels:
        if covered:
            raise invalid(f"einsum equation {text!r} is for rank {len(labels)}, but an input has rank {rank}")
        return list(labels)
    if covered < -1:
        raise invalid(f"einsum equation {text!r} asks for rank {len(labels) - 1} or more, not {rank}")
    place = labels.index(ELLIPSIS)
    return [*labels[:place], *range(-covered - 1, 0), *labels[place + 1 :]]


def expand_output(equation: Equation, inputs: Sequence[Sequence[Label]]) -> list[Label]:
    """Returns the labels of each axis of the output.

    Raises INVALID_ARGUMENT where axes covered by an ellipsis are missing in the output.
    """
    covered = max(sum(isinstance(label, int) for label in labels) for labels in inputs)
    if ELLIPSIS not in equation.output:
        if covered:
            raise invalid(
                f"einsum equation {equation.text!r} has no ellipsis in its output, but inputs use theirs"
            )
        return list(equation.output)
    place = equation.output.index(ELLIPSIS)
    return [*equation.output[:place], *range(-covered, 0), *equation.output[place + 1 :]]


def label_sizes(
    equation: Equation, labels: Sequence[Sequence[Label]], shapes: Sequence[Sequence[int]]
) -> dict[Label, int]:
    """Returns the size of each label; covered axes broadcast. Raises INVALID_ARGUMENT where inputs disagree."""
    sizes: dict[Label, int] = {}
    for axes, shape in zip(labels, shapes):
        for label, size in zip(axes, shape):
            known = sizes.setdefault(label, size)
            if known == size or (isinstance(label, int) and size == 1):
                continue
            if not (isinstance(label, int) and known == 1):
                raise invalid(
                    f"einsum equation {equation.text!r}: {label!r} is both {known} and {size}, in shapes "
                    + " and ".join(str(list(s)) for s in shapes)
                )
            sizes[label] = size
    return sizes


def einsum(xp: Any, equation: Equation, inputs: Sequence[Any]) -> Any:
    """Evaluates an equation. May return a view of a single input."""
    if len(inputs) != len(equation.inputs):
        raise invalid(
            f"einsum equation {equation.text!r} is for {len(equation.inputs)} inputs, not {len(inputs)}"
        )
    labels = [expand(part, x.ndim, equation.text) for part, x in zip(equation.inputs, inputs)]
    output = expand_output(equation, labels)
    sizes = label_sizes(equation, labels, [x.shape for x in inputs])
    if len(inputs) == 1:
        result, axes = _reduce_input(xp, inputs[0], labels[0], set(output))
    else:
        result, axes = _contract(xp, inputs, labels, output)
    unique = list(dict.fromkeys(output))
    order = [axes.index(label) for label in unique]
    if order != sorted(order):
        result = result.transpose(order)
    return result if len(unique) == len(output) else _inflate(xp, result, unique, output, sizes)


def _reduce_input(xp: Any, x: Any, labels: Sequence[Label], kept: set[Label]) -> tuple[Any, list[Label]]:
    """Takes diagonals along labels that occur twice, and sums over those that are not in ``kept``."""
    unique = list(dict.fromkeys(labels))
    if len(unique) < len(labels):
        x = _diagonal(xp, x, labels, unique)
    summed = tuple(axis for axis, label in enumerate(unique) if label not in kept)
    if not summed:
        return x, unique
    return sum_over(xp, x, summed).astype(x.dtype, copy=False), [label for label in unique if label in kept]


def _diagonal(xp: Any, x: Any, labels: Sequence[Label], unique: Sequence[Label]) -> Any:
    """Returns a view of x with axes ``unique``: a step along one is a step along every axis with that label."""
    shape = [x.shape[labels.index(label)] for label in unique]
    strides = [sum(s for s, other in zip(x.strides, labels) if other == label) for label in unique]
    return xp.lib.stride_tricks.as_strided(x, shape, strides)


def _inflate(
    xp: Any, x: Any, unique: Sequence[Label], output: Sequence[Label], sizes: Mapping[Label, int]
) -> Any:
    """Returns zeros with x on the diagonal of labels that the output has twice."""
    out = xp.zeros([sizes[label] for label in output], x.dtype)
    _diagonal(xp, out, output, unique)[...] = x
    return out


def _contract(
    xp: Any, inputs: Sequence[Any], labels: Sequence[Sequence[Label]], output: Sequence[Label]
) -> tuple[Any, list[Label]]:
    """Evaluates an equation of two inputs as a stack of matrix products.

    The axes of the stack are those that both inputs and the output have.
    """
    a, in_a = _reduce_input(xp, inputs[0], labels[0], {*output, *labels[1]})
    b, in_b = _reduce_input(xp, inputs[1], labels[1], {*output, *labels[0]})
    shared = [label for label in in_a if label in in_b]
    stack = [label for label in shared if label in output]
    inner = [label for label in shared if label not in output]
    rows = [label for label in in_a if label not in in_b]
    columns = [label for label in in_b if label not in in_a]
    axes = [*stack, *rows, *columns]
    sides = [a.shape[in_a.index(label)] for label in rows], [b.shape[in_b.index(label)] for label in columns]
    if inner:
        product = multiply(
            xp,
            _to_matrices(xp, a, in_a, stack, rows, inner),
            _to_matrices(xp, b, in_b, stack, inner, columns),
        )
    else:
        left, right = (
            _to_matrices(xp, a, in_a, stack, rows, []),
            _to_matrices(xp, b, in_b, stack, [], columns),
        )
        product = left * right
    return product.reshape((*product.shape[: len(stack)], *sides[0], *sides[1])), axes


def _to_matrices(
    xp: Any, x: Any, labels: list[Label], stack: list[Label], rows: list[Label], columns: list[Label]
) -> Any:
    """Returns x as a stack of matrices.

    Where the columns come first in memory, matrices are transposed as views afterwards: BLAS reads either order,
    and a copy is saved.
    """
    first, last = rows, columns
    turned = bool(rows and columns) and labels.index(columns[0]) < labels.index(rows[0])
    if turned:
        first, last = columns, rows
    order = [labels.index(label) for label in (*stack, *first, *last)]
    moved = x if order == sorted(order) else x.transpose(order)
    shape = moved.shape
    depth, middle = len(stack), len(stack) + len(first)
    sizes = [int(np.prod(part, dtype=np.int64)) for part in (shape[depth:middle], shape[middle:])]
    matrices = moved.reshape((*shape[:depth], *sizes))
    return matrices.swapaxes(-1, -2) if turned else matrices
