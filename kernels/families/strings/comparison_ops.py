"""EditDistance, Fingerprint and UnsortedSegmentJoin (edit_distance_op.cc, fingerprint_op.cc and
unsorted_segment_join_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.cancellation import checked
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import int_arguments
from ...numeric.hashes import farm_fingerprint64
from ...numeric.string_tensors import array_of, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _distance_shape(c: ShapeContext) -> Shape:
    hypothesis, truth = c.elements("hypothesis_shape"), c.elements("truth_shape")
    if hypothesis is None or truth is None or len(hypothesis) != len(truth):
        return UNKNOWN
    pairs = zip(hypothesis[:-1], truth[:-1])
    return Shape(tuple(None if a is None or b is None else max(a, b) for a, b in pairs))


distance = op(
    "EditDistance(hypothesis_indices: int64, hypothesis_values: T, hypothesis_shape: int64, truth_indices: int64, "
    "truth_values: T, truth_shape: int64; normalize: bool = true, T: type) -> (output: float)",
    shape=_distance_shape,
    differentiable=False,
)


@distance.kernel
def _(
    xp: Any, hypothesis_indices: Any, hypothesis_values: Any, hypothesis_shape: Any, truth_indices: Any,
    truth_values: Any, truth_shape: Any, *, normalize: bool,
) -> Any:  # fmt: skip
    sides = (
        ("hypothesis", hypothesis_indices, hypothesis_values, hypothesis_shape),
        ("truth", truth_indices, truth_values, truth_shape),
    )
    for name, indices, values, shape in sides:
        _check_sparse(name, indices, values, shape)
    if hypothesis_shape.size != truth_shape.size:
        raise invalid(
            f"hypothesis_shape and truth_shape must be of one rank, not {hypothesis_shape.size} and {truth_shape.size}"
        )
    dims = [max(int(a), int(b)) for a, b in zip(hypothesis_shape[:-1], truth_shape[:-1])]
    int_arguments.check_allocation(dims, 4)
    result = np.zeros(dims, np.float32)
    hypotheses, truths = (
        _sequences(hypothesis_indices, hypothesis_values),
        _sequences(truth_indices, truth_values),
    )
    for place in checked(hypotheses.keys() | truths.keys()):
        if any(not 0 <= at < size for at, size in zip(place, dims)):
            raise invalid(f"the index {list(place)} is out of bounds of {dims}")
        hypothesis, truth = hypotheses.get(place, []), truths.get(place, [])
        value = float(_levenshtein(hypothesis, truth))
        if normalize:
            value = value / len(truth) if truth else (np.inf if hypothesis else 0.0)
        result[place] = value
    return result


def _check_sparse(name: str, indices: Any, values: Any, shape: Any) -> None:
    if indices.ndim != 2 or values.ndim != 1 or shape.ndim != 1:
        raise invalid(f"{name} must have a matrix of indices and vectors of values and shape")
    if len(indices) != len(values) or indices.shape[1] != shape.size or not shape.size:
        raise invalid(
            f"{name} has {len(values)} values and a shape of rank {shape.size}, but indices of {list(indices.shape)}"
        )


def _sequences(indices: Any, values: Any) -> dict[tuple[int, ...], list[Any]]:
    """Returns the values of each sequence, by the place of the sequence."""
    found: dict[tuple[int, ...], list[Any]] = {}
    for index, value in zip(indices.tolist(), values.tolist()):
        found.setdefault(tuple(index[:-1]), []).append(value)
    return found


def _levenshtein(a: Sequence[Any], b: Sequence[Any]) -> int:
    """Returns the number of insertions, deletions and replacements that make one sequence the other."""
    codes: dict[Any, int] = {}
    first, second = (np.array([codes.setdefault(x, len(codes)) for x in side], np.int64) for side in (a, b))
    steps = np.arange(len(b) + 1)
    row = steps.copy()
    for number, item in enumerate(first, 1):
        changed = row[:-1] + (second != item)
        best = np.minimum(changed, row[1:] + 1)
        # Insertions: the minimum over all places before, plus the distance from there.
        row = np.minimum.accumulate(np.concatenate([[number], best]) - steps) + steps
    return int(row[-1])


def _fingerprint_shape(c: ShapeContext) -> Shape:
    shape = c.with_rank_at_least("data", 1)
    return Shape((None if shape.dims is None else shape[0], 8))


fingerprint = op(
    "Fingerprint(data: T, method: string; T: type) -> (fingerprint: uint8)", shape=_fingerprint_shape
)


@fingerprint.kernel
def _(xp: Any, data: Any, method: Any, *, T: DType) -> Any:
    name = method[()] if isinstance(method, np.ndarray) and not method.ndim else method
    if not isinstance(name, bytes) or name != b"farmhash64":
        raise invalid(f"Unsupported fingerprint method: {name!r}")
    if data.ndim < 1:
        raise invalid("`data` should have at least one dimension: []")
    rows = data.reshape(len(data), -1) if data.size else data.reshape(len(data), 0)
    if T is not dtypes.string:
        return _hashes([np.ascontiguousarray(row).tobytes() for row in rows])
    if rows.shape[1] == 1:
        return _hashes([row[0] for row in rows])
    return _hashes([_hashes(row.tolist()).tobytes() for row in rows])


def _hashes(items: Sequence[bytes]) -> Any:
    """Returns the fingerprints of byte strings, as eight bytes each."""
    numbers = np.array([farm_fingerprint64(item) for item in items], "<u8")
    return numbers.view(np.uint8).reshape(len(items), 8)


def _joined_shape(c: ShapeContext) -> Shape:
    inputs, ids, count = c.input("inputs"), c.input("segment_ids"), c.elements("num_segments")
    if inputs.dims is None or ids.dims is None:
        return UNKNOWN
    return Shape((count[0] if count else None, *inputs.dims[len(ids.dims) :]))


join = op(
    'UnsortedSegmentJoin(inputs: string, segment_ids: Tindices, num_segments: Tnumsegments; separator: string = "", '
    "Tindices: type in {int32, int64}, Tnumsegments: type in {int32, int64} = int32) -> (output: string)",
    shape=_joined_shape,
)


@join.kernel
def _(xp: Any, inputs: Any, segment_ids: Any, num_segments: Any, *, separator: str) -> Any:
    count = int_arguments.int_scalar(num_segments, "num_segments")
    if count < 0:
        raise invalid(f"Number of segments must be positive, but is {count}")
    ids = np.asarray(segment_ids)
    texts = inputs if isinstance(inputs, np.ndarray) else array_of((), [inputs])
    if texts.shape[: ids.ndim] != ids.shape or not ids.ndim:
        raise invalid(
            f"segment_ids of shape {list(ids.shape)} do not begin the shape {list(texts.shape)} of inputs"
        )
    if ids.size and int(ids.min()) < 0:
        raise invalid(f"segment_ids must not be negative, but one is {int(ids.min())}")
    if ids.size and int(ids.max()) >= count:
        raise invalid(f"segment_ids must be less than num_segments {count}, but one is {int(ids.max())}")
    inner = texts.shape[ids.ndim :]
    int_arguments.check_allocation((count, *inner), 8)
    rows = texts.reshape(ids.size, -1)
    parts: list[list[list[bytes]]] = [[[] for _ in range(rows.shape[1])] for _ in range(count)]
    for number, row in zip(ids.reshape(-1).tolist(), rows.tolist()):
        for column, text in enumerate(row):
            parts[number][column].append(text)
    glue = encode(separator)
    return array_of((count, *inner), [glue.join(texts) for row in parts for texts in row])
