"""Machine descriptions in text files.

    device { name: "/device:CPU:0" memory: "8 GiB" speed: "50 GFLOP/s" bandwidth: "10 GB/s" }
    device { name: "/device:GPU:0" memory: "16 GiB" speed: "10 TFLOP/s" bandwidth: "500 GB/s" }
    link { source: "/device:CPU:*" target: "/device:GPU:*" bandwidth: "12 GB/s" latency: "20 us" }

A link is bidirectional unless ``one_way: true`` is set, and its ends may be partial names; of several links
that match a pair of devices, the last applies. A device without ``memory`` has no limit.
"""

from __future__ import annotations

import re
from functools import cache
from math import ceil
from typing import TYPE_CHECKING

from .....graphfmt.devices import LOCAL_TASK, parse_device
from .....graphfmt.errors import TfgError, invalid
from .....graphfmt.files import read_file
from .....graphfmt.load import decode
from .....graphfmt.text.reader import parse_message
from .....graphfmt.text.schema import compile_schema
from .....graphfmt.text.tokens import TokenError, read_string
from .machine import MAX_DEVICES, Device, Link, Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .....graphfmt.devices import DeviceName
    from .....graphfmt.proto.builders import Tree
    from .....graphfmt.text.schema import Schema
    from .....graphfmt.text.source import SourceText

_POWERS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
_BYTES = {f"{prefix}B": factor for prefix, factor in {**_POWERS, **_BINARY}.items()}
_BYTES_A_SECOND = {f"{unit}/s": factor for unit, factor in _BYTES.items()}
_FLOPS = {f"{prefix}{unit}": f for prefix, f in _POWERS.items() for unit in ("FLOP/s", "FLOPS")}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}

_QUANTITY = re.compile(r"\s*([0-9]{1,30}(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,2})?)\s*(\S*)\s*")


def read_machine(path: str) -> Machine:
    """Reads the machine described in a file; ``-`` is standard input.

    Raises INVALID_ARGUMENT with line and column of the fault, NOT_FOUND, PERMISSION_DENIED.
    """
    data, name = read_file(path)
    return machine_from_text(decode(data, name), name)


def machine_from_text(text: str, name: str) -> Machine:
    """Parses a machine description; ``name`` is the file's name for messages."""
    return machine_from_tree(*parse_machine(text, name))


def parse_machine(text: str, name: str) -> tuple[Tree, SourceText]:
    """Parses the message of a machine or cluster file. Raises INVALID_ARGUMENT with line and column of the fault."""
    return parse_message(_schema()["Machine"], text, name)


def machine_from_tree(tree: Tree, source: SourceText) -> Machine:
    """The devices and links of a parsed file. Raises INVALID_ARGUMENT with line and column of the fault."""
    reader = _Reader(source)
    devices = reader.devices(tree.get("device", ()))
    links = reader.links(tree.get("link", ()), devices)
    return Machine(tuple(devices.values()), tuple(links))


class _Reader:
    """From the messages of a file to devices and links."""

    def __init__(self, source: SourceText) -> None:
        self._source = source
        self._places: dict[str, int] = {}

    def devices(self, trees: list[Tree]) -> Mapping[DeviceName, Device]:
        if not trees:
            raise self._error(0, "the file describes no device")
        if len(trees) > MAX_DEVICES:
            raise self._error(trees[MAX_DEVICES][""], f"there are more than {MAX_DEVICES} devices")
        devices: dict[DeviceName, Device] = {}
        for tree in trees:
            self._require(tree, "device", ("name", "speed", "bandwidth"))
            name: DeviceName = tree["name"]
            if name in devices:
                raise self._error(tree[""], f"device {str(name)!r} is described twice")
            memory = ceil(tree["memory"]) if "memory" in tree else None
            self._places[str(name)] = tree[""]
            devices[name] = Device(str(name), name.type or "", memory, tree["speed"], tree["bandwidth"])
        return devices

    def links(self, trees: list[Tree], devices: Mapping[DeviceName, Device]) -> list[Link]:
        links: dict[tuple[str, str], Link] = {}
        for tree in trees:
            self._require(tree, "link", ("source", "target", "bandwidth", "latency"))
            for source, target in self._pairs(tree, devices):
                links[source, target] = Link(source, target, tree["bandwidth"], tree["latency"])
                if not tree.get("one_way"):
                    links[target, source] = Link(target, source, tree["bandwidth"], tree["latency"])
        return list(self._complete(links, devices))

    def _pairs(self, tree: Tree, devices: Mapping[DeviceName, Device]) -> list[tuple[str, str]]:
        sources, targets = self._ends(tree, "source", devices), self._ends(tree, "target", devices)
        pairs = [(a, b) for a in sources for b in targets if a != b]
        if not pairs:
            raise self._error(tree[""], f"the link joins device {sources[0]!r} to itself")
        return pairs

    def _ends(self, tree: Tree, end: str, devices: Mapping[DeviceName, Device]) -> list[str]:
        pattern: DeviceName = tree[end]
        matching = [device.name for name, device in devices.items() if pattern.matches(name)]
        if not matching:
            known = ", ".join([device.name for device in devices.values()][:8])
            message = f"the {end} of the link, {str(pattern)!r}, is none of the devices described: {known}"
            raise self._error(tree[""], message)
        return matching

    def _complete(
        self, links: Mapping[tuple[str, str], Link], devices: Mapping[DeviceName, Device]
    ) -> Iterator[Link]:
        """Yields a link from each device to each other; raises where one is missing."""
        for a in devices.values():
            for b in devices.values():
                if a is b:
                    continue
                link = links.get((a.name, b.name))
                if link is None:
                    missing = f"there is no link from {a.name!r} to {b.name!r}"
                    raise self._error(self._places[b.name], missing, hint=_example(a.name, b.name))
                yield link

    def _require(self, tree: Tree, what: str, fields: tuple[str, ...]) -> None:
        for field in fields:
            if field not in tree:
                raise self._error(tree[""], f"the {what} has no {field}")

    def _error(self, offset: int, text: str, hint: str | None = None) -> TfgError:
        return invalid(text, hint=hint).at(None, self._source.position(offset))


def _example(source: str, target: str) -> str:
    return (
        f'add link {{ source: "{source}" target: "{target}" bandwidth: "10 GB/s" latency: "30 us" }}, '
        "or name several devices at once, such as /device:CPU:*"
    )


@cache
def _schema() -> Schema:
    """The schema of machine files. Names and quantities are read by the parser, so that its errors point at them."""
    bandwidth = _reader("bandwidth", _BYTES_A_SECOND, "10 GB/s")
    readers = {
        ("Machine.Device", "name"): _read_name,
        ("Machine.Device", "memory"): _reader("memory", _BYTES, "8 GiB"),
        ("Machine.Device", "speed"): _reader("speed", _FLOPS, "50 GFLOP/s"),
        ("Machine.Device", "bandwidth"): bandwidth,
        ("Machine.Link", "bandwidth"): bandwidth,
        ("Machine.Link", "latency"): _reader("latency", _SECONDS, "20 us", zero=True),
        ("Machine.Task", "name"): _read_pattern,
        ("Machine.Link", "source"): _read_pattern,
        ("Machine.Link", "target"): _read_pattern,
    }
    return compile_schema("Machine", {}, readers)


def _read_pattern(token: str) -> DeviceName:
    try:
        return parse_device(read_string(token))
    except TfgError as error:
        raise TokenError(error.message, error.hint) from None


def _read_name(token: str) -> DeviceName:
    """Parses the full name of one device; missing components default to the local task."""
    pattern = _read_pattern(token)
    name = pattern._replace(
        job=pattern.job or LOCAL_TASK.job,
        replica=pattern.replica or 0,
        task=pattern.task or 0,
    )
    if not name.is_full:
        raise TokenError(f"{token} does not name one device", "give type and number, as in /device:CPU:0")
    return name


def _reader(
    what: str, units: Mapping[str, float], example: str, *, zero: bool = False
) -> Callable[[str], float]:
    """Returns a parser of quantities in the given units, positive or (``zero``) non-negative."""

    def read(token: str) -> float:
        text = read_string(token)
        sign = "-" if text.strip().startswith("-") else ""
        match = _QUANTITY.fullmatch(text.strip().removeprefix("-"))
        if match is None or match[2] not in units:
            raise TokenError(f"{what} {token} is not a number with a unit", f'write for example "{example}"')
        value = float(match[1]) * units[match[2]]
        if sign or not (value > 0 or (zero and value == 0)):
            raise ValueError(f"{what} {token} must {'not be negative' if zero else 'be greater than 0'}")
        return value

    return read
