"""The scopes in which a drawing shows nodes: name scopes, and loops and branches as scopes of their own."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ...graphfmt.errors import TfgError
from ...graphfmt.graph import Endpoint
from ...kernels.core.op_sets import EXITS, LOOP_NODES, MERGES, SWITCHES
from ..plan.control_flow.nesting import NodeNesting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.graph import Graph

# Labels and kinds of regions from the outermost to the innermost.
_Regions = tuple[tuple[str, str], ...]


class NodeRegions:
    """The scopes around each node, from the outermost to the innermost."""

    def __init__(self, regions: Mapping[str, _Regions], names: Sequence[str]) -> None:
        self._regions = regions
        self._insertions: dict[_Regions, tuple[str, ...]] = {}
        self._own: dict[_Regions, bool] = {}
        members: dict[_Regions, list[str]] = defaultdict(list)
        for name, inside in regions.items():
            for depth in range(1, len(inside) + 1):
                members[inside[:depth]].append(name)
        by_scope: dict[tuple[str, ...], int] = defaultdict(int)
        for name in names if regions else ():
            parts = _scopes(name)
            for depth in range(1, len(parts) + 1):
                by_scope[parts[:depth]] += 1
        for region, nodes in members.items():
            common = _common([_scopes(name) for name in nodes])
            self._insertions[region] = common
            # A scope that has these nodes and no others is the box of the region.
            self._own[region] = bool(common) and by_scope[common] == len(nodes)

    def path(self, name: str) -> list[tuple[str, str]]:
        """Returns label and kind of the scopes around a node."""
        scopes = _scopes(name)
        inside = self._regions.get(name, ())
        if not inside:
            return [(part, "scope") for part in scopes]
        path: list[tuple[str, str]] = [(part, "scope") for part in scopes]
        # From the innermost out, so that positions of outer regions stay valid.
        for depth in range(len(inside), 0, -1):
            region = inside[:depth]
            at = len(self._insertions[region])
            label, kind = region[-1]
            if self._own[region]:
                path[at - 1] = (path[at - 1][0], kind)
            else:
                path.insert(at, (label, kind))
        return path


def node_regions(graph: Graph) -> NodeRegions:
    """Finds the loops and branches of a graph; none where its control flow is malformed."""
    names = [node.name for node in graph.nodes]
    if not any(node.op in LOOP_NODES or node.op in SWITCHES for node in graph.nodes):
        return NodeRegions({}, names)
    try:
        return NodeRegions(_regions(graph), names)
    except TfgError:
        return NodeRegions({}, names)


def _regions(graph: Graph) -> Mapping[str, _Regions]:
    nesting = NodeNesting(graph)
    regions: dict[str, _Regions] = {}
    for node in graph.nodes:
        frame = nesting.inside(node)
        inside: list[tuple[str, str]] = [(f"loop {name}", "loop") for name in frame]
        if node.op not in SWITCHES | MERGES | EXITS:
            conditions = nesting.ordered(nesting.branches(Endpoint(node.name, 0)))
            inside += [
                (f"if {predicate.node}: {'true' if branch else 'false'}", "branch")
                for predicate, branch in conditions
            ]
        if inside:
            regions[node.name] = tuple(inside)
    return regions


def _scopes(name: str) -> tuple[str, ...]:
    return tuple(name.split("/")[:-1])


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    least, most = min(paths), max(paths)
    length = next((i for i, (a, b) in enumerate(zip(least, most)) if a != b), min(len(least), len(most)))
    return least[:length]
