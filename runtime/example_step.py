"""A step that shows what a graph computes: outputs to fetch, the inputs that they need, and what initializes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..graphfmt.errors import TfgError
from ..graphfmt.graph import Endpoint, endpoint
from ..graphfmt.traversal import ancestors
from ..kernels.core import registry
from ..kernels.core.op_sets import PLACEHOLDERS, RESTORERS, SWITCHES, VARIABLES
from ..kernels.core.traits import Role
from .passes import validation
from .passes.optimizers.initializers import initial_assignments
from .plan.control_flow.nesting import NodeNesting
from .summary import output_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from ..graphfmt.graph import Graph
    from .summary import NodeSummary, Summary

_MOST_FETCHES = 3
_MOST_INITIALISERS = 8
# Operations that fill a lookup table.
_TABLE_INITIALISERS = ("InitializeTable", "LookupTableImport")


class ExampleStep(NamedTuple):
    """A step that needs no file: its feeds, its fetches or its target, and the nodes to run first.

    ``needs_checkpoint``: some variables have no initial value in the graph.
    """

    feeds: Sequence[NodeSummary]
    fetches: Sequence[str]
    targets: Sequence[str]
    init: Sequence[str]
    needs_checkpoint: bool = False


def example_step(graph: Graph, summary: Summary) -> ExampleStep | None:
    """Returns a step with up to three outputs of a graph, or one target; None if nothing can be run.

    Outputs that can be computed from initial values come before those that need a checkpoint; outputs that may be
    dead, and those that need a resource to be fed, are left out.
    """
    can_fetch = _fetchable(graph)
    outputs = [e for e in summary.outputs if not _is_opaque(e) and can_fetch(e.name)]
    steps = [_step(graph, summary, [entry.name], ()) for entry in outputs[:50]]
    for needs_checkpoint in (False, True):
        names = [s.fetches[0] for s in steps if s is not None and s.needs_checkpoint is needs_checkpoint]
        if names:
            return _step(graph, summary, names[:_MOST_FETCHES], ())
    targets = (_step(graph, summary, (), [name]) for name in summary.targets)
    return next((step for step in targets if step is not None and not step.needs_checkpoint), None)


def needed_initialisers(graph: Graph, summary: Summary, names: Sequence[str]) -> tuple[list[str], bool]:
    """Returns the nodes that give the variables and tables under ``names`` their first values, and whether all
    have one."""
    needed = ancestors(graph, [endpoint(name).node for name in names])
    assignments = initial_assignments(graph)
    variables = [name for name in needed if graph[name].op in VARIABLES]
    wanted = {assignments[name].name for name in variables if name in assignments}
    wanted.update(_table_initialisers(graph, needed))
    wanted.difference_update(needed)
    groups: list[str] = []
    for target in summary.targets:
        reached = ancestors(graph, [target])
        if wanted & reached.keys() and not any(_needs_data(graph, name) for name in reached):
            groups.append(target)
            wanted -= reached.keys()
    is_complete = all(name in assignments for name in variables)
    return [*groups, *(node.name for node in graph.nodes if node.name in wanted)], is_complete


def _step(
    graph: Graph, summary: Summary, fetches: Sequence[str], targets: Sequence[str]
) -> ExampleStep | None:
    """Returns the step with its feeds and initializers; None if it cannot be run."""
    ends = [*fetches, *targets]
    try:
        needed = ancestors(graph, [endpoint(name).node for name in ends])
        init, is_complete = needed_initialisers(graph, summary, ends)
    except TfgError:
        return None
    waits = [name for name in needed if _waits(graph, name)]
    if waits:
        needed, past = _fed_past(graph, ends, waits)
        init, is_complete = needed_initialisers(graph, summary, [*needed])
    else:
        past = []
    feeds = [e for e in summary.inputs if e.op in PLACEHOLDERS and endpoint(e.name).node in needed] + past
    # Nobody can make up values of unknown rank for what stands behind a queue.
    if any(entry.shape.dims is None for entry in past):
        return None
    if any(map(_is_opaque, feeds)) or len(init) > _MOST_INITIALISERS:
        return None
    return ExampleStep(feeds, fetches, targets, init, not is_complete)


def _waits(graph: Graph, name: str) -> bool:
    op = registry.find(graph[name].op)
    return op is not None and op.asynchronous and op.role is not Role.RECV


def _fed_past(
    graph: Graph, ends: Sequence[str], waits: Collection[str]
) -> tuple[dict[str, None], list[NodeSummary]]:
    """Returns the nodes of a step for which the outputs of nodes that wait (for a queue, a reader) are fed, and those
    outputs."""
    needed: dict[str, None] = {}
    outputs: dict[Endpoint, None] = {}
    stack = [endpoint(name).node for name in ends]
    while stack:
        name = stack.pop()
        if name in needed or name in waits:
            continue
        needed[name] = None
        for text in graph[name].inputs:
            source = endpoint(text)
            if source.node in waits and not source.is_control:
                outputs[source] = None
            stack.append(source.node)
    facts = validation.shapes(graph)
    return needed, [output_summary(graph[e.node], e.port, facts) for e in outputs]


def _fetchable(graph: Graph) -> Callable[[str], bool]:
    """Returns a test for outputs that are outside of loops and branches."""
    if not any(node.op in SWITCHES for node in graph.nodes):
        return lambda name: True
    try:
        nesting = NodeNesting(graph)
    except TfgError:
        return lambda name: False

    def is_free(name: str) -> bool:
        source = endpoint(name)
        return not nesting.frame(source.node) and not nesting.conditions(source)

    return is_free


def _is_opaque(entry: NodeSummary) -> bool:
    return entry.dtype is None or entry.dtype.name in ("resource", "variant")


def _needs_data(graph: Graph, name: str) -> bool:
    return graph[name].op in PLACEHOLDERS or graph[name].op in RESTORERS


def _table_initialisers(graph: Graph, needed: Collection[str]) -> Iterator[str]:
    for node in graph.nodes:
        if node.op.startswith(_TABLE_INITIALISERS) and node.data_inputs[0].node in needed:
            yield node.name
