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
from . import native_examples
from .feature_columns import FeatureColumn, column_of, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.errors import TfgError
    from ....graphfmt.shapes import Shape
    from ....graphfmt.tensors import Array
    from .native_examples import NativeExamples

# The list in a Feature for a dtype, and the dtype of a list.
LISTS: dict[str, str] = {"string": "bytes_list", "float": "float_list", "int64": "int64_list"}
DTYPES = {kind: name for name, kind in LISTS.items()}


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
        self._serialized = serialized
        self._names = names
        self._is_single = is_single
        # By key; made when native code does not do.
        self._messages: list[Mapping[str, Any]] | None = None
        self._native: NativeExamples | None = None

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
        self._native = native_examples.scan(self._serialized, [one.key for one in (*sparse, *dense, *ragged)])
        if self._native is None:
            self._parse_messages()
        for feature in sparse:
            self._add_sparse(result, feature)
        for feature in dense:
            values = self._dense_rows(feature) if feature.is_variable else self._dense(feature)
            result.dense.append(values[0] if self._is_single else values)
        for feature in ragged:
            self._add_ragged(result, feature)
        return result

    def _parse_messages(self) -> list[Mapping[str, Any]]:
        if self._messages is None:
            self._messages = [
                self._parsed(data, number) for number, data in enumerate(checked(self._serialized))
            ]
        return self._messages

    def _column(self, key: str, dtype: DType) -> FeatureColumn:
        """Returns the values of a feature. Raises INVALID_ARGUMENT for one of another dtype."""
        if self._native is not None:
            found = self._native.column(key, dtype)
            if found is not None:
                return found
        messages = self._parse_messages()
        return column_of([self._values(message, n, key, dtype) for n, message in enumerate(messages)], dtype)

    def _values(self, features: Mapping[str, Any], number: int, key: str, dtype: DType) -> Any:
        """Returns the values of a feature of one message, None if it is missing."""
        if key not in features:
            return None
        feature = features[key]
        kind = feature.WhichOneof("kind")
        if kind is None:
            return None
        if kind != LISTS[dtype.name]:
            raise invalid(
                f"Key: {key}.  Data types don't match. Data type: {DTYPES[kind]} but expected type: {dtype}"
                f"{self._name(number)}"
            )
        return getattr(feature, kind).value

    def _add_sparse(self, result: ParsedFeatures, feature: SparseFeature) -> None:
        column = self._column(feature.key, feature.dtype)
        sizes = column.counts
        result.sparse_values.append(column.values)
        columns = counted(sizes)
        if self._is_single:
            result.sparse_indices.append(columns[:, None])
            result.sparse_shapes.append(sizes)
            return
        rows = np.repeat(np.arange(len(sizes)), sizes)
        result.sparse_indices.append(np.stack([rows, columns], axis=1))
        result.sparse_shapes.append(np.array([len(sizes), sizes.max(initial=0)], np.int64))

    def _add_ragged(self, result: ParsedFeatures, feature: RaggedFeature) -> None:
        column = self._column(feature.key, feature.dtype)
        result.ragged_values.append(column.values)
        splits = np.zeros(0 if self._is_single else len(column.counts) + 1, feature.split_dtype.numpy)
        if not self._is_single:
            np.cumsum(column.counts, out=splits[1:])
        result.ragged_splits.append(splits)

    def _dense(self, feature: DenseFeature) -> Array:
        shape = feature.shape.known()
        size = prod(shape)
        count = len(self._serialized)
        int_arguments.check_allocation((count, *shape), max(feature.dtype.size, 8))
        column = self._column(feature.key, feature.dtype)
        has_default = bool(feature.default.size) or not size
        is_bad = np.where(column.is_present, column.counts != size, not has_default)
        if is_bad.any():
            raise self._dense_error(feature, column, int(is_bad.argmax()))
        if column.is_present.all():
            return column.values.reshape(count, *shape)
        flat = np.empty((count, size), feature.dtype.numpy)
        flat[column.is_present] = column.values.reshape(-1, size) if size else 0
        flat[~column.is_present] = feature.default.reshape(-1)
        return flat.reshape(count, *shape)

    def _dense_error(self, feature: DenseFeature, column: FeatureColumn, number: int) -> TfgError:
        if not column.is_present[number]:
            return invalid(
                f"Feature: {feature.key} (data type: {feature.dtype}) is required but could not be found."
                f"{self._name(number)}"
            )
        return invalid(
            f"Key: {feature.key}.  Number of {feature.dtype} values != expected.  values size: "
            f"{column.counts[number]} but output shape: {feature.shape}{self._name(number)}"
        )

    def _dense_rows(self, feature: DenseFeature) -> Array:
        """Returns rows of a feature whose number of rows varies, padded with the default."""
        inner = tuple(size or 0 for size in (feature.shape.dims or ())[1:])
        row_size = prod(inner)
        column = self._column(feature.key, feature.dtype)
        sizes = column.counts
        is_bad = sizes % row_size != 0 if row_size else np.ones(len(sizes), bool)
        if is_bad.any():
            number = int(is_bad.argmax())
            raise invalid(
                f"Key: {feature.key}.  Number of {feature.dtype} values is not a multiple of stride length. Saw "
                f"{sizes[number]} values but output shape is: {feature.shape}{self._name(number)}"
            )
        rows = int(sizes.max(initial=0)) // max(row_size, 1)
        int_arguments.check_allocation((len(sizes), rows, *inner), max(feature.dtype.size, 8))
        flat = np.empty((len(sizes), rows * row_size), feature.dtype.numpy)
        flat[...] = feature.default.reshape(-1)[0] if feature.default.size else _blank(feature.dtype)
        flat[np.arange(flat.shape[1]) < sizes[:, None]] = column.values
        return flat.reshape(len(sizes), rows, *inner)


def _blank(dtype: DType) -> Any:
    return b"" if dtype is dtypes.string else 0


def texts(value: Any, what: str) -> list[str]:
    """Returns the strings of a vector, or of a scalar. Raises INVALID_ARGUMENT for one that is not UTF-8."""
    items: list[bytes] = [value] if isinstance(value, bytes) else np.reshape(value, -1).tolist()
    try:
        return [item.decode() for item in items]
    except UnicodeDecodeError as error:
        raise invalid(f"{what} must be UTF-8, but is {items[:3]}") from error
