"""CTCGreedyDecoder: the most likely class at each time, as a sequence of labels (ctc_decoder_ops.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape, matrix, merge_dim, vector
from ...core.registry import Family
from ...core.traits import GpuSupport

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _shape(c: ShapeContext) -> list[Shape]:
    inputs, lengths = c.with_rank("inputs", 3), c.with_rank("sequence_length", 1)
    return [matrix(None, 2), vector(None), vector(2), matrix(merge_dim(inputs[1], lengths[0]), 1)]


greedy = op(
    "CTCGreedyDecoder(inputs: T, sequence_length: int32; merge_repeated: bool = false, blank_index: int = -1, "
    "T: type in {float, double} = float) "
    "-> (decoded_indices: int64, decoded_values: int64, decoded_shape: int64, log_probability: T)",
    shape=_shape,
    differentiable=False,
)


@greedy.kernel
def _(xp: Any, inputs: Any, sequence_length: Any, *, merge_repeated: bool, blank_index: int) -> list[Any]:
    """Takes scores of shape [time, batch, classes]; the log-probability is the negative sum of the best ones."""
    if inputs.ndim != 3:
        raise invalid(f"inputs must have rank 3, but have shape {Shape(inputs.shape)}")
    times, batch, classes = inputs.shape
    _check(inputs, sequence_length)
    blank = classes + blank_index if blank_index < 0 else blank_index
    if not 0 <= blank < classes:
        raise invalid(
            f"blank_index expected to be between {-classes} and {classes - 1}, but is {blank_index}"
        )
    best = inputs.argmax(axis=2) if times else np.zeros((0, batch), np.int64)
    inside = np.arange(times)[:, None] < sequence_length
    scores = np.where(inside, inputs.max(axis=2) if times else 0, 0)
    kept = inside & (best != blank)
    if merge_repeated:
        kept[1:] &= best[1:] != best[:-1]
    kept, best = kept.T, best.T
    counts = kept.sum(axis=1)
    columns = (np.cumsum(kept, axis=1) - 1)[kept]
    indices = np.stack([np.repeat(np.arange(batch), counts), columns], axis=1).astype(np.int64)
    dims = np.array([batch, counts.max(initial=0)], np.int64)
    # The order of TensorFlow's sum: from the first time to the last.
    total = np.add.accumulate(-scores, axis=0)[-1] if times else np.zeros(batch)
    return [indices, best[kept].astype(np.int64), dims, total.reshape(-1, 1).astype(inputs.dtype)]


def _check(inputs: Any, lengths: Any) -> None:
    times, batch, _ = inputs.shape
    if lengths.ndim != 1:
        raise invalid(f"sequence_length is not a vector, but has shape {Shape(lengths.shape)}")
    if len(lengths) != batch:
        raise TfgError(
            Status.FAILED_PRECONDITION,
            f"len(sequence_length) != batch_size. len(sequence_length): {len(lengths)} batch_size: {batch}",
        )
    over = lengths > times
    if over.any():
        place = int(over.argmax())
        raise TfgError(
            Status.FAILED_PRECONDITION,
            f"sequence_length({place}) <= {times} is needed, but it is {lengths[place]}",
        )
