"""Translates RE2's regular expressions, which TensorFlow uses, to Python's.

Most of the syntax is common. Differences are rewritten (``$`` and ``\\z``, classes such as ``[[:alpha:]]``,
``\\pN`` and ``\\Q…\\E``, flags within the pattern). Syntax that RE2 rejects is rejected: backreferences,
look-around, possessive repetition.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache

from ....graphfmt.errors import Status, TfgError, invalid

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
# The ranges of \d, \w and \s: ASCII, and without the vertical tab.
_PERL = {"d": "0-9", "w": "0-9A-Za-z_", "s": "\\t\\n\\f\\r "}
_EVERYTHING = f"\\x00-\\U{sys.maxunicode:08x}"


@lru_cache(maxsize=256)
def compile_re2(pattern: str) -> re.Pattern[str]:
    """A pattern in RE2's syntax. Raises INVALID_ARGUMENT where RE2 would not take it."""
    try:
        return re.compile(_Translator(pattern).run())
    except (re.error, RecursionError, OverflowError) as error:
        raise invalid(f"invalid regular expression {pattern!r}: {error}") from None


class _Translator:
    """One pass over the pattern. ``open_flags`` counts, per group that is open, the groups that stand for
    flags set inside it, and holds their text, because they end and begin anew at each alternative."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []
        self.open_flags: list[list[str]] = [[]]
        self.multiline = False
        self.repeated = ""

    def fail(self, what: str) -> TfgError:
        return invalid(f"invalid regular expression {self.pattern!r}: {what} at {self.at}")

    def run(self) -> str:
        while self.at < len(self.pattern):
            self.step()
        if len(self.open_flags) != 1:
            raise self.fail("missing )")
        return "".join(self.out) + ")" * len(self.open_flags[0])

    def take(self, text: str, length: int = 1) -> None:
        self.out.append(text)
        self.at += length
        self.repeated = ""

    def step(self) -> None:
        char = self.pattern[self.at]
        if char == "\\":
            self.escape()
        elif char == "[":
            self.bracket()
        elif char == "(":
            self.group()
        elif char == ")":
            if len(self.open_flags) == 1:
                raise self.fail("unexpected )")
            self.take(")" * (1 + len(self.open_flags.pop())))
        elif char == "|":
            flags = self.open_flags[-1]
            self.take(")" * len(flags) + "|" + "".join(flags))
        elif char == "$":
            self.take("$" if self.multiline else "\\Z")
        elif char in "*+?{":
            self.repetition(char)
        else:
            self.take(char)

    def repetition(self, char: str) -> None:
        found = re.compile(r"\{(\d+)(?:,(\d*))?\}|[*+?]").match(self.pattern, self.at)
        if found is None:
            self.take("\\{")
            return
        if any(int(n) > 1000 for n in found.groups() if n):
            raise self.fail("repetition of more than 1000")
        if self.repeated and not (
            char == "?" and not self.repeated.endswith("??") and self.repeated != "lazy"
        ):
            raise self.fail("bad repetition operator")
        again = "lazy" if self.repeated else found[0]
        self.take(found[0], len(found[0]))
        self.repeated = again

    def group(self) -> None:
        rest = self.pattern[self.at :]
        if not rest.startswith("(?"):
            self.open_flags.append([])
            self.take("(")
            return
        named = re.match(r"\(\?P?<(\w+)>", rest)
        flags = re.match(r"\(\?([imsU]*(?:-[imsU]+)?)([:)])", rest)
        if named:
            self.open_flags.append([])
            self.take(f"(?P<{named[1]}>", len(named[0]))
        elif flags:
            self.set_flags(flags[1], flags[2], len(flags[0]))
        else:
            raise self.fail("invalid perl operator")

    def set_flags(self, flags: str, end: str, length: int) -> None:
        if "U" in flags:
            raise TfgError(Status.UNIMPLEMENTED, f"the flag U of {self.pattern!r} is not supported")
        if "m" in flags:
            self.multiline = "m" in flags.split("-")[0]
        if end == ":":
            self.open_flags.append([])
            self.take(f"(?{flags}:", length)
        elif flags:
            self.open_flags[-1].append(f"(?{flags}:")
            self.take(f"(?{flags}:", length)
        else:
            self.take("", length)

    def escape(self) -> None:
        if self.at + 1 >= len(self.pattern):
            raise self.fail("trailing \\")
        char = self.pattern[self.at + 1]
        if char == "Q":
            end = self.pattern.find("\\E", self.at)
            stop = len(self.pattern) if end < 0 else end
            text = re.escape(self.pattern[self.at + 2 : stop])
            self.take(text, min(stop + 2, len(self.pattern)) - self.at)
        elif char == "z":
            self.take("\\Z", 2)
        elif char == "A":
            self.take("\\A", 2)
        elif char in "bB":
            self.take(f"(?a:\\{char})", 2)
        elif char == "C":
            raise TfgError(Status.UNIMPLEMENTED, f"\\C in {self.pattern!r} is not supported")
        else:
            ranges, length, negated = self.class_escape(self.at)
            single = len(ranges) == 1 or (ranges.startswith("\\") and "-" not in ranges[1:] and not negated)
            self.take(ranges if single and char not in "dwspP" else f"[{'^' * negated}{ranges}]", length)

    def class_escape(self, at: int) -> tuple[str, int, bool]:
        """Parses an escape: returns its characters as the inside of a class, its length, and True if it is
        negated."""
        char = self.pattern[at + 1 : at + 2]
        if char.lower() in _PERL and char:
            return _PERL[char.lower()], 2, char.isupper()
        if char in "pP" and char:
            found = re.compile(r"\\[pP](?:\{(\^?)(\w+)\}|([A-Z]))").match(self.pattern, at)
            if found is None:
                raise self.fail("invalid character class")
            negated = (char == "P") != bool(found[1])
            return _category(found[2] or found[3]), len(found[0]), negated
        number = re.compile(
            r"\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2}))"
        ).match(self.pattern, at)
        if number:
            code = int(number[3], 8) if number[3] else int(number[1] or number[2], 16)
            if code > sys.maxunicode:
                raise self.fail("invalid escape sequence")
            return f"\\U{code:08x}", len(number[0]), False
        if char in "ntrfva" and char:
            return "\\" + char, 2, False
        if char and (ord(char) < 128 and not char.isalnum()):
            return "\\" + char, 2, False
        raise self.fail("invalid escape sequence")

    def bracket(self) -> None:
        found = ["["]
        position = self.at + 1
        if self.pattern.startswith("^", position):
            found.append("^")
            position += 1
        first = True
        while True:
            char = self.pattern[position : position + 1]
            if not char:
                raise self.fail("missing ]")
            if char == "]" and not first:
                break
            text, length = self.class_item(position, char)
            if text == "-" and (first or found[-1] == "-"):
                # Python reserves -- within classes for set differences.
                text = "\\-"
            found.append(text)
            position += length
            first = False
        self.take("".join(found) + "]", position + 1 - self.at)

    def class_item(self, position: int, char: str) -> tuple[str, int]:
        posix = re.compile(r"\[:(\^?)(\w+):\]").match(self.pattern, position)
        if posix:
            if posix[2] not in _POSIX:
                raise self.fail("invalid character class range")
            ranges = _POSIX[posix[2]]
            return _others(ranges) if posix[1] else ranges, len(posix[0])
        if char == "\\":
            ranges, length, negated = self.class_escape(position)
            return _others(ranges) if negated else ranges, length
        return ("\\" + char if char in "[]&~|" else char), 1


@lru_cache(maxsize=64)
def _others(ranges: str) -> str:
    """Returns the ranges of all characters outside of these ranges."""
    return _ranges(re.compile(f"[^{ranges}]"))


def _ranges(wanted: re.Pattern[str]) -> str:
    text = "".join(map(chr, range(sys.maxunicode + 1)))
    runs = re.finditer(f"(?:{wanted.pattern})+", text)
    return "".join(f"\\U{m.start():08x}-\\U{m.end() - 1:08x}" for m in runs)


@lru_cache(maxsize=64)
def _category(name: str) -> str:
    """Returns the ranges of a Unicode general category, such as L or Nd. Raises UNIMPLEMENTED for other classes."""
    if name == "Any":
        return _EVERYTHING
    starts: list[str] = []
    first = -1
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code)).startswith(name)
        if inside and first < 0:
            first = code
        elif not inside and first >= 0:
            starts.append(f"\\U{first:08x}-\\U{code - 1:08x}")
            first = -1
    if not starts:
        raise TfgError(Status.UNIMPLEMENTED, f"the class \\p{{{name}}} is not supported")
    return "".join(starts)
