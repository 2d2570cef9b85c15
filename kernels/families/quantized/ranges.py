"""Static shapes of quantised operations: tensors whose ranges are inputs and outputs of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt.shapes import SCALAR, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.inference import ShapeContext


def with_scalar_range(c: ShapeContext, shape: Shape, *ends: str) -> list[Shape]:
    """Returns the shapes of a tensor and of its range. The inputs ``ends`` must be scalars."""
    for name in ends:
        c.with_rank(name, 0)
    return [shape, SCALAR, SCALAR]


def like_first(*ends: str) -> Callable[[ShapeContext], list[Shape]]:
    """Shape function: a tensor of the first input's shape, and its range. The inputs ``ends`` must be scalars."""
    return lambda c: with_scalar_range(c, c.input(0), *ends)
