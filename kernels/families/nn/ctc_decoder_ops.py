"""CTCGreedyDecoder and CTCBeamSearchDecoder: from scores of classes at each time to sequences of labels
(ctc_decoder_ops.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape, matrix, merge_dim, vector
from ...core.registry import Family
from ...core.traits import GpuSupport
from .beam_search import search, top_paths

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


def _beam_shape(c: ShapeContext) -> list[Shape]:
    inputs, lengths = c.with_rank("inputs", 3), c.with_rank("sequence_length", 1)
    paths = c.attr("top_paths")
    return [
        *[matrix(None, 2)] * paths,
        *[vector(None)] * paths,
        *[vector(2)] * paths,
        matrix(merge_dim(inputs[1], lengths[0]), paths),
    ]


beam_search = op(
    "CTCBeamSearchDecoder(inputs: T, sequence_length: int32; beam_width: int >= 1, top_paths: int >= 1, "
    "merge_repeated: bool = true, T: type in {float, double} = float) -> (decoded_indices: top_paths*int64, "
    "decoded_values: top_paths*int64, decoded_shape: top_paths*int64, log_probability: T)",
    shape=_beam_shape,
    differentiable=False,
)


@beam_search.kernel
def _(
    xp: Any, inputs: Any, sequence_length: Any, *, beam_width: int, top_paths: int, merge_repeated: bool
) -> tuple[list[Any], list[Any], list[Any], Any]:
    """Takes scores of shape [time, batch, classes], the last class being the blank."""
    if inputs.ndim != 3 or not inputs.size:
        raise invalid(f"inputs must have rank 3 and elements, but have shape {Shape(inputs.shape)}")
    _check(inputs, sequence_length)
    batch = inputs.shape[1]
    scores = np.zeros((batch, top_paths), inputs.dtype)
    paths: list[list[list[int]]] = [[] for _ in range(top_paths)]
    for b, length in enumerate(sequence_length.tolist()):
        for place, (labels, score) in enumerate(
            _best_paths(inputs[: max(length, 0), b], beam_width, top_paths, merge_repeated)
        ):
            paths[place].append(labels)
            scores[b, place] = score
    indices, values, shapes = zip(*map(_sparse, paths), strict=True)
    return list(indices), list(values), list(shapes), scores


def _best_paths(
    scores: Any, beam_width: int, count: int, merge_repeated: bool
) -> list[tuple[list[int], Any]]:
    beam = search(scores, beam_width)
    if count > beam_width:
        raise invalid(f"requested more paths than the beam width: {count}, not up to {beam_width}")
    if count > len(beam.entries):
        raise invalid(f"Less leaves in the beam search than requested: {len(beam.entries)}, not {count}")
    return list(top_paths(beam, count, merge_repeated))


def _sparse(rows: list[list[int]]) -> tuple[Any, Any, Any]:
    """Returns indices, values and dense shape of a sparse matrix with these rows."""
    counts = np.array([len(row) for row in rows])
    columns = [np.arange(count) for count in counts]
    indices = np.stack([np.repeat(np.arange(len(rows)), counts), np.concatenate(columns)], axis=1)
    values = np.array([label for row in rows for label in row], np.int64)
    return indices.astype(np.int64), values, np.array([len(rows), counts.max()], np.int64)


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
