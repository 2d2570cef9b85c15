"""The manifest of a folder of parts, for people and programs.

``manifest.json`` (version 1) has the name of the partitioned ``graph``, the ``wire`` compression (or null), and
under ``parts`` for each part: its ``file`` beside the manifest, ``device``, ``incarnation`` and number of
``nodes``; ``feeds``, the nodes that may be fed; ``fetches``, the nodes of the graph with a value to fetch;
``sends`` and ``receives``, each with ``node``, ``key`` (outside of all loops), ``dtype``, ``shape`` and
``bytes``, the last two null if unknown.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ....graphfmt.devices import parse_device
from ....graphfmt.dtypes import DType
from ....graphfmt.errors import Location, TfgError, invalid
from ....graphfmt.shapes import Shape
from ....kernels.core.op_sets import INPUTS, RECVS, SENDS
from ....kernels.families.control_flow.rendezvous_keys import make_key
from ....kernels.families.control_flow.sendrecv_ops import SHAPES_ATTR
from .parts import cross_device_transfers, transfer_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ....graphfmt.graph import Graph, Node
    from .parts import Parts

VERSION = 1
_FORMAT = "tfg parts"


class PartEntry(NamedTuple):
    """A part in a manifest."""

    file: str
    device: str


def render_manifest(parts: Parts, graph: Graph, name: str, wire: str | None) -> tuple[str, Mapping[str, str]]:
    """Returns the text of a manifest, and the file name of each device; ``name`` is the file name of ``graph``."""
    files = _file_names(parts)
    shapes = {
        pair.receive.attrs.get("tensor_name"): pair.receive.attrs.get(SHAPES_ATTR)
        for pair in cross_device_transfers(parts)
    }
    document: dict[str, Any] = {"format": _FORMAT, "version": VERSION, "graph": name, "wire": wire}
    document["parts"] = [
        {
            "file": files[device],
            "device": device,
            "incarnation": _incarnation(parts, device),
            "nodes": len(part.nodes),
            "feeds": [node.name for node in part.nodes if node.op in INPUTS],
            "fetches": _fetchable(part, graph),
            "sends": [_end(node, "T", shapes) for node in part.nodes if node.op in SENDS],
            "receives": [_end(node, "tensor_type", shapes) for node in part.nodes if node.op in RECVS],
        }
        for device, part in parts.graphs.items()
    ]
    return json.dumps(document, indent=1) + "\n", files


def _file_names(parts: Parts) -> dict[str, str]:
    """Returns file names such as ``CPU_0.pbtxt``; with the full device name if the parts span several tasks."""
    names = {device: parse_device(device) for device in parts.graphs}
    tasks = {name[:3] for name in names.values()}
    return {
        device: "_".join(map(str, name if len(tasks) > 1 else name[3:])) + ".pbtxt"
        for device, name in names.items()
    }


def _incarnation(parts: Parts, device: str) -> Any:
    """Returns the incarnation of a device; 1 if it sends nothing."""
    sends = [node for node in parts.graphs[device].nodes if node.op in SENDS]
    return sends[0].attrs.get("send_device_incarnation") if sends else 1


def _fetchable(part: Graph, graph: Graph) -> list[str]:
    from ....kernels.core.inference import infer_graph
    from ...plan.control_flow.frames import frames

    facts, loops = infer_graph(part), frames(part)
    return [
        node.name
        for node in part.nodes
        if node.name in graph and not loops[node.name]
        if facts[node.name] and facts[node.name][0].dtype.name not in ("resource", "variant")
    ]


def _end(node: Node, type_attr: str, shapes: Mapping[Any, Any]) -> dict[str, Any]:
    ends, incarnation = transfer_key(node), node.attrs.get("send_device_incarnation")
    dtype, known = node.attrs[type_attr], shapes.get(node.attrs.get("tensor_name"))
    shape = known[0] if known else None
    assert isinstance(dtype, DType) and isinstance(incarnation, int)
    return {
        "node": node.name,
        "key": make_key(ends.source, incarnation, ends.target, ends.name),
        "dtype": dtype.name,
        "shape": list(shape.dims) if isinstance(shape, Shape) and shape.dims is not None else None,
        "bytes": _bytes(dtype, shape),
    }


def _bytes(dtype: DType, shape: Shape | None) -> int | None:
    if shape is None or shape.dims is None or dtype.is_opaque:
        return None
    sizes = [size for size in shape.dims if size is not None]
    return prod(sizes) * dtype.size if len(sizes) == len(shape.dims) else None


def parse_manifest(text: bytes, name: str) -> list[PartEntry]:
    """Parses a manifest into its parts. Raises INVALID_ARGUMENT, located where the JSON is malformed."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise invalid(f"not JSON: {error.msg}").at(None, Location(name, error.lineno, error.colno)) from None
    except (ValueError, RecursionError) as error:
        raise invalid(f"not JSON: {error}").at(None, Location(name)) from None
    try:
        return _entries(document)
    except TfgError as error:
        raise error.at(None, Location(name)) from None


def _entries(document: Any) -> list[PartEntry]:
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise invalid(f"this manifest is not one of parts: it has no format {_FORMAT!r}")
    if document.get("version") != VERSION or isinstance(document["version"], bool):
        raise invalid(f"this manifest is of version {document.get('version')!r}, and not of {VERSION}")
    listed = document.get("parts")
    if not isinstance(listed, list) or not listed:
        raise invalid("this manifest lists no parts")
    entries = [_entry(item) for item in listed]
    for what, values in (("device", [e.device for e in entries]), ("file", [e.file for e in entries])):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise invalid(f"this manifest has the {what} {twice!r} twice")
    return entries


def _entry(item: Any) -> PartEntry:
    file, device = (item.get("file"), item.get("device")) if isinstance(item, dict) else (None, None)
    if not isinstance(file, str) or not isinstance(device, str):
        raise invalid("every part that a manifest lists needs a file and a device")
    if not file or Path(file).name != file or file in (".", "..") or "\0" in file:
        raise invalid(f"the file {file!r} of a part must be one in the manifest's folder")
    if not parse_device(device).is_full:
        raise invalid(f"the device {device!r} of a part is not one device")
    return PartEntry(file, device)
