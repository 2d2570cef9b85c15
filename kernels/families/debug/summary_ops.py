"""ScalarSummary, HistogramSummary and MergeSummary: serialized Summary messages for event files (summary_op.cc in
TensorFlow)."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import REAL_NUMBERS
from ...numeric import wire_messages as messages

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

# Field numbers of the messages Summary, Summary.Value and HistogramProto.
_VALUE, _TAG, _SIMPLE_VALUE, _HISTOGRAM = 1, 1, 2, 5
_LIMITS, _COUNTS = 6, 7


def summary_value(tag: bytes, content: bytes) -> bytes:
    """A Summary with one value, ``content`` being its fields behind the tag."""
    head = messages.bytes_field(_TAG, tag) if tag else b""
    return messages.bytes_field(_VALUE, head + content)


def string_scalar(data: bytes) -> Any:
    """A string tensor of rank 0."""
    out = np.empty((), object)
    out[()] = data
    return out


scalar = op(
    f"ScalarSummary(tags: string, values: T; T: type in {REAL_NUMBERS}) -> (summary: string)",
    shape=shapes.scalar,
    differentiable=False,
    allocates_output=True,
)


@scalar.kernel
def _(xp: Any, tags: Any, values: Any) -> Any:
    tags, values = np.asarray(tags, object), np.asarray(values)
    if tags.shape != values.shape:
        raise invalid(f"tags of shape {Shape(tags.shape)} do not fit values of shape {Shape(values.shape)}")
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32).reshape(-1).tolist()
    simple = (messages.float_field(_SIMPLE_VALUE, x) for x in numbers)
    return string_scalar(b"".join(map(summary_value, tags.reshape(-1).tolist(), simple)))


histogram = op(
    f"HistogramSummary(tag: string, values: T; T: type in {REAL_NUMBERS} = float) -> (summary: string)",
    shape=shapes.scalar,
    differentiable=False,
    allocates_output=True,
)


@histogram.kernel
def _(xp: Any, tag: Any, values: Any) -> Any:
    tag = np.asarray(tag, object)
    if tag.ndim:
        raise invalid(f"tag must be a scalar, but has shape {Shape(tag.shape)}")
    numbers = np.asarray(values).astype(np.float64).reshape(-1)
    if not np.isfinite(numbers).all():
        raise invalid(f"Nan or infinity in summary histogram for: {tag.item()!r}")
    return string_scalar(summary_value(tag.item(), messages.bytes_field(_HISTOGRAM, _histogram(numbers))))


@cache
def _bucket_limits() -> Any:
    """Upper limits of the buckets, growing by 10 % on both sides of zero (lib/histogram/histogram.cc)."""
    limits: list[float] = []
    limit = 1e-12
    while limit < 1e20:
        limits.append(limit)
        limit *= 1.1
    limits.append(np.finfo(np.float64).max)
    return np.array([*(-x for x in reversed(limits)), 0.0, *limits])


def _histogram(numbers: Any) -> bytes:
    limits = _bucket_limits()
    counts = np.bincount(np.searchsorted(limits, numbers, "right"), minlength=len(limits)).astype(np.float64)
    # A run of empty buckets is written as its last bucket.
    kept = np.append((counts[:-1] > 0) | (counts[1:] > 0), True)
    largest = float(limits[-1])
    least, most = (float(numbers.min()), float(numbers.max())) if numbers.size else (largest, -largest)
    # Summed sequentially, as TensorFlow does.
    total, squares = (float(np.add.accumulate(x)[-1]) if x.size else 0.0 for x in (numbers, numbers**2))
    head = [least, most, float(numbers.size), total, squares]
    fields = (
        messages.double_field(number, x)
        for number, x in enumerate(head, 1)
        if struct.pack("<d", x) != bytes(8)
    )
    lists = (
        messages.bytes_field(_LIMITS, limits[kept].tobytes()),
        messages.bytes_field(_COUNTS, counts[kept].tobytes()),
    )
    return b"".join((*fields, *lists))


merge = op(
    "MergeSummary(inputs: N*string; N: int >= 1) -> (summary: string)",
    shape=shapes.scalar,
    differentiable=False,
    allocates_output=True,
)


@merge.kernel
def _(xp: Any, inputs: Any) -> Any:
    merged: list[bytes] = []
    seen: set[bytes] = set()
    for values in inputs:
        for data in np.asarray(values, object).reshape(-1).tolist():
            for tag in _tags(data):
                if tag in seen:
                    raise invalid(f"Duplicate tag {tag!r} found in summary inputs")
                seen.add(tag)
            merged.append(data)
    return string_scalar(b"".join(merged))


def _tags(data: bytes) -> list[bytes]:
    """Returns the non-empty tags of a serialized Summary. Raises INVALID_ARGUMENT if it cannot be parsed."""
    try:
        values = [content for number, content in messages.fields(data) if number == _VALUE]
        return [tag for value in values for number, tag in messages.fields(value) if number == _TAG and tag]
    except ValueError:
        raise invalid("one of the summaries to merge cannot be read: no summary operation wrote it") from None
