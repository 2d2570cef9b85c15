"""The messages that graph text may hold, compiled for the parser from the plain table in schema/fields.py."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ..names import did_you_mean
from ..proto.fields import ENUMS, MESSAGES
from .tokens import (
    TokenError,
    integer_reader,
    read_bool,
    read_bytes,
    read_double,
    read_float,
    read_string,
    shorten,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Tree = dict[str, Any]

_I32, _I64 = (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1)
_U32, _U64 = (0, 2**32 - 1), (0, 2**64 - 1)

# Reader and default of each scalar type.
_SCALARS: Mapping[str, tuple[Callable[[str], Any], Any]] = {
    "double": (read_double, 0.0),
    "float": (read_float, 0.0),
    "int64": (integer_reader(*_I64), 0),
    "sint64": (integer_reader(*_I64), 0),
    "uint64": (integer_reader(*_U64), 0),
    "fixed64": (integer_reader(*_U64), 0),
    "int32": (integer_reader(*_I32), 0),
    "uint32": (integer_reader(*_U32), 0),
    "bool": (read_bool, False),
    "string": (read_string, ""),
    "bytes": (read_bytes, b""),
}


class Field:
    """A field. Exactly one of ``read`` (a scalar's reader) and ``message`` is there."""

    __slots__ = (
        "_may_run",
        "_run",
        "default",
        "is_explicit",
        "is_map",
        "message",
        "name",
        "oneof",
        "read",
        "repeated",
    )

    def __init__(self, name: str, kind: str, label: str, oneof: str) -> None:
        self.name = name
        self.repeated = label in ("map", "repeated")
        self.is_map = label == "map"
        self.oneof = oneof
        # Whether giving it the default value differs from not giving it.
        self.is_explicit = bool(oneof) or label == "optional"
        self.message = message(kind) if kind in MESSAGES else None
        self.read: Callable[[str], Any] | None = None
        self.default: Any = None
        self._run: re.Pattern[str] | None = None
        self._may_run = self.repeated and kind in _SCALARS and kind not in ("string", "bytes")
        if self.message is None:
            self.read, self.default = _SCALARS[kind] if kind in _SCALARS else (_enum_reader(kind), 0)

    @property
    def run(self) -> re.Pattern[str] | None:
        """Recognises many conventional lines of a repeated number at once; compiled when first used."""
        if self._run is None and self._may_run:
            self._run = re.compile(rf"(?:\s++{self.name}: [0-9A-Za-z_.+\-]++(?=\s))++")
        return self._run

    def empty(self) -> Any:
        """What a map entry holds that does not state this field."""
        return self.default if self.message is None else self.message.finish({"": 0})


class Message:
    """A message type. ``build`` turns its finished tree into the object that stands for it, if one does.

    A tree maps fields to values, lists of values, or for a map to a dict; under "" it has the offset at which
    the message begins.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.build: Callable[[Tree], Any] | None = None
        self.fields: dict[str, Field] = {}
        self.is_opaque = name == "SavedObjectGraph"

    def finish(self, tree: Tree) -> Any:
        return tree if self.build is None else self.build(tree)


@cache
def message(name: str) -> Message:
    """The message type of that name."""
    return Message(name)


def _enum_reader(kind: str) -> Callable[[str], int]:
    numbers = ENUMS[kind]

    def read(token: str) -> int:
        try:
            return numbers[token]
        except KeyError:
            pass
        try:
            number = int(token, 0)
        except ValueError:
            what = f"expected a value of {kind} but found {shorten(token)}"
            raise TokenError(what, did_you_mean(token, numbers)) from None
        if not _I32[0] <= number <= _I32[1]:
            raise ValueError(f"{shorten(token)} is not between {_I32[0]} and {_I32[1]}")
        return number

    return read


def _link() -> None:
    for name, rows in MESSAGES.items():
        target = message(name)
        for field, row in rows.items():
            target.fields[field] = Field(field, *row)


_link()
