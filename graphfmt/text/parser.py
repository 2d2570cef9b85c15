"""A parser of protobuf text that keeps source offsets.

It builds a tree of plain dicts, or the object that a message type's builder makes of the tree. It has its own stack,
so that only ``MAX_DEPTH`` limits the nesting. One regular expression matches a whole field at a time; where it does
not match, ``diagnostics`` reads the text token by token to report the fault.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import TfgError, invalid
from .tokens import BLANK, NUMBER, STRINGS, TOKEN, WORD, rare, shorten

if TYPE_CHECKING:
    from ..proto.builders import Tree
    from .schema import Field, MessageType
    from .source import SourceText

# The depth to which protobuf reads binary messages.
MAX_DEPTH = 100

_CLOSERS = {"{": "}", "<": ">"}
_VALUE = rf"{WORD}|{NUMBER}|{STRINGS}"
_SEPARATOR = rf"(?:{BLANK}([,;]))?+"
_FIELD = re.compile(
    rf"{BLANK}(?:({WORD}){BLANK}(:?){BLANK}(?:({_VALUE}){_SEPARATOR}|([{{<\[]))|([}}>]){_SEPARATOR}|\Z)"
)
_NAME, _TOKEN, _OPENER = 1, 3, 5
_ITEM = re.compile(rf"{BLANK}({_VALUE}){BLANK}([,\]])")
_RUN_VALUE = re.compile(r": (\S+)")
_END_OF_LIST = re.compile(rf"{BLANK}\]{_SEPARATOR}")
_AFTER = re.compile(_SEPARATOR)

# Reads a conventionally written message: takes the text, the offset after the opening brace and the offset of the
# field; returns the object and the offset after the closing brace, or None to decline.
Shortcut = Callable[[str, int, int], "tuple[Any, int] | None"]


class _OpenMessage:
    """A message being read: its type, its fields so far, and its closing bracket. ``owner`` is its field."""

    __slots__ = ("closer", "in_list", "message", "owner", "start", "tree")

    def __init__(
        self, message: MessageType, start: int, closer: str, owner: Field | None, in_list: bool
    ) -> None:
        self.message = message
        self.tree: Tree = {"": start}
        self.start = start
        self.closer = closer
        self.owner = owner
        self.in_list = in_list


class Parser:
    """Parses one text. ``shortcuts`` map message types to faster readers, which are tried first."""

    def __init__(
        self, source: SourceText, shortcuts: Mapping[str, Shortcut] | None = None, depth: int = 0
    ) -> None:
        self._source = source
        self._text = source.text
        self._shortcuts = shortcuts or {}
        self._max_depth = MAX_DEPTH - depth

    def parse(self, message: MessageType, position: int = 0, closer: str | None = None) -> tuple[Any, int]:
        """Parses a message from an offset to its closing bracket (None: the end of the text).

        Returns the message's object and the offset after the bracket. Raises INVALID_ARGUMENT with the location of
        the offending token.
        """
        text, match_field = self._text, _FIELD.match
        current = _OpenMessage(message, position, closer or "", None, False)
        stack = [current]
        while True:
            match = match_field(text, position)
            if match is None:
                self._explain(current, position)
            name, colon, token, _, _, bracket, _ = match.groups()
            if token is not None:
                field = current.message.fields.get(name)
                if field is None or field.read is None or not colon:
                    self._explain(current, position)
                try:
                    value = field.read(token)
                except (ValueError, UnicodeEncodeError) as error:
                    self._fail(str(error), match.start(_TOKEN), getattr(error, "hint", None))
                if field.repeated:
                    values = current.tree.setdefault(name, [])
                    values.append(value)
                    if len(values) >= 3 and field.run:
                        position = self._read_run(field, values, match.end())
                        continue
                else:
                    if name in current.tree or field.oneof:
                        self._check_single(current, field, match.start(_NAME))
                    current.tree[name] = value
                position = match.end()
            elif name is not None:
                position = self._begin(stack, match)
                current = stack[-1]
            elif (bracket or "") != current.closer:
                self._explain(current, position)
            else:
                value = self._finish(current)
                stack.pop()
                if not stack:
                    return value, match.end()
                position = self._end(stack, current, value, match)
                current = stack[-1]

    def _begin(self, stack: list[_OpenMessage], match: re.Match[str]) -> int:
        """Pushes a message; a list of scalars or a conventional message is read at once. Returns the next offset."""
        current = stack[-1]
        name, colon, opener = match[_NAME], match[2], match[_OPENER]
        start, position = match.start(_NAME), match.end()
        field = current.message.fields.get(name)
        if field is None or (field.read and opener != "["):
            self._explain(current, match.start())
        if opener == "[":
            if not field.repeated:
                self._fail(
                    f"expected one value, because {name!r} is not repeated, but found '['", position - 1
                )
            if field.read:
                if not colon:
                    self._fail("expected ':' but found '['", position - 1)
                return self._read_list(field, current.tree, position)
            empty = _END_OF_LIST.match(self._text, position)
            if empty:
                return empty.end()
            return self._enter(stack, field, position)
        if not field.repeated and (name in current.tree or field.oneof):
            self._check_single(current, field, start)
        assert field.message is not None
        if field.message.is_opaque:
            return self._skip_message(match.start(_OPENER))
        shortcut = self._shortcuts.get(field.message.name)
        if shortcut and opener == "{":
            read = shortcut(self._text, position, start)
            if read:
                _store(current.tree, field, read[0])
                return self._skip_separator(read[1])
        self._push(stack, field, start, opener, False)
        return position

    def _push(self, stack: list[_OpenMessage], field: Field, start: int, opener: str, in_list: bool) -> None:
        if len(stack) >= self._max_depth:
            self._fail(f"messages are nested more than {MAX_DEPTH} deep", start)
        assert field.message is not None
        stack.append(_OpenMessage(field.message, start, _CLOSERS[opener], field, in_list))

    def _enter(self, stack: list[_OpenMessage], field: Field, position: int) -> int:
        """Pushes the next message of a list."""
        match = rare(TOKEN).match(self._text, position)
        assert match is not None
        if match[1] not in _CLOSERS:
            self._fail(f"expected '{{' but found {shorten(match[1])}", match.start(1))
        self._push(stack, field, match.start(1), match[1], True)
        return match.end()

    def _end(self, stack: list[_OpenMessage], current: _OpenMessage, value: Any, match: re.Match[str]) -> int:
        """Stores a complete message in its parent, and returns the next offset."""
        assert current.owner is not None
        _store(stack[-1].tree, current.owner, value)
        if not current.in_list:
            return match.end()
        after = match.end(6)
        if match[7] == ",":
            return self._enter(stack, current.owner, match.end())
        end = _END_OF_LIST.match(self._text, after)
        if end is None:
            token = rare(TOKEN).match(self._text, after)
            assert token is not None
            self._fail(f"expected ',' or ']' but found {shorten(token[1])}", token.start(1))
        return end.end()

    def _finish(self, current: _OpenMessage) -> Any:
        try:
            return current.message.finish(current.tree)
        except TfgError as error:
            raise error.at(None, self._source.position(current.start)) from None

    def _read_list(self, field: Field, tree: Tree, position: int) -> int:
        """Reads the scalars of ``[a, b]`` from after the opening bracket."""
        values = tree.setdefault(field.name, [])
        empty = _END_OF_LIST.match(self._text, position)
        if empty:
            return empty.end()
        while True:
            match = _ITEM.match(self._text, position)
            if match is None:
                self._explain_item(position)
            values.append(self._read(field, match[1], match.start(1)))
            position = match.end()
            if match[2] == "]":
                return self._skip_separator(position)

    def _read_run(self, field: Field, values: list[Any], position: int) -> int:
        """Reads further values of the same field that follow on lines of their own."""
        assert field.run and field.read
        match = field.run.match(self._text, position)
        if match is None:
            return position
        try:
            values += [field.read(token) for token in match[0].split()[1::2]]
        except ValueError:
            for item in _RUN_VALUE.finditer(self._text, position, match.end()):
                self._read(field, item[1], item.start(1))
        return self._skip_separator(match.end())

    def _read(self, field: Field, token: str, start: int) -> Any:
        assert field.read
        try:
            return field.read(token)
        except (ValueError, UnicodeEncodeError) as error:
            self._fail(str(error), start, getattr(error, "hint", None))

    def _skip_message(self, position: int) -> int:
        """Skips an opaque message from its opening bracket."""
        closers: list[str] = []
        while True:
            match = rare(TOKEN).match(self._text, position)
            assert match is not None
            token, position = match[1], match.end()
            if token in _CLOSERS:
                closers.append(_CLOSERS[token])
            elif not token or (token in ("}", ">") and token != closers.pop()):
                self._fail(f"expected a closing bracket but found {shorten(token)}", match.start(1))
            if not closers:
                return self._skip_separator(position)

    def _skip_separator(self, position: int) -> int:
        match = _AFTER.match(self._text, position)
        assert match is not None
        return match.end()

    def _check_single(self, current: _OpenMessage, field: Field, start: int) -> None:
        """Refuses a second value, except after a default value of a field without explicit presence."""
        tree = current.tree
        if field.oneof:
            for other in current.message.fields.values():
                if other.oneof == field.oneof and other.name in tree and other is not field:
                    self._fail(
                        f"{field.name!r} cannot stand beside {other.name!r}: {_one_of(current)}", start
                    )
        if field.name not in tree:
            return
        value = tree[field.name]
        if field.message or field.is_explicit or value or (value == 0.0 and math.copysign(1, value) < 0):
            self._fail(f"{field.name!r} is given twice", start)

    def _explain_item(self, position: int) -> NoReturn:
        from .diagnostics import explain_item

        explain_item(self._source, position)

    def _explain(self, current: _OpenMessage, position: int) -> NoReturn:
        from .diagnostics import explain_field

        explain_field(self._source, position, current.message, current.closer)

    def _fail(self, message: str, offset: int, hint: str | None = None) -> NoReturn:
        raise invalid(message, hint=hint).at(None, self._source.position(offset))


def _one_of(current: _OpenMessage) -> str:
    return f"{current.message.name} holds one of them"


def _store(tree: Tree, field: Field, value: Any) -> None:
    if field.is_map:
        assert field.message is not None
        entry = field.message.fields
        key = value["key"] if "key" in value else entry["key"].empty()
        tree.setdefault(field.name, {})[key] = value["value"] if "value" in value else entry["value"].empty()
    elif field.repeated:
        tree.setdefault(field.name, []).append(value)
    else:
        tree[field.name] = value
