"""Helpers for the gradients of operations that broadcast their inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .graph_builder import GraphBuilder, Tensor


def sum_to(g: GraphBuilder, dy: Tensor, x: Tensor, other: Tensor) -> Tensor:
    """The gradient of ``x`` from that of ``x op other``: summed over the axes along which x was repeated.

    Nothing is added where the static shapes show that x was not repeated.
    """
    if x.shape.is_fully_known and other.shape.is_fully_known and dy.shape == x.shape:
        return dy
    axes, _ = g.BroadcastGradientArgs(g.shape_of(x), g.shape_of(other))
    return g.Reshape(g.Sum(dy, axes), g.shape_of(x))


def conj(g: GraphBuilder, x: Tensor) -> Tensor:
    """The complex conjugate; x itself where it is real."""
    return g.Conj(x) if x.dtype.is_complex else x
