"""Minimisation: the smallest input found that is still at fault at the same place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.load import load
from tfg.graphfmt.signatures import Missing
from tfg.graphfmt.tensors import TensorValue
from tfg.graphfmt.text.writer import write_graph
from tfg.kernels.core import registry

from .graphs import constant

_MAX_TRIES = 150


def minimise(data: bytes, is_at_fault: Callable[[bytes], bool], folder: Path, *, is_graph: bool) -> bytes:
    """Returns the data made smaller, as long as ``is_at_fault`` holds, with a limited number of tries."""
    if is_graph:
        return _minimise_graph(data, is_at_fault, folder)
    tries = 0
    size = len(data) // 2
    while size and tries < _MAX_TRIES:
        place = 0
        while place < len(data) and tries < _MAX_TRIES:
            shorter = data[:place] + data[place + size :]
            tries += 1
            if is_at_fault(shorter):
                data = shorter
            else:
                place += size
        size //= 2
    return data


def _minimise_graph(data: bytes, is_at_fault: Callable[[bytes], bool], folder: Path) -> bytes:
    path = folder / "minimise.pbtxt"
    for _ in range(_MAX_TRIES):
        path.write_bytes(data)
        try:
            graph = load(path)
        except TfgError:
            return data
        smaller = next(
            (text for text in map(_text, _simpler(graph)) if text != data and is_at_fault(text)), None
        )
        if smaller is None:
            return data
        data = smaller
    return data


def _text(graph: Graph) -> bytes:
    return write_graph(graph).encode("utf-8", "replace")


def _simpler(graph: Graph) -> Iterator[Graph]:
    """Graphs with one node less, one attribute less, or a simpler constant."""
    for place, node in enumerate(graph.nodes):
        rest = [*graph.nodes[:place], *graph.nodes[place + 1 :]]
        if all(node.name not in (e.node for e in other.data_inputs) for other in rest):
            yield graph.with_nodes(rest)
        if node.op == "PlaceholderWithDefault":
            yield graph.with_nodes(
                replace(n, inputs=tuple(_replaced(i, node) for i in n.inputs)) for n in rest
            )
        for simpler in _simpler_nodes(node):
            yield graph.with_nodes([*graph.nodes[:place], simpler, *graph.nodes[place + 1 :]])


def _replaced(name: str, node: Node) -> str:
    return node.inputs[0] if name == node.name else name


def _simpler_nodes(node: Node) -> Iterator[Node]:
    op = registry.find(node.op)
    for spec in op.signature.attrs if op is not None else ():
        if spec.name in node.attrs and not isinstance(spec.default, Missing):
            yield replace(
                node, attrs={name: value for name, value in node.attrs.items() if name != spec.name}
            )
    value = node.attrs.get("value")
    if node.op != "Const" or not isinstance(value, TensorValue):
        return
    try:
        array = value.array()
    except TfgError:
        return
    if array.dtype == object or array.size > 4096:
        return
    if array.any():
        yield constant(node.name, np.zeros_like(array), value.dtype)
    for axis, size in enumerate(array.shape):
        if size > 1:
            yield constant(node.name, np.take(array, [0], axis), value.dtype)
