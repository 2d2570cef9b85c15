"""Large constants in a ``.npz`` file beside a text graph.

A Const node with the attribute ``_value_file`` has its value in that file, under its own name, and no ``value``. So a
reader that does not know the attribute fails, rather than computes with something else. Elements of dtypes that numpy
does not have are stored as unsigned integers of the same size.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .arrays import npz_array
from .dtypes import DType, string
from .errors import TfgError, invalid
from .shapes import Shape
from .tensors import TensorValue

if TYPE_CHECKING:
    from .graph import Graph, Node
    from .tensors import Array

FILE_ATTR = "_value_file"


def externalized(graph: Graph, file_name: str, least: int) -> tuple[Graph, dict[str, Array]]:
    """Returns the graph without the values of constants of at least so many bytes, and these values by node name."""
    arrays: dict[str, Array] = {}
    nodes = list(graph.nodes)
    for number, node in enumerate(nodes):
        value = node.attrs.get("value")
        if node.op != "Const" or not isinstance(value, TensorValue) or _encoded_bytes(value) < least:
            continue
        array = np.ascontiguousarray(value.array())
        arrays[node.name] = array.view(_storage(value.dtype))
        kept = {name: attr for name, attr in node.attrs.items() if name != "value"}
        nodes[number] = replace(node, attrs={**kept, FILE_ATTR: file_name.encode()})
    return graph.with_nodes(nodes), arrays


def internalized(graph: Graph, folder: Path | None) -> Graph:
    """Returns the graph with the values of all constants; those in files are read from ``folder``.

    Raises INVALID_ARGUMENT, at the node, for a file that is not in the folder itself, for standard input (``folder`` is
    None) and for a value that does not fit; NOT_FOUND and similar for a file that cannot be read.
    """
    if not any(FILE_ATTR in node.attrs for node in graph.nodes):
        return graph
    return graph.with_nodes(
        _with_value(graph, node, folder) if node.op == "Const" and FILE_ATTR in node.attrs else node
        for node in graph.nodes
    )


def _with_value(graph: Graph, node: Node, folder: Path | None) -> Node:
    try:
        array = npz_array(_file(node, folder), node.name)
        value = _value(node, array)
    except TfgError as error:
        raise graph.error_at(error, node.name, attr=FILE_ATTR) from None
    kept = {name: attr for name, attr in node.attrs.items() if name != FILE_ATTR}
    return replace(node, attrs={**kept, "value": value})


def _file(node: Node, folder: Path | None) -> Path:
    written = node.attrs[FILE_ATTR]
    name = written.decode("utf-8", "replace") if isinstance(written, bytes) else ""
    if not name or Path(name).name != name or name in (".", ".."):
        raise invalid(f"{FILE_ATTR} {name!r} is not the name of a file in the folder of the graph")
    if folder is None:
        raise invalid(f"the value is in {name!r} beside the graph, and standard input has no folder")
    return folder / name


def _value(node: Node, array: Array) -> TensorValue:
    dtype = node.attrs.get("dtype")
    if not isinstance(dtype, DType):
        raise invalid("a constant needs a dtype")
    if array.dtype != _storage(dtype):
        raise invalid(f"the value in the file is {array.dtype}, not {_storage(dtype)}")
    content = np.ascontiguousarray(array).tobytes()
    return TensorValue(dtype, Shape(array.shape), content=content)


def _encoded_bytes(value: TensorValue) -> int:
    """Returns the bytes of the elements as far as the graph has them: a repeated one counts once."""
    if value.dtype is string or value.dtype.is_opaque or not value.shape.size:
        return 0
    return len(value.content) + value.dtype.size * sum(len(items) for items in value.values.values())


def _storage(dtype: DType) -> np.dtype[np.generic]:
    """Returns the dtype of the elements in a file."""
    return np.dtype(f"u{dtype.size}") if dtype.numpy_name.startswith("ml:") else dtype.numpy
