"""Tensors as one line of text, as TensorFlow's Tensor::SummarizeValue writes them in messages: ``[1 2 3...]``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graphfmt import dtypes

_ESCAPES = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}


def summarize_value(value: Any, limit: int) -> str:
    """Formats the first ``limit`` elements, all if it is negative, with every row of a matrix in brackets."""
    array = np.asarray(value, object if isinstance(value, bytes) else None)
    limit = array.size if limit < 0 else min(limit, array.size)
    shown = [format_element(x) for x in array.reshape(-1)[:limit]]
    rest = "..." if limit < array.size else ""
    if array.ndim == 0 or array.dtype.kind == "c":
        return " ".join(shown) + rest
    parts: list[str] = []
    _nest(array.shape, 0, iter(shown), [limit], parts)
    return "".join(parts) + rest


def _nest(shape: tuple[int, ...], axis: int, shown: Any, left: list[int], parts: list[str]) -> None:
    """Appends the elements along an axis until ``left`` is used up."""
    if axis == len(shape) - 1:
        for position in range(shape[axis]):
            if not left[0]:
                parts.append("..." if axis else "")
                return
            parts.append((" " if position else "") + next(shown))
            left[0] -= 1
        return
    for _ in range(shape[axis]):
        if not left[0]:
            return
        parts.append("[")
        _nest(shape, axis + 1, shown, left, parts)
        parts.append("]")


def format_element(value: Any) -> str:
    """Formats one element."""
    if isinstance(value, bytes):
        return _escaped(value)
    if isinstance(value, np.bool_):
        return "1" if value else "0"
    kind = np.asarray(value).dtype
    if kind.kind in "cO":
        return "?"
    if kind == np.float64:
        return _shortest(float(value), 15, 17, np.float64)
    if dtypes.of_numpy(kind).is_floating:
        return _shortest(float(value), 6, 9, np.float32)
    return str(int(value))


def _shortest(value: float, digits: int, all_digits: int, kind: Any) -> str:
    """Formats with ``digits`` significant digits if that reproduces the value, else with ``all_digits``."""
    text = f"{value:.{digits}g}"
    return text if value != value or kind(text) == value else f"{value:.{all_digits}g}"


def _escaped(text: bytes) -> str:
    """Escapes control characters in octal and quotes by a backslash; characters beyond ASCII stay."""
    if text.isascii() and text.decode().isprintable() and not any(c in text for c in b"\"'\\"):
        return text.decode()
    decoded = text.decode("utf-8", "replace")
    return "".join(
        _ESCAPES.get(ord(c)) or (c if ord(c) > 127 or c.isprintable() else _octal(c)) for c in decoded
    )


def _octal(char: str) -> str:
    return f"\\{ord(char):03o}"
