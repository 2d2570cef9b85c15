"""Batches of tf.Example messages as tensors (core/util/example_proto_fast_parsing.cc in TensorFlow)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.proto import example_pb2
from ...core.cancellation import checked
from ...numeric import int_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape
    from ....graphfmt.tensors import Array

_LISTS: dict[str, str] = {"string": "bytes_list", "float": "float_list", "int64": "int64_list"}
_DTYPES = {kind: name for name, kind in _LISTS.items()}


class SparseFeature(NamedTuple):
    """A feature of any number of values, as a sparse tensor."""

    key: str
    dtype: DType


class RaggedFeature(NamedTuple):
    """A feature of any number of values, as values and row splits."""

    key: str
    dtype: DType
    split_dtype: DType


class DenseFeature(NamedTuple):
    """A feature of a fixed shape; if its first dimension is unknown, of any number of rows, which are padded."""

    key: str
    dtype: DType
    shape: Shape
    default: Array

    @property
    def is_variable(self) -> bool:
        return bool(self.shape.dims) and self.shape[0] is None


class ParsedFeatures(NamedTuple):
    """The values of features over a batch of messages, in the order of the features."""

    sparse_indices: list[Array]
    sparse_values: list[Array]
    sparse_shapes: list[Array]
    dense: list[Array]
    ragged_values: list[Array]
    ragged_splits: list[Array]

    def flat(self) -> list[Array]:
        """Returns all tensors, as the operations list them."""
        return [array for part in self for array in part]


class ExampleBatch:
    """Messages that are parsed; ``names`` tell of which one an error is."""

    def __init__(
        self, serialized: Sequence[bytes], names: Sequence[bytes] = (), *, is_single: bool = False
    ) -> None:
        self._names = names
        self._is_single = is_single
        self._features = [self._parsed(data, number) for number, data in enumerate(checked(serialized))]

    def _parsed(self, data: bytes, number: int) -> Mapping[str, Any]:
        try:
            return example_pb2.Example.FromString(data).features.feature
        except DecodeError as error:
            raise invalid(
                f"Could not parse example input, value: {data[:40]!r}{self._name(number)}"
            ) from error

    def _name(self, number: int) -> str:
        return (
            f" (name: {self._names[number].decode('utf-8', 'replace')})" if number < len(self._names) else ""
        )

    def parse(
        self,
        sparse: Sequence[SparseFeature],
        dense: Sequence[DenseFeature],
        ragged: Sequence[RaggedFeature] = (),
    ) -> ParsedFeatures:
        """Returns the features. Raises INVALID_ARGUMENT for a feature of another dtype or size, or that is missing
        without a default."""
        result = ParsedFeatures([], [], [], [], [], [])
        for feature in sparse:
            self._add_sparse(result, feature)
        for feature in dense:
            values = self._dense_rows(feature) if feature.is_variable else self._dense(feature)
            result.dense.append(values[0] if self._is_single else values)
        for feature in ragged:
            self._add_ragged(result, feature)
        return result

    def _values(self, number: int, key: str, dtype: DType) -> Any:
        """Returns the values of a feature of one message, None if it is missing."""
        features = self._features[number]
        if key not in features:
            return None
        feature = features[key]
        kind = feature.WhichOneof("kind")
        if kind is None:
            return None
        if kind != _LISTS[dtype.name]:
            raise invalid(
                f"Key: {key}.  Data types don't match. Data type: {_DTYPES[kind]} but expected type: {dtype}"
                f"{self._name(number)}"
            )
        return getattr(feature, kind).value

    def _lists(self, key: str, dtype: DType) -> list[Any]:
        return [self._values(number, key, dtype) or () for number in range(len(self._features))]

    def _add_sparse(self, result: ParsedFeatures, feature: SparseFeature) -> None:
        lists = self._lists(feature.key, feature.dtype)
        sizes = np.array([len(values) for values in lists], np.int64)
        result.sparse_values.append(_joined(lists, feature.dtype))
        columns = _counted(sizes)
        if self._is_single:
            result.sparse_indices.append(columns[:, None])
            result.sparse_shapes.append(sizes)
            return
        rows = np.repeat(np.arange(len(lists)), sizes)
        result.sparse_indices.append(np.stack([rows, columns], axis=1))
        result.sparse_shapes.append(np.array([len(lists), sizes.max(initial=0)], np.int64))

    def _add_ragged(self, result: ParsedFeatures, feature: RaggedFeature) -> None:
        lists = self._lists(feature.key, feature.dtype)
        result.ragged_values.append(_joined(lists, feature.dtype))
        splits = np.zeros(0 if self._is_single else len(lists) + 1, feature.split_dtype.numpy)
        if not self._is_single:
            np.cumsum([len(values) for values in lists], out=splits[1:])
        result.ragged_splits.append(splits)

    def _dense(self, feature: DenseFeature) -> Array:
        shape = feature.shape.known()
        size = prod(shape)
        int_arguments.check_allocation((len(self._features), *shape), max(feature.dtype.size, 8))
        flat = np.empty((len(self._features), size), feature.dtype.numpy)
        for number in range(len(self._features)):
            values = self._values(number, feature.key, feature.dtype)
            if values is None:
                flat[number] = self._default(feature, number)
            elif len(values) != size:
                raise invalid(
                    f"Key: {feature.key}.  Number of {feature.dtype} values != expected.  values size: {len(values)} "
                    f"but output shape: {feature.shape}{self._name(number)}"
                )
            else:
                flat[number] = values
        return flat.reshape(len(self._features), *shape)

    def _default(self, feature: DenseFeature, number: int) -> Any:
        if not feature.default.size and prod(feature.shape.known()):
            raise invalid(
                f"Feature: {feature.key} (data type: {feature.dtype}) is required but could not be found."
                f"{self._name(number)}"
            )
        return feature.default.reshape(-1)

    def _dense_rows(self, feature: DenseFeature) -> Array:
        """Returns rows of a feature whose number of rows varies, padded with the default."""
        inner = tuple(size or 0 for size in (feature.shape.dims or ())[1:])
        row_size = prod(inner)
        lists = self._lists(feature.key, feature.dtype)
        for number, values in enumerate(lists):
            if row_size == 0 or len(values) % row_size:
                raise invalid(
                    f"Key: {feature.key}.  Number of {feature.dtype} values is not a multiple of stride length. Saw "
                    f"{len(values)} values but output shape is: {feature.shape}{self._name(number)}"
                )
        rows = max((len(values) // row_size for values in lists), default=0)
        int_arguments.check_allocation((len(lists), rows, *inner), max(feature.dtype.size, 8))
        flat = np.empty((len(lists), rows * row_size), feature.dtype.numpy)
        flat[...] = feature.default.reshape(-1)[0] if feature.default.size else _blank(feature.dtype)
        for number, values in enumerate(lists):
            flat[number, : len(values)] = values
        return flat.reshape(len(lists), rows, *inner)


def _blank(dtype: DType) -> Any:
    return b"" if dtype is dtypes.string else 0


def _joined(lists: Sequence[Any], dtype: DType) -> Array:
    flat = [value for values in lists for value in values]
    result = np.empty(len(flat), dtype.numpy)
    result[:] = flat
    return result


def _counted(sizes: Array) -> Array:
    """Returns 0, 1, … for each size, one after the other."""
    total = int(sizes.sum())
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.arange(total) - starts


def texts(value: Any, what: str) -> list[str]:
    """Returns the strings of a vector, or of a scalar. Raises INVALID_ARGUMENT for one that is not UTF-8."""
    items: list[bytes] = [value] if isinstance(value, bytes) else np.reshape(value, -1).tolist()
    try:
        return [item.decode() for item in items]
    except UnicodeDecodeError as error:
        raise invalid(f"{what} must be UTF-8, but is {items[:3]}") from error
