"""Small changes to graphs: of a constant's shape, elements and dtype, of an attribute, of an edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
from tfg.graphfmt import dtypes
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.tensors import TensorValue
from tfg.kernels.core import registry

from . import edge_values
from .graphs import constant

Mutation = Callable[[Random, list[Node]], None]


def mutate(rng: Random, graph: Graph) -> Graph:
    """Returns the graph with one to three small changes."""
    nodes = list(graph.nodes)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        rng.choice(_MUTATIONS)(rng, nodes)
    return graph.with_nodes(nodes)


def _constants(nodes: list[Node]) -> list[int]:
    return [i for i, node in enumerate(nodes) if node.op == "Const"]


def _array(node: Node) -> Any:
    value = node.attrs.get("value")
    if not isinstance(value, TensorValue):
        return None
    try:
        return value.array()
    except TfgError:
        return None


def _change_constant(rng: Random, nodes: list[Node], change: Callable[[Random, Any], Any]) -> None:
    places = _constants(nodes)
    if not places:
        return
    place = rng.choice(places)
    array = _array(nodes[place])
    if array is not None and array.size <= 4096:
        dtype = nodes[place].attrs["dtype"]
        nodes[place] = constant(nodes[place].name, change(rng, array), dtype)  # type: ignore[arg-type]


def _reshape(rng: Random, array: Any) -> Any:
    dims = list(array.shape)
    match rng.randrange(6):
        case 0 if dims:
            dims.pop(rng.randrange(len(dims)))
        case 1:
            dims.insert(rng.randrange(len(dims) + 1), rng.choice((0, 1, 2)))
        case 2 if dims:
            dims[rng.randrange(len(dims))] = rng.choice(edge_values.DIMS)
        case 3:
            dims = []
        case 4:
            dims = [0] * max(len(dims), 1)
        case _:
            dims = list(edge_values.shape(rng))
    if int(np.prod(dims)) > 4096:
        return array
    if not array.size:
        return np.full(dims, b"" if array.dtype == object else 0, array.dtype)
    flat = array.reshape(-1)
    return flat[np.arange(int(np.prod(dims))) % flat.size].reshape(dims)


def _set_elements(rng: Random, array: Any) -> Any:
    changed = array.copy()
    flat = changed.reshape(-1)
    if not flat.size:
        return array
    dtype = dtypes.of_numpy(array.dtype)
    places = range(flat.size) if rng.random() < 0.3 else [rng.randrange(flat.size)]
    values = edge_values.cast(np.array([edge_values.scalar(rng, dtype) for _ in places], object), dtype)
    for place, value in zip(places, values):
        flat[place] = value
    return flat.reshape(array.shape)


def _change_shape(rng: Random, nodes: list[Node]) -> None:
    _change_constant(rng, nodes, _reshape)


def _change_elements(rng: Random, nodes: list[Node]) -> None:
    _change_constant(rng, nodes, _set_elements)


def _change_attribute(rng: Random, nodes: list[Node]) -> None:
    places = [
        i for i, node in enumerate(nodes) if node.op not in ("Const", "PlaceholderWithDefault", "Placeholder")
    ]
    if not places:
        return
    place = rng.choice(places)
    op = registry.find(nodes[place].op)
    specs = [s for s in op.signature.attrs if s.name not in op.signature.inferred_attrs] if op else []
    if not specs:
        return
    spec = rng.choice(specs)
    old = nodes[place].attrs.get(spec.name)
    value = (
        _changed_list(rng, old)
        if isinstance(old, tuple) and rng.random() < 0.7
        else edge_values.attribute(rng, spec)
    )
    nodes[place] = replace(nodes[place], attrs={**nodes[place].attrs, spec.name: value})


def _changed_list(rng: Random, items: tuple[Any, ...]) -> tuple[Any, ...]:
    changed = list(items)
    match rng.randrange(3):
        case 0 if changed:
            changed.pop(rng.randrange(len(changed)))
        case 1 if changed and type(changed[0]) is int:
            changed[rng.randrange(len(changed))] = rng.choice(edge_values.INTEGERS)
        case _:
            changed.insert(rng.randrange(len(changed) + 1), rng.choice(changed) if changed else 1)
    return tuple(changed)


def _change_type(rng: Random, nodes: list[Node]) -> None:
    """Changes a type attribute of a node and the dtypes of the constants that it reads."""
    node = nodes[-1]
    op = registry.find(node.op)
    types = (
        [s for s in op.signature.attrs if s.kind == "type" and s.name in op.signature.inferred_attrs]
        if op
        else []
    )
    if not types or op is None:
        return
    spec = rng.choice(types)
    dtype: Any = rng.choice(spec.allowed) if spec.allowed else dtypes.BY_NAME[rng.choice(edge_values.COMMON)]
    try:
        bound = op.signature.bind(node)
        new = replace(node, attrs={**node.attrs, spec.name: dtype})
        after = op.signature.bind(new)
    except TfgError:
        return
    nodes[-1] = new
    by_name = {n.name: i for i, n in enumerate(nodes)}
    for source, before, wanted in zip(node.inputs, bound.input_types, after.input_types):
        if before is not wanted:
            _retype(nodes, by_name, source, wanted)


def _retype(nodes: list[Node], by_name: dict[str, int], source: str, dtype: Any) -> None:
    for name in (source, f"{source}/value"):
        place = by_name.get(name)
        if place is None or "dtype" not in nodes[place].attrs:
            continue
        if nodes[place].op == "Const":
            array = _array(nodes[place])
            if array is not None and not dtype.is_ref and dtype.name not in ("resource", "variant"):
                nodes[place] = constant(name, edge_values.cast(array, dtype), dtype)
        else:
            nodes[place] = replace(nodes[place], attrs={**nodes[place].attrs, "dtype": dtype})


def _rewire(rng: Random, nodes: list[Node]) -> None:
    place = rng.randrange(len(nodes))
    inputs = list(nodes[place].inputs)
    if inputs:
        inputs[rng.randrange(len(inputs))] = rng.choice(nodes[: place + (rng.random() < 0.1)] or nodes).name
        nodes[place] = replace(nodes[place], inputs=tuple(inputs))


_MUTATIONS: list[Mutation] = [
    _change_shape,
    _change_shape,
    _change_elements,
    _change_elements,
    _change_attribute,
    _change_attribute,
    _change_type,
    _rewire,
]
