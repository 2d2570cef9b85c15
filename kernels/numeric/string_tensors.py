"""What the operations on strings share: tensors of byte strings are object arrays of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def string_array(value: Any) -> Any:
    """A tensor of strings as an array; a scalar may come as bare bytes."""
    return value if isinstance(value, np.ndarray) else np.asarray(value, object)


def array_of(shape: tuple[int, ...], items: Iterable[Any], dtype: Any = object) -> Any:
    """An array of that shape from its elements in row-major order."""
    array = np.empty(shape, dtype)
    array.reshape(-1)[:] = list(items)
    return array


def map_strings(function: Callable[[bytes], Any], value: Any, dtype: Any = object) -> Any:
    """The function of every string."""
    array = string_array(value)
    return array_of(array.shape, map(function, array.reshape(-1).tolist()), dtype)


def decode(data: bytes) -> str:
    """As text; bytes that are not UTF-8 survive ``encode``."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
