"""Diagnostics for malformed text: reads it token by token where the parser found no match."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from ..errors import invalid
from ..names import did_you_mean
from .tokens import STRINGS, TOKEN, rare, shorten

if TYPE_CHECKING:
    from .schema import MessageType
    from .source import SourceText

_STRINGS = re.compile(STRINGS)
_WORD = re.compile(r"[A-Za-z_]")
_NUMBER = re.compile(r"[0-9+\-]|\.[0-9]")


class _Tokens:
    """A cursor over the tokens from an offset on."""

    def __init__(self, source: SourceText, position: int) -> None:
        self.source = source
        self.end = position
        self.next()

    def next(self) -> None:
        match = rare(TOKEN).match(self.source.text, self.end)
        assert match is not None
        self.token, self.start, self.end = match[1], match.start(1), match.end()

    def fail(self, message: str, hint: str | None = None) -> NoReturn:
        raise invalid(message, hint=hint).at(None, self.source.position(self.start))

    def expected(self, what: str) -> NoReturn:
        if self.token in ("'", '"'):
            self.fail("this string has no closing quote on its line")
        self.fail(f"expected {what} but found {shorten(self.token)}")


def explain_field(source: SourceText, position: int, message: MessageType, closer: str) -> NoReturn:
    """Raises INVALID_ARGUMENT for text at an offset where a field of a message, or its end, was expected."""
    tokens = _Tokens(source, position)
    end = repr(closer) if closer else "the end of the text"
    if not tokens.token:
        tokens.expected(end)
    if not _WORD.match(tokens.token):
        tokens.expected(f"a field of {message.name} or {end}")
    field = message.fields.get(tokens.token)
    if field is None:
        hint = did_you_mean(tokens.token, message.fields)
        if hint is None and message.name == "NodeDef":
            hint = f'an attribute is written attr {{ key: "{tokens.token}" value {{ … }} }}'
        tokens.fail(f"{message.name} has no field {shorten(tokens.token)}", hint)
    tokens.next()
    if field.message is not None:
        if tokens.token == ":":
            tokens.next()
        tokens.expected("'{'")
    if tokens.token != ":":
        tokens.expected("':'")
    tokens.next()
    tokens.expected("a value")


def explain_item(source: SourceText, position: int) -> NoReturn:
    """Raises INVALID_ARGUMENT for text at an offset where a list's value, then a comma or its end, was expected."""
    tokens = _Tokens(source, position)
    if tokens.token in ("'", '"') or not (
        _NUMBER.match(tokens.token) or _WORD.match(tokens.token[:1] or " ") or len(tokens.token) > 1
    ):
        tokens.expected("a value")
    literals = _STRINGS.match(source.text, tokens.start)
    if literals:
        tokens.end = literals.end()
    tokens.next()
    tokens.expected("',' or ']'")
