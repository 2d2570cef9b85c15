"""CTCLoss and CTCLossV2: the connectionist temporal classification loss of sequences of labels, with its derivative by
the scores (ctc_loss_calculator.h in TensorFlow; Graves, Supervised Sequence Labelling with Recurrent Neural Networks,
chapter 7)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim, vector
from ...core.cancellation import check
from ...core.registry import Family
from ...core.traits import GpuSupport
from .log_sums import log_sum, log_sum_along_last

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_INPUTS = "labels_indices: int64, labels_values: int32, sequence_length: int32"
_OPTIONS = (
    "preprocess_collapse_repeated: bool = false, ctc_merge_repeated: bool = true, "
    "ignore_longer_outputs_than_inputs: bool = false"
)


def _shape(c: ShapeContext) -> list[Shape]:
    inputs, lengths = c.with_rank("inputs", 3), c.with_rank("sequence_length", 1)
    merge_dim(c.with_rank("labels_indices", 2)[0], c.with_rank("labels_values", 1)[0])
    batch = merge_dim(inputs[1], lengths[0])
    return [vector(batch), Shape((inputs[0], batch, inputs[2]))]


@dataclass(frozen=True, slots=True)
class _Options:
    """The attributes of a loss. ``blank`` is the class of no label, counted from the end if negative."""

    collapse_labels: bool
    merge_repeated: bool
    ignore_long_labels: bool
    blank: int


@dataclass(frozen=True, slots=True)
class _Paths:
    """The sequences of states that the labels of a batch allow, padded to one number of states.

    Attributes:
        states: [batch, states], the class of each state: the labels with a blank before, between and after.
        is_state: [batch, states], False for padding.
        stays: [batch, states], whether a state may last for several times.
        skips: [batch, states], whether a state may follow the one before the last.
        lengths: [batch], the times of each sequence; 0 for one without loss.
    """

    states: Any
    is_state: Any
    stays: Any
    skips: Any
    lengths: Any


def _checked_labels(inputs: Any, indices: Any, values: Any, lengths: Any) -> list[list[int]]:
    """Returns the labels of each sequence. Raises INVALID_ARGUMENT for inputs that do not fit together."""
    if inputs.ndim != 3 or indices.ndim != 2 or values.ndim != 1 or lengths.ndim != 1:
        raise invalid(
            "inputs, labels_indices, labels_values and sequence_length must have ranks 3, 2, 1 and 1, but have shapes "
            f"{Shape(inputs.shape)}, {Shape(indices.shape)}, {Shape(values.shape)} and {Shape(lengths.shape)}"
        )
    times, batch, _ = inputs.shape
    if not times or not batch:
        raise invalid(f"inputs must have times and a batch, but have shape {Shape(inputs.shape)}")
    if len(lengths) != batch:
        raise invalid(f"len(sequence_length) is {len(lengths)}, but the batch has {batch} sequences")
    if indices.shape != (len(values), 2):
        raise invalid(
            f"labels_indices of shape {Shape(indices.shape)} do not fit labels_values of shape {Shape(values.shape)}"
        )
    if ((indices < 0) | (indices[:, :1] >= batch)).any():
        raise invalid(f"label SparseTensor is not valid: an index is out of bounds for a batch of {batch}")
    rows, columns = indices[:, 0], indices[:, 1]
    if not ((rows[1:] > rows[:-1]) | ((rows[1:] == rows[:-1]) & (columns[1:] > columns[:-1]))).all():
        raise invalid("label SparseTensor is not valid: indices are out of order or repeated")
    for name, wrong in (
        ("negative", lengths < 0),
        (f"more than the {times} times of inputs", lengths > times),
    ):
        if wrong.any():
            place = int(wrong.argmax())
            raise invalid(f"sequence_length({place}) is {lengths[place]}, which is {name}")
    bounds = np.searchsorted(rows, np.arange(batch + 1))
    return [values[a:b].tolist() for a, b in pairwise(bounds.tolist())]


def _effective_labels(labels: list[int], batch: int, classes: int, options: _Options) -> list[int]:
    """Returns the labels of a sequence without those that stand for its end, or for a repetition."""
    if not labels:
        raise invalid(f"Labels length is zero in batch {batch}")
    kept: list[int] = []
    for place, label in enumerate(labels):
        if place and options.collapse_labels and label == labels[place - 1]:
            continue
        if options.blank < 0 and label >= classes - 1:
            kept.append(-1)
            continue
        if kept and kept[-1] == -1:
            raise invalid(
                f"a label follows a null label (of {classes - 1} or more) in batch {batch}: {labels}"
            )
        if label < 0 or label >= classes:
            raise invalid(f"labels must be in [0, {classes}), but in batch {batch} are {labels}")
        kept.append(label)
    return [label for label in kept if label != -1]


def _paths(labels: list[list[int]], lengths: Any, classes: int, options: _Options) -> _Paths:
    blank = options.blank % classes
    found = [_effective_labels(row, b, classes, options) for b, row in enumerate(labels)]
    long = np.array([len(row) for row in labels]) > lengths
    if not options.ignore_long_labels and long.any():
        b = int(long.argmax())
        raise invalid(
            f"Not enough time for target transition sequence (required: {len(labels[b])}, available: {lengths[b]}) "
            f"in batch {b}; ignore_longer_outputs_than_inputs turns this into a loss of 0"
        )
    count = 2 * max(map(len, found)) + 1
    states = np.full((len(found), count), blank, np.int64)
    is_state = np.arange(count) < np.array([2 * len(row) + 1 for row in found])[:, None]
    for b, row in enumerate(found):
        states[b, 1 : 2 * len(row) : 2] = row
    stays = (states == blank) | options.merge_repeated
    skips = np.zeros_like(is_state)
    skips[:, 2:] = states[:, 2:] != blank
    if options.merge_repeated:
        skips[:, 2:] &= states[:, 2:] != states[:, :-2]
    return _Paths(states, is_state, stays, skips, np.where(long, 0, lengths))


def _shifted(values: Any, by: int) -> Any:
    """Returns values moved along the last axis, minus infinity taking the places that become free."""
    moved = np.full_like(values, -np.inf)
    if by > 0:
        moved[:, by:] = values[:, :-by]
    else:
        moved[:, :by] = values[:, -by:]
    return moved


def _only(values: Any, where: Any) -> Any:
    return np.where(where, values, values.dtype.type(-np.inf))


def _forward(log_y: Any, paths: _Paths) -> Any:
    """Returns the logarithms of the probabilities [time, batch, states] of all beginnings that end in a state."""
    alpha = np.full_like(log_y, -np.inf)
    alpha[0, :, :2] = log_y[0, :, :2]
    alpha[0] = _only(alpha[0], paths.is_state)
    for t in range(1, len(log_y)):
        check()
        before = alpha[t - 1]
        total = log_sum(_only(before, paths.stays), _shifted(before, 1))
        total = log_sum(total, _only(_shifted(before, 2), paths.skips))
        alpha[t] = _only(total + log_y[t], paths.is_state)
    return alpha


def _backward(log_y: Any, paths: _Paths) -> Any:
    """Returns the logarithms of the probabilities [time, batch, states] of all ends that follow a state."""
    count = paths.is_state.sum(axis=1)[:, None]
    places = np.arange(paths.states.shape[1])
    last = np.where((places >= count - 2) & paths.is_state, 0.0, -np.inf).astype(log_y.dtype)
    beta = np.full_like(log_y, -np.inf)
    skips = np.zeros_like(paths.skips)
    skips[:, :-2] = paths.skips[:, 2:]
    for t in range(len(log_y) - 1, -1, -1):
        check()
        if t + 1 < len(log_y):
            after = beta[t + 1] + log_y[t + 1]
            total = log_sum(_only(after, paths.stays), _shifted(after, -1))
            beta[t] = log_sum(total, _only(_shifted(after, -2), skips))
        beta[t] = np.where((paths.lengths == t + 1)[:, None], last, beta[t])
        beta[t] = _only(beta[t], paths.is_state & (paths.lengths > t)[:, None])
    return beta


def _ctc(inputs: Any, labels: list[list[int]], lengths: Any, options: _Options) -> tuple[Any, Any]:
    times, batch, classes = inputs.shape
    paths = _paths(labels, lengths, classes, options)
    with np.errstate(all="ignore"):
        shares = np.exp(inputs - inputs.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        log_y = np.log(
            np.take_along_axis(shares, np.broadcast_to(paths.states, (times, *paths.states.shape)), 2)
        )
        both = _forward(log_y, paths) + _backward(log_y, paths)
        total = log_sum_along_last(both[0])
        occupied = np.exp(both - total[:, None])
        occupied = np.where(np.isneginf(total)[:, None], 0, occupied)
    gradient = shares
    places: Any = (slice(None), np.arange(batch)[:, None], paths.states)
    np.subtract.at(gradient, places, occupied)
    gradient[:, np.isnan(total)] = np.nan
    gradient[np.arange(times)[:, None] >= paths.lengths] = 0
    loss = np.where(paths.lengths > 0, -total, 0).astype(inputs.dtype)
    return loss, gradient


def _declare(name: str, types: str, blank: int) -> None:
    scores = "float" if not types else "T"
    declared = op(
        f"{name}(inputs: {scores}, {_INPUTS}; {_OPTIONS}{types}) -> (loss: {scores}, gradient: {scores})",
        shape=_shape,
        allocates_output=True,
    )

    @declared.kernel
    def _(
        xp: Any,
        inputs: Any,
        indices: Any,
        values: Any,
        lengths: Any,
        *,
        preprocess_collapse_repeated: bool,
        ctc_merge_repeated: bool,
        ignore_longer_outputs_than_inputs: bool,
    ) -> tuple[Any, Any]:
        labels = _checked_labels(inputs, indices, values, lengths)
        if not inputs.shape[2]:
            raise invalid(f"inputs must have classes, but have shape {Shape(inputs.shape)}")
        options = _Options(
            preprocess_collapse_repeated, ctc_merge_repeated, ignore_longer_outputs_than_inputs, blank
        )
        return _ctc(inputs, labels, lengths, options)

    @declared.gradient
    def _(
        g: GraphBuilder, node: NodeView, dy: Tensor | None, unused: Tensor | None
    ) -> tuple[Tensor | None, None, None, None]:
        if dy is None:
            return None, None, None, None
        once = g.add_op(
            "PreventGradient",
            node.outputs[1],
            message="Currently there is no way to take the second derivative of ctc_loss due to the fused "
            "implementation's interaction with tf.gradients()",
        )
        return g.add_op("Mul", g.add_op("ExpandDims", dy, g.constant(-1, "int32")), once), None, None, None


# The blank is the last class for the one, and class 0 for the other, which TensorFlow has for GPUs alone.
_declare("CTCLoss", ", T: type in {float, double} = float", -1)
_declare("CTCLossV2", "", 0)
