"""Paths of tensors in an HDF5 file.

A variable of the default container stands under its own name: ``hidden/w`` is the dataset ``/hidden/w``. HDF5
cannot keep ``hidden/w/Adam`` beside it, for a dataset is no folder: that one is ``/hidden/w:Adam``. What other
resources and containers hold is ``/:<kind>/:<container>/<name>:<field>``; no TensorFlow name has a colon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE, VALUE = "Variable", "value"

# Longer names are legal, and would make folders without end.
LONGEST = 1000


class Origin(NamedTuple):
    """The origin of a dataset: a field of a resource. ``part`` is the slice of a partial variable (``0,4:-``)."""

    container: str
    kind: str
    name: str
    field: str = VALUE
    part: str = ""

    @property
    def is_variable(self) -> bool:
        return (self.kind, self.field) == (VARIABLE, VALUE)


def dataset_paths(origins: Iterable[Origin]) -> dict[Origin, str]:
    """Returns a path for each origin; no path equals another or lies within one, whatever the names contain."""
    paths: dict[Origin, str] = {}
    datasets, groups = set[str](), set[str]()
    # A name comes before those that begin with it, and so gets its own path.
    for origin in sorted(origins):
        path = _free(_wanted(origin), datasets, groups)
        paths[origin] = path
        datasets.add(path)
        groups.update(_parents(path))
    return paths


def _wanted(origin: Origin) -> list[str]:
    name = origin.name[:LONGEST]
    parts = [_escaped(part) for part in name.split("/")]
    if not origin.is_variable:
        parts[-1] += f":{_escaped(origin.field[:LONGEST]).replace('/', ':')}"
    if origin.part:
        parts[-1] += f":{origin.part}"
    if origin.is_variable and not origin.container:
        return parts
    container = origin.container[:LONGEST].replace("/", ":")
    return [
        f":{_escaped(origin.kind).replace('/', ':')}",
        *([f":{_escaped(container)}"] if container else []),
        *parts,
    ]


def _free(parts: list[str], datasets: set[str], groups: set[str]) -> str:
    path = ""
    for part in parts:
        path += f":{part}" if path in datasets else f"/{part}"
    number, found = 1, path
    while found in datasets or found in groups or any(parent in datasets for parent in _parents(found)):
        number += 1
        found = f"{path}:{number}"
    return found


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(2, len(parts))]


def _escaped(part: str) -> str:
    """HDF5 reads ``.`` as the group itself, and an empty part as none."""
    return f"%{part}%" if part in ("", ".", "..") else printable(part)


def printable(text: str) -> str:
    """A text that HDF5 can hold: UTF-8, without the zero that ends one."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "%0%")
