"""Locations of inputs and attributes in the text of a node, computed only when an error needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tokens import TOKEN, rare, read_string

if TYPE_CHECKING:
    from collections.abc import Iterator


def find_in_node(text: str, offset: int, *, input: int | None = None, attr: str | None = None) -> int:
    """Returns the offset of a node's input (by number) or attribute (by name); the node's own if it has none."""
    count = -1
    for word, start, values in _fields(text, offset):
        if word == "input" and input is not None:
            count += len(values)
            if count >= input:
                # In a list each input has its own offset.
                return start if len(values) == 1 else values[len(values) - 1 - (count - input)]
        elif word == "attr" and attr is not None and _key(text, values[0] if values else start) == attr:
            return start
    return offset


def _fields(text: str, offset: int) -> Iterator[tuple[str, int, list[int]]]:
    """Yields the fields of the message at an offset: the name, its offset, and the offsets of the values."""
    tokens = _tokens(text, offset)
    next(tokens)
    depth = 0
    word, start, values, expects_value = "", 0, list[int](), False
    for token, position in tokens:
        if token in ("{", "<"):
            depth += 1
            if depth == 2:
                values.append(position)
        elif token in ("}", ">"):
            depth -= 1
            if depth == 0:
                break
        elif depth == 1:
            if token in (":", ",", ";", "[", "]"):
                expects_value = token in (":", "[", ",") and bool(word)
            elif expects_value and token[0] in "\"'":
                values.append(position)
                expects_value = False
            elif token[0].isalpha() or token[0] == "_":
                if word and (values or not expects_value):
                    yield word, start, values
                    word, start, values = token, position, []
                elif not word:
                    word, start, values = token, position, []
                expects_value = False
    if word:
        yield word, start, values


def _tokens(text: str, offset: int) -> Iterator[tuple[str, int]]:
    position = offset
    while (match := rare(TOKEN).match(text, position)) and match[1]:
        yield match[1], match.start(1)
        position = match.end()


def _key(text: str, opening: int) -> str:
    """Returns the key of the map entry whose opening bracket is at an offset."""
    tokens = _tokens(text, opening)
    depth = 0
    for token, _ in tokens:
        depth += (token in ("{", "<")) - (token in ("}", ">"))
        if depth == 0:
            break
        if depth == 1 and token == "key":
            literals: list[str] = []
            for value, _ in tokens:
                if value[0] in "\"'":
                    literals.append(value)
                elif value != ":":
                    break
            return read_string(" ".join(literals)) if literals else ""
    return ""
