"""Softmax, LogSoftmax, and the cross-entropies of logits with dense and sparse labels.

Each row is shifted by its maximum, so that nothing overflows; 16-bit floats are computed in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, broadcast, merge_dim, vector
from ...builder.broadcast_gradients import sum_to
from ...core.registry import Family
from ...core.types import HALF_FIRST_FLOATS, INDEX

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


def _to_float32(x: Any) -> Any:
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


def _cast_back(x: Any, like: Any) -> Any:
    return x if x.dtype == like.dtype else x.astype(like.dtype)


def _subtract_max(xp: Any, x: Any) -> Any:
    """Returns rows minus their maximum, as a new array."""
    return x - x.max(axis=-1, keepdims=True)


def _at_least_vector(c: ShapeContext) -> Shape:
    return c.with_rank_at_least(0, 1)


def _check_rank(logits: Any) -> None:
    if not logits.ndim:
        raise invalid("logits must be of rank 1 or more, not a scalar")


softmax = op(
    f"Softmax(logits: T; T: type in {HALF_FIRST_FLOATS}) -> (softmax: T)",
    shape=_at_least_vector,
    allocates_output=True,
)


@softmax.kernel
def _(xp: Any, logits: Any) -> Any:
    _check_rank(logits)
    if not logits.size:
        return xp.empty(logits.shape, logits.dtype)
    shifted = _subtract_max(xp, _to_float32(logits))
    result = xp.exp(shifted, out=shifted)
    result *= 1 / result.sum(axis=-1, keepdims=True)
    return _cast_back(result, logits)


@softmax.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    y = node.outputs[0]
    return (dy - g.Sum(dy * y, [-1], keep_dims=True)) * y


log_softmax = op(
    f"LogSoftmax(logits: T; T: type in {HALF_FIRST_FLOATS}) -> (logsoftmax: T)",
    shape=_at_least_vector,
    allocates_output=True,
)


@log_softmax.kernel
def _(xp: Any, logits: Any) -> Any:
    _check_rank(logits)
    if not logits.size:
        return xp.empty(logits.shape, logits.dtype)
    shifted = _subtract_max(xp, _to_float32(logits))
    shifted -= xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))
    return _cast_back(shifted, logits)


@log_softmax.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
    return dy - g.Sum(dy, [-1], keep_dims=True) * g.Exp(node.outputs[0])


def _dense_shape(c: ShapeContext) -> tuple[Shape, Shape]:
    both = broadcast(c.input(0), c.input(1))
    if both.dims is None:
        return vector(None), Shape((None, None))
    if len(both.dims) != 2:
        raise invalid(f"logits and labels must broadcast to a matrix, but broadcast to {both}")
    return vector(both[0]), both


softmax_cross_entropy = op(
    f"SoftmaxCrossEntropyWithLogits(features: T, labels: T; T: type in {HALF_FIRST_FLOATS}) -> (loss: "
    "T, backprop: T)",
    shape=_dense_shape,
    allocates_output=True,
)


@softmax_cross_entropy.kernel
def _(xp: Any, logits: Any, labels: Any) -> tuple[Any, Any]:
    shape = logits.shape
    if shape != labels.shape or len(shape) != 2:
        try:
            shape = np.broadcast_shapes(shape, labels.shape)
        except ValueError:
            shape = ()
        if len(shape) != 2:
            raise invalid(
                f"logits and labels must be matrices of one shape, but shapes are {logits.shape} and "
                f"{labels.shape}"
            )
    if not shape[0] * shape[1]:
        return xp.zeros(shape[0], logits.dtype), xp.empty(shape, logits.dtype)
    x, y = xp.broadcast_to(_to_float32(logits), shape), _to_float32(labels)
    shifted = _subtract_max(xp, x)
    exps = xp.exp(shifted)
    sums = exps.sum(axis=1, keepdims=True)
    shifted -= xp.log(sums)
    shifted *= y
    exps /= sums
    exps -= y
    return _cast_back(-shifted.sum(axis=1), logits), _cast_back(exps, logits)


def _gradient_of_logits(
    g: GraphBuilder, node: NodeView, dloss: Tensor | None, dback: Tensor | None
) -> Tensor:
    """Returns the gradient of logits from that of the loss, and from that of the backprop output where it is used."""
    logits, backprop = node.inputs[0], node.outputs[1]
    parts: list[Tensor] = []
    if dloss is not None:
        parts.append(g.ExpandDims(dloss, -1) * backprop)
    if dback is not None:
        probabilities = g.Softmax(logits)
        parts.append((dback - g.Sum(dback * probabilities, [1], keep_dims=True)) * probabilities)
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


@softmax_cross_entropy.gradient
def _(g: GraphBuilder, node: NodeView, dloss: Tensor | None, dback: Tensor | None) -> tuple[Any, Any]:
    logits, labels = node.inputs
    dlogits = _gradient_of_logits(g, node, dloss, dback)
    dlabels = None if dloss is None else g.ExpandDims(dloss, -1) * -g.LogSoftmax(logits)
    if logits.shape.dims != labels.shape.dims:
        dlogits = sum_to(g, dlogits, logits, labels)
        dlabels = None if dlabels is None else sum_to(g, dlabels, labels, logits)
    return dlogits, dlabels


def _sparse_shape(c: ShapeContext) -> tuple[Shape, Shape]:
    logits, labels = c.with_rank(0, 2), c.with_rank(1, 1)
    rows = merge_dim(logits[0], labels[0])
    return vector(rows), Shape((rows, logits[1]))


sparse_softmax_cross_entropy = op(
    f"SparseSoftmaxCrossEntropyWithLogits(features: T, labels: Tlabels; T: type in {HALF_FIRST_FLOATS}, "
    f"Tlabels: type in {INDEX} = int64) -> (loss: T, backprop: T)",
    shape=_sparse_shape,
    allocates_output=True,
)


@sparse_softmax_cross_entropy.kernel
def _(xp: Any, logits: Any, labels: Any) -> tuple[Any, Any]:
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise invalid(
            "logits must be a matrix with one label per row, but shapes are "
            f"{logits.shape} for logits and {labels.shape} for labels"
        )
    rows, classes = logits.shape
    if not classes:
        raise invalid(f"there must be at least one class, but logits have shape {logits.shape}")
    if not rows:
        return xp.empty(0, logits.dtype), xp.empty((0, classes), logits.dtype)
    outside = (labels < 0) | (labels >= classes)
    if xp is np and outside.any():
        wrong = labels[outside][0]
        raise invalid(
            f"label {wrong} is outside the valid range [0, {classes}); labels are {_format_labels(labels)}"
        )
    shifted = _subtract_max(xp, _to_float32(logits))
    exps = xp.exp(shifted)
    sums = exps.sum(axis=1)
    each = xp.arange(rows)
    if xp is not np:
        sums = xp.where(outside, xp.nan, sums)
        labels = xp.where(outside, 0, labels)
    loss = xp.log(sums) - shifted[each, labels]
    exps /= sums[:, None]
    exps[each, labels] -= 1
    return _cast_back(loss, logits), _cast_back(exps, logits)


def _format_labels(labels: Any) -> str:
    shown = " ".join(str(x) for x in labels[:20])
    return f"{shown} …" if labels.size > 20 else shown


@sparse_softmax_cross_entropy.gradient
def _(g: GraphBuilder, node: NodeView, dloss: Tensor | None, dback: Tensor | None) -> tuple[Any, Any]:
    return _gradient_of_logits(g, node, dloss, dback), None
