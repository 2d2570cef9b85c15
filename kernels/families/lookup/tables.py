"""Lookup tables: maps from keys to values, static or mutable (lookup_table_op.cc in TensorFlow)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array


class LookupTable:
    """A map from keys to values of one shape.

    Attributes:
        op: the operation that made it, by its name without version.
        is_static: it is filled once, by an initializer, and never changed.
        reserved: keys that mark empty and deleted buckets in TensorFlow's dense table, and cannot be used.
    """

    kind = "LookupTable"

    def __init__(
        self,
        op: str,
        name: str,
        key_dtype: DType,
        value_dtype: DType,
        value_shape: Shape = Shape(()),  # noqa: B008 (immutable)
        reserved: Sequence[Any] = (),
    ) -> None:
        self.op = op
        self.name = name
        self.key_dtype = key_dtype
        self.value_dtype = value_dtype
        self.value_shape = value_shape
        self.is_static = op == "HashTable"
        self.reserved = tuple(reserved)
        self._is_initialized = not self.is_static
        self._values: dict[Any, Any] = {}
        self._lock = Lock()

    def read(self) -> LookupTable:
        """Returns the table: the value of a reference to it."""
        return self

    def describe(self) -> str:
        """Returns a description for people."""
        return f"{self.op} {self.name!r} ({len(self._values)} entries)"

    @property
    def size(self) -> int:
        """The number of keys."""
        return len(self._values)

    def find(self, keys: Array, default: Array) -> Array:
        """Returns the value of each key, in the shape of the keys with that of a value behind it. ``default`` is the
        value of keys that are missing, one for all or one for each."""
        self._check_initialized()
        flat = self._flat_keys(keys)
        shape = (*keys.shape, *self._value_dims())
        if default.shape not in (self._value_dims(), shape) or (self.is_static and default.ndim):
            wanted = Shape(self._value_dims())
            raise invalid(
                f"Expected shape {wanted} or {Shape(shape)} for default value, got {Shape(tuple(default.shape))}"
            )
        values = self._values
        if default.shape == shape and shape != self._value_dims():
            defaults = list(default.reshape(len(flat), *self._value_dims()))
            found = [values.get(key, defaults[i]) for i, key in enumerate(flat)]
        else:
            one = default if self._value_dims() else default[()]
            found = [values.get(key, one) for key in flat]
        return self._stacked(found).reshape(shape)

    def insert(self, keys: Array, values: Array) -> None:
        """Adds keys, or replaces their values. Raises INVALID_ARGUMENT for other shapes, or reserved keys."""
        pairs = self._pairs(keys, values)
        with self._lock:
            self._values.update(pairs)

    def replace(self, keys: Array, values: Array) -> None:
        """Replaces all entries."""
        pairs = dict(self._pairs(keys, values))
        with self._lock:
            self._values = pairs

    def remove(self, keys: Array) -> None:
        """Removes keys; those that are missing do not matter."""
        flat = self._flat_keys(keys)
        with self._lock:
            for key in flat:
                self._values.pop(key, None)

    def initialize(self, keys: Array, values: Array) -> None:
        """Fills a static table. Raises FAILED_PRECONDITION for one that has another number of entries, and for two
        values of one key."""
        entries: dict[Any, Any] = {}
        for key, value in self._pairs(keys, values):
            if entries.setdefault(key, value) != value:
                raise TfgError(
                    Status.FAILED_PRECONDITION,
                    f"HashTable has different value for same key. Key {key!r} has {entries[key]} and trying to add "
                    f"value {value}",
                )
        with self._lock:
            if self._is_initialized:
                # As in TensorFlow, the number of entries alone tells other data.
                if len(entries) != len(self._values):
                    raise TfgError(
                        Status.FAILED_PRECONDITION, "Table was already initialized with different data."
                    )
                return
            self._values = entries
            self._is_initialized = True

    def export(self) -> tuple[Array, Array]:
        """Returns all keys, in the order in which they were added, and their values."""
        self._check_initialized()
        with self._lock:
            keys, values = list(self._values), list(self._values.values())
        flat = np.empty(len(keys), self.key_dtype.numpy)
        flat[:] = keys
        return flat, self._stacked(values)

    def save(self) -> dict[str, Array]:
        initialized = np.array(self._is_initialized)
        if not self._is_initialized:
            return {"initialized": initialized}
        keys, values = self.export()
        return {"initialized": initialized, "keys": keys, "values": values}

    def load(self, state: dict[str, Array]) -> None:
        self._is_initialized = bool(state["initialized"])
        if self._is_initialized:
            self._values = dict(self._pairs(state["keys"], state["values"]))

    def _check_initialized(self) -> None:
        if not self._is_initialized:
            raise TfgError(Status.FAILED_PRECONDITION, "Table not initialized.")

    def _value_dims(self) -> tuple[int, ...]:
        return self.value_shape.known()

    def _flat_keys(self, keys: Array) -> list[Any]:
        if self.reserved and keys.ndim > 1:
            raise invalid(f"{self.op} takes keys of rank 1 at most, not of shape {Shape(tuple(keys.shape))}")
        flat: list[Any] = keys.reshape(-1).tolist()
        if self.reserved and any(key in self.reserved for key in flat):
            raise invalid("Using the empty_key or the deleted_key as a table key is not allowed")
        return flat

    def _pairs(self, keys: Array, values: Array) -> list[tuple[Any, Any]]:
        expected = (*keys.shape, *self._value_dims())
        if values.shape != expected:
            raise invalid(f"Expected shape {Shape(expected)} for value, got {Shape(tuple(values.shape))}")
        flat = self._flat_keys(keys)
        if not self._value_dims():
            return list(zip(flat, values.reshape(-1).tolist()))
        rows = values.reshape(len(flat), *self._value_dims()).copy()
        return list(zip(flat, rows))

    def _stacked(self, values: Sequence[Any]) -> Array:
        result = np.empty((len(values), *self._value_dims()), self.value_dtype.numpy)
        if self._value_dims():
            for row, value in enumerate(values):
                result[row] = value
        elif values:
            result[:] = values
        return result
