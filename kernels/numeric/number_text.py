"""Numbers as TensorFlow reads them from text (core/platform/numbers.cc)."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...graphfmt.dtypes import DType

_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)
_HEXADECIMAL = re.compile(rb"[+-]?0x([0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(p[+-]?\d+)?", re.IGNORECASE)
# Longer integers are out of range for every dtype, and slow to parse in Python.
_MAX_DIGITS = 100
_WHOLE = re.compile(rb"[+-]?\d+")


def parser(dtype: DType) -> Callable[[bytes], Any]:
    """Returns the function from text to a number of a dtype. It raises INVALID_ARGUMENT."""
    return _parse_float if dtype.is_floating else partial(_parse_whole, np.iinfo(dtype.numpy))


def parse_all(items: Sequence[bytes], dtype: DType) -> list[Any]:
    """Returns the numbers of many texts. Raises INVALID_ARGUMENT for one that is none."""
    try:
        # Python accepts almost the same syntax as TensorFlow; digits grouped by _ are the exception.
        if b"_" in b"".join(items) or max(map(len, items), default=0) > _MAX_DIGITS:
            raise ValueError
        numbers: list[Any] = list(map(float if dtype.is_floating else int, items))
    except ValueError:
        return list(map(parser(dtype), items))
    if not dtype.is_floating and numbers:
        limits = np.iinfo(dtype.numpy)
        if min(numbers) < limits.min or max(numbers) > limits.max:
            return list(map(parser(dtype), items))
    return numbers


def _parse_float(item: bytes) -> float:
    text = item.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    if _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text.decode())
        except OverflowError:
            return -np.inf if text.startswith(b"-") else np.inf
    raise invalid(f"the string {item!r} is not a number")


def _parse_whole(limits: Any, item: bytes) -> int:
    text = item.strip()
    if not _WHOLE.fullmatch(text) or (limits.min == 0 and text.startswith(b"-")):
        raise invalid(f"the string {item!r} is not a number of type {limits.dtype}")
    number = int(text) if len(text.lstrip(b"+-0")) < _MAX_DIGITS else limits.max + 1
    if not limits.min <= number <= limits.max:
        raise invalid(f"the string {item!r} is out of range for type {limits.dtype}")
    return number
