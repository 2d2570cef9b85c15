"""Tensors of byte strings, which are object arrays of bytes: conversion, and functions applied to every element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def string_array(value: Any) -> Any:
    """Returns a tensor of strings as an array; a scalar may come as bare bytes."""
    return value if isinstance(value, np.ndarray) else np.asarray(value, object)


def to_value(value: Any) -> Any:
    """Returns a tensor as kernels give it out: bare bytes become an array of rank 0."""
    return np.asarray(value, object) if isinstance(value, bytes) else value


def array_of(shape: tuple[int, ...], items: Iterable[Any], dtype: Any = object) -> Any:
    """Returns an array of that shape from its elements in row-major order."""
    array = np.empty(shape, dtype)
    array.reshape(-1)[:] = list(items)
    return array


def map_strings(function: Callable[[bytes], Any], value: Any, dtype: Any = object) -> Any:
    """Applies a function to every string of a tensor, and returns an array of that dtype."""
    array = string_array(value)
    return array_of(array.shape, map(function, array.reshape(-1).tolist()), dtype)


def decode(data: bytes) -> str:
    """Decodes UTF-8; bytes that are not UTF-8 survive a round trip through ``encode``."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Encodes text as UTF-8, with the bytes that ``decode`` escaped."""
    return text.encode("utf-8", "surrogateescape")
