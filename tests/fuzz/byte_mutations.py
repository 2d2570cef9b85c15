"""Small changes to bytes and to text."""

from __future__ import annotations

import re
from random import Random

_NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"4294967296",
    b"1e400",
    b"nan",
    b"9" * 25,
)
_TOKENS = (
    b"{",
    b"}",
    b'"',
    b":",
    b"^",
    b"\n",
    b"node",
    b"attr",
    b"DT_FLOAT_REF",
    b"DT_RESOURCE",
    b"[",
    b"#",
    b"\\",
)
_WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9]*|-?\d+")


def mutate(rng: Random, data: bytes, *, is_text: bool) -> bytes:
    """Returns the bytes with one to four small changes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if is_text and rng.random() < 0.7:
            changed = _change_word(rng, changed)
        elif changed:
            _change_bytes(rng, changed)
    return bytes(changed)


def _change_word(rng: Random, data: bytearray) -> bytearray:
    words = list(_WORD.finditer(bytes(data)))
    if not words:
        return data
    word = rng.choice(words)
    match rng.randrange(5):
        case 0:
            new = rng.choice(words)[0]
        case 1:
            new = b""
        case 2:
            new = rng.choice(_TOKENS)
        case 3:
            new = word[0] + b" " + word[0]
        case _:
            new = rng.choice(_NUMBERS)
    return data[: word.start()] + new + data[word.end() :]


def _change_bytes(rng: Random, data: bytearray) -> None:
    place = rng.randrange(len(data))
    length = rng.choice((1, 1, 2, 4, 8, 32))
    match rng.randrange(7):
        case 0:
            data[place] ^= 1 << rng.randrange(8)
        case 1:
            data[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        case 2:
            del data[place : place + length]
        case 3:
            data[place:place] = data[place : place + length]
        case 4:
            del data[place:]
        case 5:
            data[place : place + length] = bytes([rng.choice((0, 0xFF))]) * length
        case _:
            source = rng.randrange(len(data))
            data[place : place + length] = data[source : source + length]
