"""Builds the plan of a signature: prune to what is needed, infer dtypes and shapes, bind kernels, generate code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import TfgError, invalid
from ...graphfmt.gc_pause import paused_gc
from ...graphfmt.graph import Endpoint
from ...graphfmt.names import counted
from ...graphfmt.shapes import Shape
from ...kernels.core.binding import bind
from ...kernels.core.op_sets import LOOP_NODES
from ...kernels.core.traits import Role
from ..passes.fed_edges import fed_fact
from ..passes.prune import prune
from .codegen import generate_segment
from .feeds import feed_of_fact, unread_feed
from .instruction_order import needed_instructions, sends_first
from .ir import Alias, Constant, KernelCall, is_asynchronous, is_control_flow, lower_node
from .segment_plan import SegmentPlan
from .state_access import step_access
from .typed_graph import type_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ...graphfmt.graph import Graph
    from ...kernels.codegen.expression import ElementLoop
    from ...kernels.core.facts import Fact
    from ...kernels.functions.library import Library
    from ..execution.functions import Functions
    from ..execution.gpu import Gpu
    from ..passes.prune import PrunedGraph, StepSignature
    from .instruction import Instruction
    from .scheduled_plan import ScheduledPlan
    from .typed_graph import TypedNode


@dataclass(frozen=True, eq=False, repr=False)
class BuildOptions:
    """Options for building plans.

    Attributes:
        traced: every node's time is recorded.
        functions: the library that nodes call functions of.
        compile_control_flow: well-formed loops and branches run as Python's own.
        known_facts: what is known of the outputs of some nodes by other means than inference, by node name: of the
            fed placeholders of a function, of the receives of a part.
        fetches_handles: resources and variants may be fetched, as by the body of a function.
        feed_shapes: the shapes of the feeds, in their order, where the plan is for these alone.
        compile_loop: makes native code of elementwise loops; without it, every node runs its kernel.
        guard: takes a node and its kernel, and returns the kernel that the plan calls instead.
        optimize: nodes that compute the same are merged, and constants are folded. Traced plans show every node.
    """

    traced: bool = False
    functions: Functions | None = None
    compile_control_flow: bool = True
    known_facts: Mapping[str, Sequence[Fact]] | None = None
    fetches_handles: bool = False
    optimize: bool = True
    feed_shapes: Sequence[tuple[int, ...]] | None = None
    compile_loop: Callable[[ElementLoop], Callable[..., Sequence[Any]] | None] | None = None
    guard: Callable[[TypedNode, Callable[..., Any]], Callable[..., Any]] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class PartOptions:
    """Options for the plan of one device's part of a graph. ``maybe_dead`` are the names of its sends and receives
    whose values may be dead; ``counts_memory`` has it count the memory in use; ``gpu`` is the device that computes,
    None for the host."""

    maybe_dead: Collection[str] = ()
    counts_memory: bool = False
    gpu: Gpu | None = None


DEFAULT_OPTIONS = BuildOptions()

# The numbers of nodes between which passes pay.
_FEW_NODES, _MANY_NODES = 16, 100_000


def build_plan(
    graph: Graph, signature: StepSignature, options: BuildOptions = DEFAULT_OPTIONS
) -> SegmentPlan | ScheduledPlan:
    """The plan of a signature. Raises the first fault of the part of the graph that it needs."""
    with paused_gc():
        builder = _Builder(graph, signature, options, None)
        if any(is_asynchronous(one) or is_control_flow(one) for one in builder.instructions):
            return builder.scheduled_plan()
        return builder.segment_plan()


def build_part(
    graph: Graph, signature: StepSignature, options: BuildOptions, part: PartOptions
) -> ScheduledPlan:
    """The plan of a signature of one device's part of a graph, whose loops need not be whole. Raises as
    ``build_plan``."""
    with paused_gc():
        return _Builder(graph, signature, options, part).scheduled_plan()


class _Builder:
    """Lowers a graph to instructions. ``facts`` are those of every node's outputs; ``parameters`` are the outputs that
    are fed, None for one that nothing reads."""

    def __init__(
        self, graph: Graph, signature: StepSignature, options: BuildOptions, part: PartOptions | None
    ) -> None:
        self.options = options
        self.part = part
        self.pruned = prune(graph, signature)
        if part is None and options.optimize and not options.traced:
            self.pruned = _optimized(self.pruned, self._library)
        frames = _frames(self.pruned, is_whole=part is None)
        typed = type_graph(self.pruned.graph, self._library, self._known_facts())
        self.facts: dict[str, Sequence[Fact]] = {one.name: one.output_facts for one in typed}
        if not options.fetches_handles:
            for name, fetch in zip(signature.fetches, self.pruned.fetches):
                _check_fetch(graph, name, fetch, self.facts[fetch.node])
        self.parameters = tuple(None if name is None else Endpoint(name, 0) for name in self.pruned.arguments)
        self.feeds = tuple(
            unread_feed(name, graph) if parameter is None else feed_of_fact(name, self._fact(parameter))
            for name, parameter in zip(signature.feeds, self.parameters)
        )
        self.instructions = self._needed(graph, typed)
        self.maybe_dead = _maybe_dead(self.instructions) if part is None else part.maybe_dead
        if options.compile_control_flow and any(map(is_control_flow, self.instructions)):
            self.instructions = self._compile_control_flow(frames)

    def _known_facts(self) -> Mapping[str, Sequence[Fact]] | None:
        """Facts that do not come from inference: those given, and the shapes of the feeds of such a plan."""
        shapes = self.options.feed_shapes
        if shapes is None:
            return self.options.known_facts
        known = dict(self.options.known_facts or {})
        for argument, shape in zip(self.pruned.arguments, shapes):
            if argument is not None and argument not in known:
                fact = fed_fact(self.pruned.graph, Endpoint(argument, 0))
                known[argument] = [fact._replace(shape=Shape(shape))]
        return known

    @property
    def _library(self) -> Any:
        return self.options.functions.library if self.options.functions is not None else None

    def _fact(self, source: Endpoint) -> Fact:
        return self.facts[source.node][source.port]

    def _needed(self, graph: Graph, typed: Sequence[TypedNode]) -> list[Instruction]:
        """The instructions that the step needs, in order, and with them the step's access to the state."""
        changing = {one.name for one in typed if one.op.changes_state(one.bound)}
        fed = {parameter.node for parameter in self.parameters if parameter is not None}
        instructions = [self._lower(graph, one) for one in typed if one.name not in fed]
        observable = _observable(instructions, changing, self.part.maybe_dead if self.part else ())
        ends = [*(fetch.node for fetch in self.pruned.fetches), *self.pruned.targets]
        needed = needed_instructions(instructions, ends, observable)
        self.changes_state = any(one.name in changing for one in needed)
        nodes = (one.typed.node for one in needed if isinstance(one, (Alias, Constant, KernelCall)))
        self.access = step_access(nodes, self._library, changes=self.changes_state)
        return needed

    def _lower(self, graph: Graph, typed: TypedNode) -> Instruction:
        """A node as an instruction; one whose value is known and that does nothing else needs no kernel."""
        outputs = typed.output_facts
        if len(outputs) == 1 and outputs[0].constant is not None and not typed.op.stateful:
            return Constant(typed)
        gpu = self.part.gpu if self.part is not None else None
        xp = np if gpu is None else gpu.xp
        try:
            kernel = bind(typed.op, typed.node, typed.bound, typed.input_facts, xp, self.options.functions)
        except TfgError as error:
            raise graph.error_at(error, typed.name) from error.__cause__
        guard = self.options.guard
        return lower_node(typed, kernel if guard is None else guard(typed, kernel))

    def _compile_control_flow(self, frames: Mapping[str, tuple[str, ...]]) -> list[Instruction]:
        # Few graphs have loops or branches; the others start without the machinery.
        from .control_flow.loops import compile_control_flow

        fetched = {fetch.node for fetch in self.pruned.fetches}
        return compile_control_flow(self.instructions, self.facts, frames, fetched, self.maybe_dead)

    def segment_plan(self) -> SegmentPlan:
        """The plan that is one function."""
        instructions = self.instructions
        if self.options.compile_loop is not None:
            # Most plans run too few steps to be compiled.
            from .clusters import join_clusters

            instructions = join_clusters(instructions, self.pruned.fetches, self.options.compile_loop)
        segment = generate_segment(
            instructions,
            self.facts,
            self.parameters,
            self.pruned.fetches,
            traced=self.options.traced,
        )
        return SegmentPlan(
            graph=self.pruned.graph,
            feeds=self.feeds,
            fetches=self.pruned.fetches,
            changes_state=self.changes_state,
            access=self.access,
            segment=segment,
        )

    def scheduled_plan(self) -> ScheduledPlan:
        """The plan of tasks."""
        from .scheduled_plan import ScheduledPlan
        from .segmentation import build_tasks

        part = self.part or PartOptions()
        instructions = self.instructions if self.part is None else sends_first(self.instructions)
        tasks = build_tasks(
            instructions,
            self.facts,
            [parameter for parameter in self.parameters if parameter],
            self.pruned.fetches,
            maybe_dead=self.maybe_dead,
            traced=self.options.traced,
            counts_memory=part.counts_memory,
            gpu=part.gpu,
        )
        constants = {Endpoint(one.name, 0): one.value for one in instructions if isinstance(one, Constant)}
        return ScheduledPlan(
            graph=self.pruned.graph,
            feeds=self.feeds,
            fetches=self.pruned.fetches,
            changes_state=self.changes_state,
            access=self.access,
            parameters=self.parameters,
            constants=constants,
            tasks=tasks,
        )


def _optimized(pruned: PrunedGraph, library: Library | None) -> PrunedGraph:
    # A small graph starts without the passes, and a very large one gains less from them than they take.
    if not _FEW_NODES <= len(pruned.graph.nodes) <= _MANY_NODES:
        return pruned
    from ..passes.optimization.step_passes import optimize_step

    return optimize_step(pruned, library)


def _frames(pruned: PrunedGraph, *, is_whole: bool) -> Mapping[str, tuple[str, ...]]:
    """The loops around each node, once they have been checked; those of a part need not be whole."""
    if not any(node.op in LOOP_NODES for node in pruned.graph.nodes):
        return {}
    from .control_flow.frames import check_fetches, check_whole, frames

    by_node = frames(pruned.graph)
    check_fetches(pruned.graph, by_node, pruned.fetches)
    if is_whole:
        check_whole(pruned.graph, by_node)
    return by_node


def _observable(
    instructions: Sequence[Instruction], changing: Collection[str], maybe_dead: Collection[str]
) -> Collection[str]:
    """Nodes that must execute even if constant-folded: control flow, state changes, sends and receives that may be
    dead, and what depends on them."""
    observable = set(maybe_dead)
    for one in instructions:
        depends = bool(observable) and any(source.node in observable for source in one.dependencies)
        if depends or is_control_flow(one) or one.name in changing:
            observable.add(one.name)
    return observable


def _maybe_dead(instructions: Sequence[Instruction]) -> Collection[str]:
    """The sends and receives of a plan that may be dead: all, if there is any control flow."""
    calls = [one for one in instructions if isinstance(one, KernelCall)]
    if not any(call.typed.op.is_control_flow for call in calls):
        return ()
    return {call.name for call in calls if call.typed.op.role in (Role.SEND, Role.RECV)}


def _check_fetch(graph: Graph, name: str, fetch: Endpoint, outputs: Sequence[Fact]) -> None:
    if not outputs:
        error = invalid(f"node {fetch.node!r} has no output to fetch", hint=f"add --target {fetch.node}")
    elif fetch.port >= len(outputs):
        error = invalid(f"cannot fetch {name!r}: node {fetch.node!r} has {counted(len(outputs), 'output')}")
    elif outputs[fetch.port].dtype.name in ("resource", "variant"):
        error = invalid(f"cannot fetch {name!r}, which is a {outputs[fetch.port].dtype}")
    else:
        return
    raise graph.error_at(error, fetch.node)
