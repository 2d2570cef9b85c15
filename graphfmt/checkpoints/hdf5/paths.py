"""Paths of tensors in an HDF5 file.

A variable of the default container has its own name as path: ``hidden/w`` is the dataset ``/hidden/w``. A dataset is
not a group, so ``hidden/w/Adam`` is then the dataset ``/hidden/w:Adam``. Tensors of other resources and containers are
``/:<kind>/:<container>/<name>:<field>``; no TensorFlow name contains a colon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE, VALUE = "Variable", "value"

# The characters of a name that a path takes: a longer name could stand for thousands of nested groups.
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
    # In sorted order a name precedes those that begin with it, and so gets its own name as path.
    for origin in sorted(origins):
        path = _unused_path(_preferred_parts(origin), datasets, groups)
        paths[origin] = path
        datasets.add(path)
        groups.update(_parents(path))
    return paths


def _preferred_parts(origin: Origin) -> list[str]:
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


def _unused_path(parts: list[str], datasets: set[str], groups: set[str]) -> str:
    path = ""
    for part in parts:
        path += f":{part}" if path in datasets else f"/{part}"
    number, candidate = 1, path
    while (
        candidate in datasets
        or candidate in groups
        or any(parent in datasets for parent in _parents(candidate))
    ):
        number += 1
        candidate = f"{path}:{number}"
    return candidate


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(2, len(parts))]


def _escaped(part: str) -> str:
    """Escapes the parts that HDF5 does not take as names: ``.`` and empty ones."""
    return f"%{part}%" if part in ("", ".", "..") else printable(part)


def printable(text: str) -> str:
    """Returns a text that HDF5 can hold: valid UTF-8 without zero bytes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "%0%")
