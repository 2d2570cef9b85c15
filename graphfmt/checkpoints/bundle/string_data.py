"""String tensors in the data files of bundles: all lengths as varints, a checksum of the lengths, all bytes.

The checksum covers the lengths in the writer's byte order, as 4 bytes, or 8 for lengths that need them. Source:
TensorFlow's tensor_bundle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import invalid
from ...proto.varints import varint_bytes
from ..checksums import masked, unmasked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...tensors import Array

_SHORT = 1 << 32
_CHECKSUM = 4
_MAX_VARINT_BYTES = 10
_BATCH = 1 << 20


def strings_from(content: bytes, count: int, order: str) -> tuple[list[bytes], int]:
    """Decodes ``count`` strings; returns them and the checksum of the tensor.

    ``order`` is the writer's byte order, ``<`` or ``>``. Raises ValueError for malformed bytes.
    """
    import google_crc32c

    lengths, position = _lengths(content, count)
    crc = google_crc32c.value(_length_bytes(lengths, order))
    stated = content[position : position + _CHECKSUM]
    if unmasked(int(np.frombuffer(stated, order + "u4")[0])) != crc:
        raise ValueError("the lengths of its strings do not match their checksum")
    position += _CHECKSUM
    if position + sum(lengths) != len(content):
        raise ValueError(f"its strings have {sum(lengths)} bytes, but {len(content) - position} are there")
    crc = google_crc32c.extend(google_crc32c.extend(crc, stated), content[position:])
    strings: list[bytes] = []
    for length in lengths:
        strings.append(content[position : position + length])
        position += length
    return strings, crc


def _lengths(content: bytes, count: int) -> tuple[list[int], int]:
    """Decodes the lengths at the start; returns them and the position after them."""
    head = np.frombuffer(content, np.uint8)[: count * _MAX_VARINT_BYTES]
    last = np.flatnonzero(head < 0x80)[:count]
    if last.size < count or len(content) < (end := int(last[-1]) + 1 if count else 0) + _CHECKSUM:
        raise ValueError("it ends within the lengths of its strings")
    first = np.concatenate([[0], last[:-1] + 1])[:count]
    if np.any(last - first >= _MAX_VARINT_BYTES):
        raise ValueError("the length of a string is malformed")
    if not count:
        return [], 0
    shifts = (np.arange(end) - np.repeat(first, last - first + 1)) * 7
    parts = (head[:end].astype(np.uint64) & np.uint64(0x7F)) << shifts.astype(np.uint64)
    return [int(length) for length in np.add.reduceat(parts, first)], end


def _length_bytes(lengths: list[int], order: str) -> bytes:
    if max(lengths, default=0) < _SHORT:
        return np.array(lengths, order + "u4").tobytes()
    return b"".join(
        np.array(length, order + ("u4" if length < _SHORT else "u8")).tobytes() for length in lengths
    )


def string_pieces(array: Array) -> Iterator[tuple[bytes, int]]:
    """Encodes a string tensor; yields pieces with the checksum of all bytes so far.

    Raises INVALID_ARGUMENT for an element that is not a string.
    """
    import google_crc32c

    strings = [_as_bytes(element) for element in array.ravel().tolist()]
    lengths = [len(text) for text in strings]
    crc = google_crc32c.value(_length_bytes(lengths, "<"))
    stated = masked(crc).to_bytes(_CHECKSUM, "little")
    head = bytes(lengths) if max(lengths, default=0) < 0x80 else b"".join(map(varint_bytes, lengths))
    crc = google_crc32c.extend(crc, stated)
    yield head + stated, crc
    for batch in _batches(strings):
        crc = google_crc32c.extend(crc, batch)
        yield batch, crc


def _batches(strings: list[bytes]) -> Iterator[bytes]:
    """Yields the concatenated strings in pieces of about ``_BATCH`` bytes."""
    batch: list[bytes] = []
    size = 0
    for text in strings:
        batch.append(text)
        size += len(text)
        if size >= _BATCH:
            yield b"".join(batch)
            batch, size = [], 0
    yield b"".join(batch)


def _as_bytes(element: object) -> bytes:
    if isinstance(element, str):
        return element.encode("utf-8", "surrogateescape")
    if isinstance(element, bytes):
        return element
    raise invalid(f"a checkpoint cannot hold {type(element).__name__} objects: only numbers and strings")
