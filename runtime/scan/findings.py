"""The effects that a graph could have if it were run, node by node, in its functions too.

What an operation does stands in its declaration (``kernels.core.registry``); here it is collected, with the names of
files and resources where the graph states them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.devices import parse_device
from ...graphfmt.errors import TfgError
from ...graphfmt.graph import Graph
from ...kernels.core import registry
from ...kernels.core.traits import Role, StateAccess
from ...kernels.functions.library import graph_library
from .loops import unbounded_loops
from .named_files import named_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...graphfmt.errors import Location
    from ...graphfmt.graph import Node
    from ...kernels.core.registry import Op
    from ...kernels.functions.library import Library


class Kind(StrEnum):
    """The kind of a finding, the ones to look at first at the top."""

    READS = "reads"
    WRITES = "writes"
    NETWORK = "network"
    ENVIRONMENT = "environment"
    UNKNOWN = "unknown"
    LOOPS = "loops"
    WAITS = "waits"
    ABORTS = "aborts"
    PRINTS = "prints"
    STATE = "state"


class Finding(NamedTuple):
    """Something that a node could do.

    ``function`` is the function whose body has the node, empty for the graph itself; ``names`` are the files, devices
    or resources as far as the graph states them; ``detail`` is a sentence for people.
    """

    kind: Kind
    node: str
    op: str
    function: str
    names: Sequence[str]
    detail: str
    location: Location | None


# By the flags of ``traits.Effects``.
_EFFECTS = {
    "prints": (Kind.PRINTS, "prints values"),
    "aborts": (Kind.ABORTS, "ends the step with an error"),
    "uses_network": (Kind.NETWORK, "exchanges values with other processes"),
    "reads_environment": (Kind.ENVIRONMENT, "reads the clock or the environment"),
}


def find_effects(graph: Graph) -> list[Finding]:
    """Returns the findings of all nodes, and of the functions that they call, sorted by kind.

    Operations that this build does not have are findings themselves, so the graph need not be one that can run.
    """
    library = graph_library(graph)
    called = library.reachable_functions(graph.nodes) if library is not None else ()
    found = [*_ScannedBody(graph, library, "").findings(), *unbounded_findings(graph, library)]
    for function in graph.functions:
        if function.name in called:
            body = Graph(tuple(function.body), versions=graph.versions, source=graph.source)
            found += _ScannedBody(body, library, function.name).findings()
    order = list(Kind)
    return sorted(found, key=lambda one: order.index(one.kind))


def unbounded_findings(graph: Graph, library: Library | None) -> Iterator[Finding]:
    """Yields a finding for every loop, and every recursive function, that need not end."""
    for loop in unbounded_loops(graph, library):
        yield Finding(Kind.LOOPS, loop.node, loop.op, loop.function, (loop.name,), loop.detail, loop.location)


class _ScannedBody:
    """The nodes of a graph or of a function."""

    def __init__(self, graph: Graph, library: Library | None, function: str) -> None:
        self.graph = graph
        self.library = library
        self.function = function

    def findings(self) -> Iterator[Finding]:
        for node in self.graph.nodes:
            op = _find(node, self.library)
            if op is None:
                yield self._finding(Kind.UNKNOWN, node, (), "an operation that this build does not have")
                continue
            yield from self._files(node, op)
            yield from self._outside(node, op)
            yield from self._state(node, op)

    def _finding(self, kind: Kind, node: Node, names: Sequence[str], detail: str) -> Finding:
        location = self.graph.locate(node) if node.offset >= 0 else None
        return Finding(kind, node.name, node.op, self.function, names, detail, location)

    def _files(self, node: Node, op: Op) -> Iterator[Finding]:
        for kind, arguments in ((Kind.READS, op.effects.reads_files), (Kind.WRITES, op.effects.writes_files)):
            for argument in arguments:
                files = named_files(self.graph, node, op, argument)
                if files is not None:
                    yield self._finding(kind, node, files.names, files.detail)

    def _outside(self, node: Node, op: Op) -> Iterator[Finding]:
        for flag, (kind, detail) in _EFFECTS.items():
            if getattr(op.effects, flag):
                yield self._finding(kind, node, (), detail)
        if op.role in (Role.SEND, Role.RECV):
            ends = [_text(node.attrs.get(name)) for name in ("send_device", "recv_device")]
            if len(set(map(_task, ends))) > 1:
                yield self._finding(Kind.NETWORK, node, ends, "exchanges a value with another task")
        elif op.asynchronous:
            yield self._finding(Kind.WAITS, node, (), "may wait for other steps")

    def _state(self, node: Node, op: Op) -> Iterator[Finding]:
        container, shared = (_text(node.attrs.get(name)) for name in ("container", "shared_name"))
        name = shared or node.name
        # Exported variables all have a shared name: their own.
        is_shared = bool(container) or name != node.name
        if is_shared and op.stateful and op.state is not StateAccess.PER_STEP:
            where = f" of container {container!r}" if container else ""
            yield self._finding(Kind.STATE, node, (name,), f"shares the resource {name!r}{where}")


def _find(node: Node, library: Library | None) -> Op | None:
    try:
        return registry.find(node.op, library)
    except TfgError:
        return None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _task(device: str) -> tuple[object, ...]:
    try:
        return tuple(parse_device(device)[:3])
    except TfgError:
        return (device,)
