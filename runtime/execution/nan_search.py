"""The search for the node that made NaN, in a step that is run again with every node watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import TfgError, invalid
from ...graphfmt.graph import endpoint
from ...kernels.core import registry
from ...kernels.families.state.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ...graphfmt.checkpoints.hdf5.state_file import Key, SavedState
    from ...graphfmt.graph import Graph, Node

_HINT = "the state is that before the step; --allow-nan goes on"


def has_nan(value: Any) -> bool:
    """True for an array or number of floats with NaN in it."""
    dtype = getattr(value, "dtype", None)
    if dtype is None or dtype.kind not in "fcV":
        return False
    if dtype.kind == "f" and value.size:
        # The minimum is NaN if any element is; no array of flags is allocated.
        least = value.min()
        return bool(least != least)
    try:
        return bool(np.isnan(value).any())
    except TypeError:
        return False


def nan_variables(state: SavedState) -> Collection[Key]:
    """The variables of a state that have NaN."""
    return [
        key
        for key, arrays in state.resources.items()
        if key[1] == Variable.kind and any(map(has_nan, arrays.values()))
    ]


def _value(output: Any) -> Any:
    return output.value if isinstance(output, Variable) else output


class NanSearch:
    """Collects the nodes of a step whose outputs have NaN. ``watch`` is called after every node, in their order."""

    def __init__(self, graph: Graph, feeds: Mapping[str, Any]) -> None:
        self._graph = graph
        self._feeds = [endpoint(name).node for name, value in feeds.items() if has_nan(np.asarray(value))]
        self._order: dict[str, int] = dict.fromkeys(self._feeds, -1)
        self._updates: list[str] = []

    def watch(self, node: Node, outputs: Sequence[Any]) -> None:
        """Takes the outputs of a node; those that nothing reads may be left out."""
        inputs_bad = any(name in self._order for name in self._inputs(node))
        if any(map(has_nan, map(_value, outputs))):
            self._order.setdefault(node.name, len(self._order))
        if inputs_bad and (op := registry.find(node.op)) is not None and (op.stateful or "Ref(" in op.text):
            self._updates.append(node.name)

    def _inputs(self, node: Node) -> list[str]:
        return [endpoint(name).node for name in node.inputs if not name.startswith("^")]

    def explain(self, what: str, fetches: Sequence[str]) -> TfgError:
        """The error that names the first node with NaN on the way to the fetches, else to an update of the state."""
        ends = [endpoint(name).node for name in fetches] + self._updates
        start = next((name for name in ends if name in self._order or name in self._updates), None)
        if start is None:
            start = next(iter(self._order), None)
        if start is None:
            return invalid(what, hint=_HINT)
        found = self._origin(start)
        if found in self._feeds:
            return invalid(f"{what}; the feed {found!r} has NaN", hint=_HINT)
        if found not in self._graph:
            return invalid(f"{what}; {found!r} made it", hint=_HINT)
        node = self._graph[found]
        error = invalid(f"{what}; the first node that made it is {found!r} ({node.op})", hint=_HINT)
        return self._graph.error_at(error, found)

    def _origin(self, name: str) -> str:
        """Follows inputs with NaN back to a node that has none."""
        seen: set[str] = set()
        while name not in seen and name in self._graph and name not in self._feeds:
            seen.add(name)
            sources = [s for s in self._inputs(self._graph[name]) if s in self._order and s not in seen]
            if not sources:
                break
            name = min(sources, key=self._order.__getitem__)
        return name
