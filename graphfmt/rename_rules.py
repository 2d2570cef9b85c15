"""Rename rules (``--rename OLD=NEW``) for the nodes of a graph and the tensors of a checkpoint.

OLD is a full name or a pattern with stars, each of which matches any text, including slashes; the stars of NEW
are replaced by the matched texts in order. The first matching rule applies.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import Status, TfgError, invalid
from .names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Rule = tuple[str, str]


def parse_rule(text: str) -> Rule:
    """Parses ``OLD=NEW`` into (OLD, NEW). Raises INVALID_ARGUMENT for anything else."""
    old, separator, new = text.partition("=")
    if not (separator and old and new) or "=" in new:
        raise invalid(f"{text!r} is not of the form OLD=NEW")
    if old.count("*") != new.count("*"):
        raise invalid(f"{text!r} has {old.count('*')} stars before the = and {new.count('*')} behind it")
    return old, new


def renamed_names(
    names: Collection[str], rules: Iterable[Rule], what: str = "the checkpoint has no tensor"
) -> dict[str, str]:
    """Returns the new name of each name that a rule matches. ``what`` begins the message for a rule without a match.

    Raises NOT_FOUND for a rule without a match, INVALID_ARGUMENT if two names become one.
    """
    new_names: dict[str, str] = {}
    for old, new in rules:
        fitting = {name: _replaced(match, new) for name in names if (match := _pattern(old).fullmatch(name))}
        if not fitting:
            raise _nothing_to_rename(old, new, names, what)
        for name, renamed_to in fitting.items():
            new_names.setdefault(name, renamed_to)
    sources: dict[str, str] = {}
    for name, new in new_names.items():
        other = sources.setdefault(new, name)
        if other != name:
            raise invalid(f"{other!r} and {name!r} would both be renamed to {new!r}")
    return new_names


def _pattern(old: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(map(re.escape, old.split("*"))), re.DOTALL)


def _replaced(match: re.Match[str], new: str) -> str:
    first, *others = new.split("*")
    return first + "".join(text + part for text, part in zip(match.groups(), others))


def _nothing_to_rename(old: str, new: str, names: Collection[str], what: str) -> TfgError:
    if any(name.startswith(f"{old}/") for name in names):
        hint = f"for all that lies in it: --rename '{old}/*={new}/*'"
    else:
        hint = did_you_mean(old, names)
    return TfgError(Status.NOT_FOUND, f"{what} {old!r} to rename", hint=hint)
