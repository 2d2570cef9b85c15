"""Device names, full or partial: ``/job:worker/replica:0/task:3/device:GPU:1``.

A part that is absent, or ``*``, matches any. The syntax is that of TensorFlow's DeviceNameUtils for graph files: parts
in any order, the last of two of the same kind, and the older ``/cpu:0`` and ``/gpu:0``. TensorFlow's Python front end
also accepts ``cpu:0``, but writes full names to files.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, NoReturn

from .errors import TfgError, invalid

# Greater numbers are malformed. TensorFlow stores numbers as int, so that 4294967296 means 0 there.
MAX_NUMBER = 2**64 - 1

_NUMBER = r"\*|[0-9]+"
_PART = re.compile(
    rf"/(?:job:(?P<job>\*|[A-Za-z][A-Za-z0-9_]*)|replica:(?P<replica>{_NUMBER})|task:(?P<task>{_NUMBER})"
    rf"|device:(?P<type>\*|[A-Za-z][A-Za-z0-9_]*)(?::(?P<id>{_NUMBER}))?"
    rf"|(?P<old>cpu|CPU|gpu|GPU):(?P<old_id>{_NUMBER}))(?=/|\Z)"
)
# Almost a device name, for a hint.
_LOCAL = re.compile(rf"(?:device:)?(cpu|gpu|tpu)(:(?:{_NUMBER}))?", re.IGNORECASE)


class DeviceName(NamedTuple):
    """The parts of a device name; None matches any."""

    job: str | None = None
    replica: int | None = None
    task: int | None = None
    type: str | None = None
    id: int | None = None

    @property
    def is_full(self) -> bool:
        """True if the name denotes exactly one device."""
        return None not in self

    @property
    def local(self) -> str:
        """The device within its task: ``CPU:0``."""
        return f"{'*' if self.type is None else self.type}:{'*' if self.id is None else self.id}"

    def matches(self, full: DeviceName) -> bool:
        """Returns True if every part of this name that is set equals that of ``full``."""
        return all(mine is None or mine == theirs for mine, theirs in zip(self, full))

    def __str__(self) -> str:
        """Returns the name in TensorFlow's notation; the empty string if no part is set."""
        out = f"/job:{self.job}" if self.job is not None else ""
        out += f"/replica:{self.replica}" if self.replica is not None else ""
        out += f"/task:{self.task}" if self.task is not None else ""
        return out if self.type is None and self.id is None else f"{out}/device:{self.local}"


ANY = DeviceName()
LOCAL_TASK = DeviceName("localhost", 0, 0)


@lru_cache(maxsize=1 << 16)
def parse_device(text: str) -> DeviceName:
    """Parses a full or partial name; the empty string and ``/`` match any device.

    Raises INVALID_ARGUMENT, with the text and its malformed part.
    """
    if text in ("", "/"):
        return ANY
    parts: dict[str, str | None] = {}
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None:
            _fail(text, position)
        position = match.end()
        if match["old"]:
            parts["type"], parts["id"] = match["old"].upper(), match["old_id"]
        elif match["type"]:
            parts["type"], parts["id"] = match["type"], match["id"]
        else:
            parts[match.lastgroup or ""] = match[match.lastgroup or ""]
    numbers = {part: value for part, value in parts.items() if value not in (None, "*")}
    return DeviceName(
        numbers.get("job"),
        _number(text, "replica", numbers.get("replica")),
        _number(text, "task", numbers.get("task")),
        numbers.get("type"),
        _number(text, "id", numbers.get("id")),
    )


def _number(text: str, part: str, digits: str | None) -> int | None:
    if digits is None:
        return None
    # One digit more than the greatest number has: int() is slow for very long texts.
    value = int(digits.lstrip("0")[:21] or "0")
    if value > MAX_NUMBER:
        raise invalid(
            f"Malformed device specification {_shorten(text)!r}: {part} is greater than {MAX_NUMBER}"
        )
    return value


def _fail(text: str, position: int) -> NoReturn:
    end = text.find("/", position + 1)
    part = text[position : end if end > 0 else len(text)]
    where = "" if part == text else f": {_shorten(part)!r} is not a part of a device name"
    raise invalid(f"Malformed device specification {_shorten(text)!r}{where}", hint=_hint(text, part))


def _hint(text: str, part: str) -> str:
    match = _LOCAL.fullmatch(part.removeprefix("/"))
    if match is None or len(text) > 200:
        return "device names look like /job:worker/replica:0/task:0/device:CPU:0; parts may be left out"
    corrected = text.replace(part, f"/device:{match[1].upper()}{match[2] or ''}", 1)
    return f"did you mean {corrected!r}?"


def _shorten(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."


@lru_cache(maxsize=1 << 16)
def merge(a: DeviceName, b: DeviceName, *, soft: bool = False) -> DeviceName:
    """Merges two partial names into one with the parts of both (``MergeDevNames``).

    Raises INVALID_ARGUMENT, in TensorFlow's words, for parts that differ. With ``soft``, different types unset type
    and id, and different ids unset the id.
    """
    for part, mine, theirs in zip(("jobs", "replicas", "tasks"), a, b):
        if _differ(mine, theirs):
            raise _conflict(a, b, part)
    merged = DeviceName._make(theirs if mine is None else mine for mine, theirs in zip(a, b))
    if _differ(a.type, b.type):
        if not soft:
            raise _conflict(a, b, "types")
        return merged._replace(type=None, id=None)
    if _differ(a.id, b.id):
        if not soft:
            raise _conflict(a, b, "ids")
        return merged._replace(id=None)
    return merged


def _differ(mine: str | int | None, theirs: str | int | None) -> bool:
    return mine is not None and theirs is not None and mine != theirs


def _conflict(a: DeviceName, b: DeviceName, parts: str) -> TfgError:
    return invalid(f"Cannot merge devices with incompatible {parts}: '{a}' and '{b}'")
