"""RegexReplace and RegexFullMatch with their static versions (regex_replace_op.cc, regex_full_match_op.cc
in TensorFlow)."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import decode, encode, map_strings, string_array
from .regex import compile_re2

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _scalar_arguments(c: ShapeContext) -> Shape:
    for shape in c.inputs()[1:]:
        if shape.rank not in (None, 0):
            raise invalid(f"pattern and rewrite must be scalars, but one has shape {shape}")
    return c.input(0)


def _scalar(name: str, value: Any) -> bytes:
    array = string_array(value)
    if array.ndim:
        raise invalid(f"{name} must be a scalar, but has shape {Shape(array.shape)}")
    return array[()]


regex_replace = op(
    "RegexReplace(input: string, pattern: string, rewrite: string; replace_global: bool = true) -> "
    "(output: string)",
    shape=_scalar_arguments,
    differentiable=False,
    allocates_output=True,
)


@regex_replace.kernel
def _(xp: Any, text: Any, pattern: Any, rewrite: Any, *, replace_global: bool) -> Any:
    return _replaced(text, _scalar("pattern", pattern), _scalar("rewrite", rewrite), replace_global)


static_regex_replace = op(
    "StaticRegexReplace(input: string; pattern: string, rewrite: string, replace_global: bool = true) -> "
    "(output: string)",
    shape=shapes.like_input,
    allocates_output=True,
)


@static_regex_replace.kernel
def _(xp: Any, text: Any, *, pattern: str, rewrite: str, replace_global: bool) -> Any:
    return _replaced(text, encode(pattern), encode(rewrite), replace_global)


regex_full_match = op(
    "RegexFullMatch(input: string, pattern: string) -> (output: bool)",
    shape=_scalar_arguments,
    allocates_output=True,
)


@regex_full_match.kernel
def _(xp: Any, text: Any, pattern: Any) -> Any:
    return _matched(text, _scalar("pattern", pattern))


static_regex_full_match = op(
    "StaticRegexFullMatch(input: string; pattern: string) -> (output: bool)",
    shape=shapes.like_input,
    allocates_output=True,
)


@static_regex_full_match.kernel
def _(xp: Any, text: Any, *, pattern: str) -> Any:
    return _matched(text, encode(pattern))


def _matched(text: Any, pattern: bytes) -> Any:
    fits = compile_re2(pattern).fullmatch
    return map_strings(lambda item: fits(item) is not None, text, bool)


def _replaced(text: Any, pattern: bytes, rewrite: bytes, everywhere: bool) -> Any:
    matcher = compile_re2(pattern)
    parts = _rewrite_parts(rewrite)
    if any(isinstance(part, int) and part > matcher.groups for part in parts):
        # TensorFlow leaves the strings unchanged if the rewrite refers to a missing group.
        return map_strings(lambda item: item, text)
    return map_strings(_replacer(matcher, parts, everywhere), text)


def _replacer(matcher: Any, parts: list[bytes | int], everywhere: bool) -> Callable[[bytes], bytes]:
    def replace(text: bytes) -> bytes:
        found: list[bytes] = []
        end, last = 0, -1
        inside = _inside_characters(text)
        for match in matcher.finditer(text):
            # RE2 skips an empty match at the end of the match before, and goes on by whole characters.
            if match.start() == match.end() and (match.end() == last or match.end() in inside):
                continue
            found.append(text[end : match.start()])
            found.extend(part if isinstance(part, bytes) else match[part] or b"" for part in parts)
            end = last = match.end()
            if not everywhere:
                break
        return b"".join(found) + text[end:]

    return replace


def _inside_characters(text: bytes) -> Collection[int]:
    """The positions in UTF-8 text that are not at the start of a character; a byte that is no UTF-8 counts as one."""
    if text.isascii():
        return ()
    sizes = [len(encode(char)) for char in decode(text)]
    return set(range(len(text))).difference(accumulate(sizes, initial=0))


def _rewrite_parts(rewrite: bytes) -> list[bytes | int]:
    r"""Splits a rewrite into texts and group numbers. Raises INVALID_ARGUMENT unless every backslash is
    followed by a digit or a backslash."""
    parts: list[bytes | int] = []
    for piece in re.findall(rb"\\.?|[^\\]+", rewrite, re.DOTALL):
        if piece[:1] != b"\\":
            parts.append(piece)
        elif piece[1:] == b"\\":
            parts.append(b"\\")
        elif piece[1:].isascii() and piece[1:].isdigit():
            parts.append(int(piece[1:]))
        else:
            raise invalid(
                f"rewrite {decode(rewrite)!r} has {decode(piece)!r}: a backslash needs a digit or a backslash after it"
            )
    return parts
