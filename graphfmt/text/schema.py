"""Message types as the text parser needs them, compiled from the plain table in proto/fields.py.

A schema is compiled in one place for all its messages (``reader`` for graphs): the builders of objects and special
readers of fields are passed in, and nothing is changed afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import dtypes
from ..errors import TfgError
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
    from ..proto.builders import Tree

# Turns the finished tree of a message into the object that stands for it.
Builder = Callable[["Tree"], Any]
# Reads the text of a scalar. Raises ValueError with half a sentence about the token.
Reader = Callable[[str], Any]

_I32, _I64 = (-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1)
_U32, _U64 = (0, 2**32 - 1), (0, 2**64 - 1)

# Reader and default of each scalar type.
_SCALARS: Mapping[str, tuple[Reader, Any]] = {
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
    """A field of a message type. Exactly one of ``read`` (the reader of a scalar) and ``message`` is set."""

    __slots__ = (
        "_can_run",
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

    def __init__(
        self, name: str, kind: str, label: str, oneof: str, message: MessageType | None, reader: Reader | None
    ) -> None:
        self.name = name
        self.repeated = label in ("map", "repeated")
        self.is_map = label == "map"
        self.oneof = oneof
        # Explicit presence: setting the default value differs from leaving the field out.
        self.is_explicit = bool(oneof) or label == "optional"
        self.message = message
        self.read: Reader | None = None
        self.default: Any = None
        self._run: re.Pattern[str] | None = None
        self._can_run = self.repeated and kind in _SCALARS and kind not in ("string", "bytes")
        if message is None:
            read, self.default = _SCALARS[kind] if kind in _SCALARS else (_enum_reader(kind), 0)
            self.read = reader or read

    @property
    def run(self) -> re.Pattern[str] | None:
        """A pattern of many conventional lines of a repeated number; None for other fields. Compiled on first use."""
        if self._run is None and self._can_run:
            self._run = re.compile(rf"(?:\s++{self.name}: [0-9A-Za-z_.+\-]++(?=\s))++")
        return self._run

    def empty(self) -> Any:
        """Returns the field's value in a map entry that does not set it."""
        return self.default if self.message is None else self.message.finish({"": 0})


class MessageType:
    """A message type. ``is_opaque`` messages are skipped by the parser."""

    def __init__(self, name: str, build: Builder | None) -> None:
        self.name = name
        self.fields: dict[str, Field] = {}
        self.is_opaque = name == "SavedObjectGraph"
        self._build = build

    def finish(self, tree: Tree) -> Any:
        """Returns the object that stands for a finished tree; the tree itself if the type has no builder."""
        return tree if self._build is None else self._build(tree)


Schema = Mapping[str, MessageType]


def compile_schema(
    root: str, builders: Mapping[str, Builder], readers: Mapping[tuple[str, str], Reader] | None = None
) -> Schema:
    """Compiles a message type and all types that its fields refer to.

    Args:
        root: The name of the outermost message type.
        builders: The builders of objects by message type; a message without one stays a tree.
        readers: Readers of scalar fields, by message type and field, in place of the field type's own.
    """
    names = _reachable(root)
    schema = {name: MessageType(name, builders.get(name)) for name in names}
    for name in names:
        for field, (kind, label, oneof) in MESSAGES[name].items():
            reader = readers.get((name, field)) if readers else None
            schema[name].fields[field] = Field(field, kind, label, oneof, schema.get(kind), reader)
    return schema


def _reachable(root: str) -> list[str]:
    """Returns the message types that a root refers to, itself first."""
    names = {root: None}
    pending = [root]
    while pending:
        kinds = [kind for kind, _, _ in MESSAGES[pending.pop()].values()]
        added = [kind for kind in dict.fromkeys(kinds) if kind in MESSAGES and kind not in names]
        names.update(dict.fromkeys(added))
        pending += added
    return list(names)


def _dtype_hint(token: str) -> str | None:
    """Returns the hint for a dtype that is called as in Python: ``float32``."""
    try:
        return f"did you mean {dtypes.parse(token.lower()).enum_name!r}?"
    except TfgError:
        return None


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
            hint = _dtype_hint(token) if kind == "DataType" else None
            raise TokenError(what, hint or did_you_mean(token, numbers)) from None
        if not _I32[0] <= number <= _I32[1]:
            raise ValueError(f"{shorten(token)} is not between {_I32[0]} and {_I32[1]}")
        return number

    return read
