"""Feeds: conversion of what a caller feeds into what kernels take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.errors import TfgError, invalid
from ...graphfmt.graph import endpoint
from ...graphfmt.shapes import Shape
from ..passes.fed_edges import fed_fact

if TYPE_CHECKING:
    from ...graphfmt.dtypes import DType
    from ...graphfmt.graph import Graph
    from ...kernels.core.facts import Fact


class Feed(NamedTuple):
    """A fed output: its name as the caller wrote it, and the dtype and shape of its values."""

    name: str
    dtype: DType
    shape: Shape

    def check(self, value: Any) -> Any:
        """The value as kernels take it: an array of the feed's dtype, a numpy scalar for a number of rank 0
        (Python's operators handle those several times as fast). Raises INVALID_ARGUMENT."""
        array = self._as_array(value)
        if not self.shape.is_compatible(Shape(array.shape)):
            raise invalid(
                f"Cannot feed value of shape {Shape(array.shape)} for {self.name!r}, "
                f"which has shape {self.shape}",
                node=endpoint(self.name).node,
            )
        return array if array.ndim or array.dtype == object else array[()]

    def _as_array(self, value: Any) -> Any:
        wanted = self.dtype.numpy
        if isinstance(value, np.ndarray) and value.dtype == wanted and not wanted.hasobject:
            return value
        if self.dtype.name in ("resource", "variant"):
            raise self._refused("which cannot be fed")
        if self.dtype.is_opaque:
            return self._as_strings(value)
        try:
            array = np.asarray(value)
        except (ValueError, OverflowError) as error:
            raise self._refused(f"and the value fed is not an array: {error}") from None
        if array.size == 0 and not isinstance(value, np.ndarray):
            return array.astype(wanted)
        if not _is_numeric(array) or not _fits(array, self.dtype):
            raise self._refused(f"and cannot be fed {_described(array)}")
        # A number too large for the dtype becomes infinity, as in TensorFlow.
        with np.errstate(over="ignore"):
            return array.astype(wanted)

    def _as_strings(self, value: Any) -> Any:
        try:
            return as_strings(value)
        except TfgError:
            raise self._refused(f"and cannot be fed {_described(np.asarray(value))}") from None

    def _refused(self, why: str) -> TfgError:
        return invalid(f"{self.name!r} is {self.dtype}, {why}", node=endpoint(self.name).node)


def _is_numeric(array: Any) -> bool:
    kind = array.dtype.kind
    return kind in "biufc" or (kind == "V" and array.dtype.names is None)


def _described(array: Any) -> str:
    """A description of a value that does not fit: the element itself if there is only one."""
    if array.dtype.kind in "OSU":
        kinds = {type(item) for item in array.reshape(-1).tolist()}
        return "text" if kinds & {str, bytes} else "a number of more than 64 bits"
    try:
        name = dtypes.of_numpy(array.dtype).name
    except (TfgError, ValueError, KeyError):
        name = str(array.dtype)
    return f"the {name} {array.reshape(-1)[0]}" if array.size == 1 else f"{name} values without loss"


def _fits(array: Any, dtype: DType) -> bool:
    """True if values may be fed as another dtype: Python numbers as any real type that holds them, but
    never floats as integers."""
    if array.dtype == dtype.numpy:
        return True
    if array.dtype.kind == "b":
        return False
    if dtype.is_floating or dtype.is_complex:
        return array.dtype.kind != "c" or dtype.is_complex
    if array.dtype.kind not in "iu" or not (dtype.is_integer or dtype.is_quantized):
        return False
    limits = np.iinfo(dtype.numpy) if dtype.numpy.kind in "iu" else None
    return limits is None or array.size == 0 or bool(limits.min <= array.min() and array.max() <= limits.max)


def _encoded(text: str) -> bytes:
    """UTF-8; a lone surrogate, which JSON can write, becomes the bytes that it would have."""
    return text.encode("utf-8", "surrogatepass")


def as_strings(value: Any) -> Any:
    """Strings as an object array of bytes."""
    array = np.asarray(value, object) if not isinstance(value, np.ndarray) else value
    if array.dtype == object and set(map(type, array.reshape(-1).tolist())) == {bytes}:
        # Most are; a large batch takes a third of the time so.
        return array.copy()
    flat = [_encoded(x) if isinstance(x, str) else x for x in array.reshape(-1).tolist()]
    if not all(isinstance(x, bytes) for x in flat):
        raise invalid("a string tensor can only be fed strings")
    result = np.empty(array.size, object)
    result[:] = flat
    return result.reshape(array.shape)


def unread_feed(name: str, graph: Graph) -> Feed:
    """The feed for an output that nothing reads: a value of the wrong kind is a mistake all the same."""
    return feed_of_fact(name, fed_fact(graph, endpoint(name)))


def feed_of_fact(name: str, fact: Fact) -> Feed:
    """The feed for an output of which this is known."""
    return Feed(name, fact.dtype.base, fact.shape)
