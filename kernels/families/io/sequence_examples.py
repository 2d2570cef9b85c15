"""Batches of tf.SequenceExample messages as tensors (FastParseSequenceExample in TensorFlow's
core/util/example_proto_fast_parsing.cc, and ParseSingleSequenceExample)."""

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
from .examples import DTYPES, LISTS
from .feature_columns import FeatureColumn, column_of, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.errors import TfgError
    from ....graphfmt.tensors import Array
    from .examples import DenseFeature, RaggedFeature, SparseFeature


class DenseList(NamedTuple):
    """A list of features of one shape each; ``may_miss``: a message without it has none of them."""

    key: str
    dtype: DType
    shape: tuple[int, ...]
    may_miss: bool


class StepColumn(NamedTuple):
    """The values of a list of features over a batch of messages.

    Attributes:
        steps: int64[messages], how many features each list has.
        counts: int64[steps of all messages], how many values each feature has.
        values: those of all features.
    """

    steps: Array
    counts: Array
    values: Array


class SequenceBatch:
    """Messages that are parsed; ``names`` tell of which one an error is. ``is_scalar``: there is but one."""

    def __init__(
        self,
        serialized: Sequence[bytes],
        names: Sequence[bytes],
        *,
        is_scalar: bool,
        unnamed: str = "<unknown>",
    ) -> None:
        self._names = names
        self._unnamed = unnamed
        self._is_scalar = is_scalar
        self._messages = [self._parsed(data, number) for number, data in enumerate(checked(serialized))]

    def _parsed(self, data: bytes, number: int) -> Any:
        try:
            return example_pb2.SequenceExample.FromString(data)
        except DecodeError as error:
            raise invalid(
                f"Invalid protocol message input, example id: {self._name(number)}: could not parse {data[:40]!r}"
            ) from error

    def _name(self, number: int) -> str:
        return self._names[number].decode("utf-8", "replace") if number < len(self._names) else self._unnamed

    def context_sparse(self, feature: SparseFeature) -> tuple[Array, Array, Array]:
        """Returns indices, values and shape."""
        column = self._context(feature.key, feature.dtype)
        columns = counted(column.counts)
        if self._is_scalar:
            return columns[:, None], column.values, column.counts
        rows = np.repeat(np.arange(len(column.counts)), column.counts)
        shape = [len(column.counts), column.counts.max(initial=0)]
        return np.stack([rows, columns], axis=1), column.values, np.array(shape, np.int64)

    def context_ragged(self, feature: RaggedFeature) -> tuple[Array, Array]:
        """Returns values and row splits, of which a single message has none."""
        column = self._context(feature.key, feature.dtype)
        return column.values, self._outer_splits(column.counts, feature.split_dtype)

    def context_dense(self, feature: DenseFeature) -> Array:
        """Returns one tensor of the feature's shape per message. Raises INVALID_ARGUMENT for another number of values,
        and where it is missing and has no default."""
        shape = feature.shape.known()
        size, count = prod(shape), len(self._messages)
        int_arguments.check_allocation((count, *shape), max(feature.dtype.size, 8))
        column = self._context(feature.key, feature.dtype)
        most = int(max(column.counts.max(initial=0), feature.default.size))
        if most != size:
            raise invalid(
                f"Inconsistent max number of elements for feature {feature.key}: expected {size}, but found {most}"
            )
        if size and not feature.default.size and not column.is_present.all():
            raise invalid(
                f"Name: {self._name(int(column.is_present.argmin()))}, Feature: {feature.key} (data type: "
                f"{feature.dtype}) is required but could not be found."
            )
        for number in np.flatnonzero(column.is_present & (column.counts != size))[:1]:
            raise invalid(
                f"Unexpected number of elements in example {self._name(number)}: {feature.key} has "
                f"{column.counts[number]} values, not {size}"
            )
        flat = np.empty((count, size), feature.dtype.numpy)
        flat[column.is_present] = column.values.reshape(-1, size) if size else 0
        if not column.is_present.all():
            flat[~column.is_present] = feature.default.reshape(-1)
        return flat.reshape(shape if self._is_scalar else (count, *shape))

    def list_sparse(self, feature: SparseFeature) -> tuple[Array, Array, Array]:
        """Returns indices (message, step, place), values and shape; without the message if there is but one."""
        column = self._steps(feature.key, feature.dtype)
        messages = np.repeat(np.arange(len(column.steps)), column.steps)
        indices = [np.repeat(messages, column.counts), np.repeat(counted(column.steps), column.counts)]
        indices.append(counted(column.counts))
        shape = [len(column.steps), column.steps.max(initial=0), column.counts.max(initial=0)]
        first = 1 if self._is_scalar else 0
        return np.stack(indices[first:], axis=1), column.values, np.array(shape[first:], np.int64)

    def list_ragged(self, feature: RaggedFeature) -> tuple[Array, Array, Array]:
        """Returns values, and the row splits of messages and of steps."""
        column = self._steps(feature.key, feature.dtype)
        outer = self._outer_splits(column.steps, feature.split_dtype)
        return column.values, outer, _splits(column.counts, feature.split_dtype)

    def _outer_splits(self, sizes: Array, dtype: DType) -> Array:
        # TensorFlow leaves those of a single message uninitialized.
        return np.zeros((), dtype.numpy) if self._is_scalar else _splits(sizes, dtype)

    def list_dense(self, feature: DenseList) -> tuple[Array, Array]:
        """Returns the features of all steps, padded to the largest number of steps, and the numbers of steps."""
        size = prod(feature.shape)
        column = self._steps(feature.key, feature.dtype, None if feature.may_miss else self._missing_list)
        self._check_sizes(feature, column, size)
        most = int(column.steps.max(initial=0))
        dims = (len(column.steps), most, *feature.shape)
        int_arguments.check_allocation(dims, max(feature.dtype.size, 8))
        flat = np.zeros((len(column.steps), most, size), feature.dtype.numpy)
        if feature.dtype is dtypes.string:
            flat[...] = b""
        flat[np.arange(most) < column.steps[:, None]] = column.values.reshape(len(column.counts), size)
        if self._is_scalar:
            return flat.reshape(dims[1:]), column.steps.reshape(())
        return flat.reshape(dims), column.steps

    def _check_sizes(self, feature: DenseList, column: StepColumn, size: int) -> None:
        for place in np.flatnonzero(column.counts != size)[:1]:
            ends = np.cumsum(column.steps)
            number = int(np.searchsorted(ends, place, side="right"))
            index = place - (ends[number] - column.steps[number])
            raise invalid(
                f"Name: {self._name(number)}, Key: {feature.key}, Index: {index}.  Number of {feature.dtype} values != "
                f"expected.  values size: {column.counts[place]} but output shape: {list(feature.shape)}"
            )

    def _missing_list(self, number: int, key: str) -> TfgError:
        return invalid(
            f"Name: {self._name(number)}, Feature list '{key}' is required but could not be found.  Did you mean to "
            "include it in feature_list_dense_missing_assumed_empty or feature_list_dense_defaults?"
        )

    def _context(self, key: str, dtype: DType) -> FeatureColumn:
        return column_of([self._context_values(number, key, dtype) for number in self._numbers()], dtype)

    def _numbers(self) -> Iterator[int]:
        return checked(range(len(self._messages)))

    def _context_values(self, number: int, key: str, dtype: DType) -> Any:
        features: Mapping[str, Any] = self._messages[number].context.feature
        if key not in features:
            return None
        return self._values(features[key], dtype, lambda: f"{self._name(number)}, Context feature: {key}")

    def _values(self, feature: Any, dtype: DType, where: Any) -> Any:
        kind = feature.WhichOneof("kind")
        if kind is None:
            return None
        if kind != LISTS[dtype.name]:
            raise invalid(
                f"Name: {where()}.  Data types don't match. Expected type: {dtype}, but it is {DTYPES[kind]}"
            )
        return getattr(feature, kind).value

    def _steps(self, key: str, dtype: DType, missing: Any = None) -> StepColumn:
        """Returns the values of a list; ``missing`` makes the error for a message without it."""
        steps = np.zeros(len(self._messages), np.int64)
        lists: list[Any] = []
        for number in self._numbers():
            feature_lists = self._messages[number].feature_lists.feature_list
            if key not in feature_lists:
                if missing is not None:
                    raise missing(number, key)
                continue
            features = feature_lists[key].feature
            steps[number] = len(features)
            for index, feature in enumerate(features):
                found = self._values(
                    feature,
                    dtype,
                    lambda: f"{self._name(number)}, Feature list: {key}, Index: {index}",  # noqa: B023
                )
                lists.append(found)
        column = column_of(lists, dtype)
        return StepColumn(steps, column.counts, column.values)


def _splits(sizes: Array, dtype: DType) -> Array:
    splits = np.zeros(len(sizes) + 1, dtype.numpy)
    np.cumsum(sizes, out=splits[1:])
    return splits
