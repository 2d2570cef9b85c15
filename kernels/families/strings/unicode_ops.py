"""Unicode: decoding, encoding and transcoding (unicode_ops.cc in TensorFlow). Python's codecs take the place of ICU's
converters; both replace each maximal malformed part once."""

from __future__ import annotations

import codecs
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import array_of, map_strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_ERRORS = (
    "errors: string in {'strict', 'replace', 'ignore'} = \"replace\", replacement_char: int = 65533, "
    "replace_control_characters: bool = false"
)
_OUTPUTS = "{'UTF-8', 'UTF-16-BE', 'UTF-32-BE'}"
_LAST = 0x10FFFF
_FIRST_PRINTABLE = 0x20


class _Policy(NamedTuple):
    """The treatment of malformed input, and of control characters."""

    errors: str
    replacement: int
    replaces_controls: bool

    def check(self) -> None:
        if not 0 <= self.replacement <= _LAST:
            raise invalid(f"replacement_char out of unicode codepoint range: {self.replacement}")

    def characters(self, data: bytes, codec: str) -> Iterator[tuple[int, int]]:
        """Yields the code points of a text, each with the byte at which it starts."""
        position = 0
        while position < len(data):
            try:
                text, end, fault = data[position:].decode(codec), len(data), None
            except UnicodeDecodeError as error:
                fault = error
                text, end = data[position : position + error.start].decode(codec), position + error.start
            for character in text:
                yield self._shown(ord(character)), position
                position += len(character.encode(codec, "surrogatepass"))
            if fault is None:
                return
            if self.errors == "strict":
                raise invalid(f"Invalid formatting on input string {data[:40]!r}")
            if self.errors == "replace":
                yield self.replacement, end
            position = end + max(1, fault.end - fault.start)

    def _shown(self, point: int) -> int:
        return self.replacement if self.replaces_controls and point < _FIRST_PRINTABLE else point


def _codec(name: str) -> str:
    try:
        info = codecs.lookup(name)
    except LookupError:
        raise invalid(f"Could not create converter for input encoding: {name}") from None
    if not info._is_text_encoding:  # type: ignore[attr-defined]
        raise invalid(f"Could not create converter for input encoding: {name}")
    # Of encodings with a byte order mark, the order without one is the first.
    return {"utf-16": "utf-16-be", "utf-32": "utf-32-be"}.get(info.name, info.name)


transcode = op(
    f"UnicodeTranscode(input: string; input_encoding: string, output_encoding: string in {_OUTPUTS}, {_ERRORS}) -> "
    "(output: string)",
    shape=shapes.like_input,
)


@transcode.kernel
def _(
    xp: Any, input: Any, *, input_encoding: str, output_encoding: str, errors: str, replacement_char: int,
    replace_control_characters: bool,
) -> Any:  # fmt: skip
    policy = _Policy(errors, replacement_char, replace_control_characters)
    policy.check()
    codec = _codec(input_encoding)

    def transcoded(data: Any) -> bytes:
        return _encoded((point for point, _ in policy.characters(data, codec)), output_encoding)

    return map_strings(transcoded, input)


def _encoded(points: Any, encoding: str) -> bytes:
    return "".join(map(chr, points)).encode(encoding, "surrogatepass")


def _decoded_shapes(c: ShapeContext) -> list[Shape]:
    size = c.input("input").size
    splits = Shape((None if size is None else size + 1,))
    return [splits, *[Shape((None,))] * (len(c.bound.output_types) - 1)]


def _decode(input: Any, input_encoding: str, policy: _Policy, splits_dtype: DType) -> tuple[Any, Any, Any]:
    policy.check()
    codec = _codec(input_encoding)
    texts = [input] if isinstance(input, bytes) else input.reshape(-1).tolist()
    points: list[int] = []
    starts: list[int] = []
    splits = [0]
    for text in texts:
        for point, start in policy.characters(text, codec):
            points.append(point)
            starts.append(start)
        splits.append(len(points))
    return (
        np.array(splits, splits_dtype.numpy),
        np.array(points, np.int64).astype(np.int32),
        np.array(starts, np.int64),
    )


decode = op(
    f"UnicodeDecode(input: string; input_encoding: string, {_ERRORS}, Tsplits: type in {{int32, int64}} = int64) -> "
    "(row_splits: Tsplits, char_values: int32)",
    shape=_decoded_shapes,
)


@decode.kernel
def _(
    xp: Any, input: Any, *, input_encoding: str, errors: str, replacement_char: int, replace_control_characters: bool,
    Tsplits: DType,
) -> Any:  # fmt: skip
    policy = _Policy(errors, replacement_char, replace_control_characters)
    return _decode(input, input_encoding, policy, Tsplits)[:2]


decode_with_offsets = op(
    f"UnicodeDecodeWithOffsets(input: string; input_encoding: string, {_ERRORS}, "
    "Tsplits: type in {int32, int64} = int64) -> (row_splits: Tsplits, char_values: int32, char_to_byte_starts: int64)",
    shape=_decoded_shapes,
)


@decode_with_offsets.kernel
def _(
    xp: Any, input: Any, *, input_encoding: str, errors: str, replacement_char: int, replace_control_characters: bool,
    Tsplits: DType,
) -> Any:  # fmt: skip
    policy = _Policy(errors, replacement_char, replace_control_characters)
    return _decode(input, input_encoding, policy, Tsplits)


def _encoded_shape(c: ShapeContext) -> Shape:
    size = c.with_rank("input_splits", 1)[0]
    return Shape((None if size is None else max(size - 1, 0),))


encode = op(
    "UnicodeEncode(input_values: int32, input_splits: Tsplits; "
    "errors: string in {'ignore', 'replace', 'strict'} = \"replace\", "
    f"output_encoding: string in {_OUTPUTS}, replacement_char: int = 65533, "
    "Tsplits: type in {int32, int64} = int64) -> (output: string)",
    shape=_encoded_shape,
)


@encode.kernel
def _(
    xp: Any, input_values: Any, input_splits: Any, *, errors: str, output_encoding: str, replacement_char: int
) -> Any:
    _Policy(errors, replacement_char, False).check()
    if input_values.ndim != 1 or input_splits.ndim != 1 or not input_splits.size:
        raise invalid("input_values and input_splits must be vectors, and input_splits must not be empty")
    splits: list[int] = input_splits.tolist()
    if splits[0] != 0 or splits[-1] != input_values.size or any(a > b for a, b in itertools.pairwise(splits)):
        raise invalid(f"Invalid split value in ragged tensor: {splits[:8]} for {input_values.size} values")
    points: list[int] = input_values.tolist()
    valid = [_checked(point, errors, replacement_char) for point in points]
    texts = [
        _encoded((p for p in valid[a:b] if p >= 0), output_encoding) for a, b in itertools.pairwise(splits)
    ]
    return array_of((len(texts),), texts)


def _checked(point: int, errors: str, replacement: int) -> int:
    """Returns a code point, or what takes the place of one that is no character; -1 to leave it out."""
    if 0 <= point <= _LAST and not 0xD800 <= point <= 0xDFFF:
        return point
    if errors == "strict":
        raise invalid("Code point is out of range for Unicode, or a noncharacter.")
    return replacement if errors == "replace" else -1
