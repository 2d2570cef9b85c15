"""The lexical grammar of protobuf's text format: blanks, tokens, and readers of scalar values.

The readers raise ValueError with half a sentence about the token; the parser adds the location.
"""

from __future__ import annotations

import math
import re
import struct
from functools import cache

# White space (Python's \s) and comments. No token contains a line break.
BLANK = r"(?:\s++|#[^\n]*+)*+"
WORD = r"[A-Za-z_][0-9A-Za-z_+\-]*+"
NUMBER = r"(?:[0-9+\-]|\.[0-9])[0-9A-Za-z_.+\-]*+"
STRING = r"""(?:"(?:[^"\\\n]++|\\[^\n])*+"|'(?:[^'\\\n]++|\\[^\n])*+')"""
# Adjacent literals are one string.
STRINGS = rf"{STRING}(?:{BLANK}{STRING})*+"


class TokenError(ValueError):
    """An unreadable value, with a hint."""

    def __init__(self, message: str, hint: str | None) -> None:
        super().__init__(message)
        self.hint = hint


# Compiles rarely used patterns on first use: compiling all takes longer than reading a small graph.
rare = cache(re.compile)

TOKEN = rf"{BLANK}({WORD}|{NUMBER}|{STRING}|\S|\Z)"
# Escapes that Python's unicode_escape decoder reads as protobuf does.
_PLAIN_ESCAPES = (
    r"[^\\]*+(?:\\(?:[abfnrtv\\'\"]|[0-3][0-7]{0,2}+|[4-7][0-7]?+(?![0-7])|x[0-9a-fA-F]{2})[^\\]*+)*+"
)
_ESCAPE = (
    rb"\\(?:([abfnrtv\\'\"?])|([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))"
)
_NAMED = dict(zip(b"abfnrtv\\'\"?", b"\a\b\f\n\r\t\v\\'\"?"))
_OCTAL = re.compile(r"(-?)0([0-9]+)")
_OCTAL_FLOAT = re.compile(r"-?0[0-9]")
_INFINITY = r"(?i:-?inf(?:inity)?f?)"
_NAN = r"(?i:-?nanf?)"
_BOOLS = {
    "true": True,
    "True": True,
    "t": True,
    "1": True,
    "false": False,
    "False": False,
    "f": False,
    "0": False,
}


def read_bytes(token: str) -> bytes:
    """Returns the bytes of one or more adjacent string literals. Raises ValueError."""
    if _is_plain(token):
        return token[1:-1].encode()
    return b"".join(_unescape(literal[1:-1]) for literal in _literals(token))


def read_string(token: str) -> str:
    """Returns the text of one or more adjacent string literals. Raises ValueError for bytes that are not UTF-8."""
    if _is_plain(token):
        return token[1:-1]
    try:
        return read_bytes(token).decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"expected UTF-8 text, but the string has the byte {error.object[error.start]:#x}"
        ) from None


def _is_plain(token: str) -> bool:
    """Returns True for a single literal without escapes. Raises ValueError for a token that is not a string."""
    if token[0] not in "\"'":
        raise ValueError(f"expected a string but found {shorten(token)}")
    return "\\" not in token and token.find(token[0], 1) == len(token) - 1


def _literals(token: str) -> list[str]:
    literals: list[str] = []
    position = 0
    while match := rare(STRING).match(token, position):
        literals.append(match[0])
        blank = rare(BLANK).match(token, match.end())
        position = blank.end() if blank else match.end()
    return literals


def _unescape(body: str) -> bytes:
    if "\\" not in body:
        return body.encode()
    if rare(_PLAIN_ESCAPES).fullmatch(body):
        return body.encode().decode("unicode_escape").encode("latin-1")
    return rare(_ESCAPE).sub(_escaped, body.encode())


def _escaped(match: re.Match[bytes]) -> bytes:
    named, octal, hexadecimal, short, long, _ = match.groups()
    if named:
        return bytes((_NAMED[named[0]],))
    code = int(octal, 8) if octal else int(hexadecimal or short or long or b"-1", 16)
    if (octal or hexadecimal) and code < 256:
        return bytes((code,))
    if (short or long) and code < 0x110000 and not 0xD800 <= code < 0xE000:
        return chr(code).encode()
    raise ValueError(f"unknown escape sequence {match[0].decode(errors='replace')}")


def integer_reader(low: int, high: int):
    """Returns a reader of integers from ``low`` to ``high``, decimal, octal or hexadecimal."""

    def read(token: str) -> int:
        octal = _OCTAL.fullmatch(token)
        try:
            value = int(f"{octal[1]}0o{octal[2]}" if octal else token, 0)
        except ValueError:
            raise ValueError(f"expected an integer but found {shorten(token)}") from None
        if not low <= value <= high:
            raise ValueError(f"{shorten(token)} is not between {low} and {high}")
        return value

    return read


def read_double(token: str) -> float:
    if _OCTAL_FLOAT.match(token):
        raise ValueError(f"expected a number but found {token}, which looks octal")
    try:
        value = float(token)
    except ValueError:
        value = _odd_float(token)
    # One shared NaN object: containers compare by identity first, so that equal graphs compare equal.
    return math.nan if value != value else value


def _odd_float(token: str) -> float:
    if rare(_INFINITY).fullmatch(token):
        return -math.inf if token[0] == "-" else math.inf
    if rare(_NAN).fullmatch(token):
        return math.nan
    try:
        return float(token.rstrip("fF"))
    except ValueError:
        raise ValueError(f"expected a number but found {shorten(token)}") from None


def read_float(token: str) -> float:
    return to_float32(read_double(token))


def to_float32(value: float) -> float:
    """Returns the nearest float32 value; an infinity beyond its range."""
    if value != value:
        return math.nan
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def read_bool(token: str) -> bool:
    try:
        return _BOOLS[token]
    except KeyError:
        raise ValueError(f"expected true or false but found {shorten(token)}") from None


def shorten(token: str) -> str:
    """Returns a token as error messages show it."""
    if not token:
        return "the end of the text"
    if token[0] in "\"'":
        return token if len(token) <= 40 else token[:37] + "..." + token[0]
    return repr(token if len(token) <= 40 else token[:37] + "...")
