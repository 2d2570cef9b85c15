"""Validation: reports all faults of a graph in one pass.

Structural faults come first, then faults of each node: unknown operations, attributes, dtypes and shapes. A
fault that only follows from another is not reported.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ...graphfmt.devices import parse_device
from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.gc_pause import paused_gc
from ...graphfmt.graph import Endpoint, Graph, Node, endpoint
from ...graphfmt.names import ATTR_NAME, Hints, counted
from ...graphfmt.shapes import UNKNOWN
from ...kernels.core import registry
from ...kernels.core.facts import Fact
from ...kernels.core.inference import infer_node, topological_order, unknown_attr_errors
from ..plan.control_flow.frames import check_loops
from .graph_checks import fault_at_node, nodes_beyond_outputs, structure_faults

if TYPE_CHECKING:
    from ...graphfmt.signatures import Bound
    from ...kernels.core.registry import Op
    from ...kernels.functions.library import Library


@dataclass(frozen=True)
class Report:
    """The result of a validation: faults keep a graph from running, warnings name what is ignored, notes what would
    fail if it ran here. ``facts`` are those of every node's outputs, as far as faults allow."""

    faults: Sequence[TfgError]
    warnings: Sequence[TfgError]
    notes: Sequence[TfgError]
    facts: Mapping[str, Sequence[Fact]]


def validate(graph: Graph) -> Report:
    """Checks a graph and its functions. Faults, warnings and notes are ordered by source location where they have
    one."""
    library = _library(graph)
    checker = _Checker(graph, library)
    with paused_gc():
        checker.found += structure_faults(graph)
        checker.run()
        if library is not None:
            called = library.always_called(graph.nodes)
            for name in library.definitions:
                _check_function(checker, library, name, is_called=name in called)
    return Report(
        sorted(_once(checker.found, lambda e: (e.node, e.location, e.message)), key=_place),
        sorted(_once(checker.warnings, lambda e: e.message), key=_place),
        sorted(checker.notes, key=_place),
        checker.facts,
    )


def faults(graph: Graph) -> Sequence[TfgError]:
    """Returns all faults of a graph and its functions, ordered by source location where they have one."""
    return validate(graph).faults


def shapes(graph: Graph) -> Mapping[str, Sequence[Fact]]:
    """Returns the inferred facts of every node's outputs, as far as faults allow."""
    checker = _Checker(graph, _library(graph))
    checker.run()
    return checker.facts


def _place(error: TfgError) -> tuple[int, int]:
    return (error.location.line, error.location.column) if error.location else (0, 0)


def _once(errors: Iterable[TfgError], key: Callable[[TfgError], Hashable]) -> list[TfgError]:
    """Returns the first error of each key."""
    first: dict[Hashable, TfgError] = {}
    for error in errors:
        first.setdefault(key(error), error)
    return list(first.values())


def _library(graph: Graph) -> Library | None:
    if not graph.functions:
        return None
    from ...kernels.functions.library import graph_library

    return graph_library(graph)


def _check_function(checker: _Checker, library: Library, name: str, *, is_called: bool) -> None:
    """Adds what is found in a function's body; node names get the function's name as a prefix."""
    errors, broken, instance = library.faults(name)
    checker.found += errors
    if instance is None:
        return
    body = _Checker(instance.graph, library, is_body=True, is_called=is_called)
    body.found += structure_faults(instance.graph)
    body.run()
    for errors, into in (
        (body.found, checker.found),
        (body.warnings, checker.warnings),
        (body.notes, checker.notes),
    ):
        for error in errors:
            if error.node not in broken:
                error.node = f"{name}/{error.node}" if error.node else name
                into.append(error)


@dataclass
class _Checker:
    """Infers nodes in topological order and collects faults.

    In the body of a function (``is_body``), a node may be colocated with one of the caller; unless every run of the
    graph calls the function (``is_called``), its operations need not be known.

    A faulty node gets outputs of unknown shape, so that faults after it are found too; nodes with inputs of
    unknown dtype are skipped.
    """

    graph: Graph
    library: Library | None
    is_body: bool = False
    is_called: bool = True
    facts: dict[str, Sequence[Fact]] = field(default_factory=dict[str, Sequence[Fact]])
    found: list[TfgError] = field(default_factory=list[TfgError])
    warnings: list[TfgError] = field(default_factory=list[TfgError])
    notes: list[TfgError] = field(default_factory=list[TfgError])
    hints: Hints = field(default_factory=Hints)
    too_many: set[str] = field(default_factory=set[str])
    op_names: set[str] = field(default_factory=set[str])

    def run(self) -> None:
        """Checks all nodes, and the loops that they form."""
        whole = self._without_unknown_inputs()
        self.too_many.update(node.name for node in nodes_beyond_outputs(self.graph))
        try:
            for node in topological_order(whole):
                self._check(self.graph.index[node.name])
            if whole is self.graph:
                check_loops(self.graph)
        except TfgError as error:
            self.found.append(error)

    def _without_unknown_inputs(self) -> Graph:
        """Returns the graph without the edges that structural faults have reported, with each node once; the graph
        itself if it has no such fault."""
        index = self.graph.index
        if len(index) == len(self.graph.nodes) and all(
            _leads(text, index) for node in self.graph.nodes for text in node.inputs
        ):
            return self.graph
        return self.graph.with_nodes(
            Node(n.name, n.op, tuple(i for i in n.inputs if _leads(i, index)), offset=n.offset)
            for n in index.values()
        )

    def _check(self, node: Node) -> None:
        op = self._op(node.op)
        if op is None:
            self._unknown_op(node)
            return
        try:
            # Inputs out of order have been reported already.
            bound = op.signature.bind(_in_order(node))
            unknown_attrs = bound.unknown_attrs
        except TfgError as error:
            bound = None
            self._report_faults(op, node, error)
            unknown_attrs = op.signature.unknown_attrs(node)
        if unknown_attrs:
            self.warnings += unknown_attr_errors(self.graph, node, op, unknown_attrs)
        self._check_colocation(node)
        if node.device:
            self._check_device(node)
        if bound is not None and node.name not in self.too_many:
            self._infer(op, node, bound)

    def _report_faults(self, op: Op, node: Node, error: TfgError) -> None:
        """Reports all faults of a node's attributes; if it has none, the error of binding it."""
        faults = op.signature.faults(node)
        if not faults and node.name not in self.too_many:
            faults = [(None, error)]
        for attr, fault in faults:
            if attr is None or ATTR_NAME.fullmatch(attr):
                self._report(fault, node, attr=attr)

    def _op(self, name: str) -> Op | None:
        """Returns the operation of a name, or None; avoids loading all families for each unknown name."""
        if not name or (self.op_names and name not in self.op_names):
            return None
        found = registry.find(name, self.library)
        if found is None:
            self.op_names.update(op.name for op in registry.all_ops())
            self.op_names.update(self.library.definitions if self.library is not None else ())
        return found

    def _unknown_op(self, node: Node) -> None:
        if not node.op:
            return
        hint = self.hints.did_you_mean(node.op, self.op_names)
        error = TfgError(Status.NOT_FOUND, f"Op type not registered {node.op!r}", hint=hint)
        if self.is_called:
            self._report(error, node)
        else:
            self.notes.append(fault_at_node(self.graph, error, node))

    def _infer(self, op: Op, node: Node, bound: Bound) -> None:
        inputs = self._inputs(node, bound)
        try:
            if inputs is not None:
                self.facts[node.name] = infer_node(
                    op, node, bound, inputs, self.library, self.graph.versions.producer
                )
        except TfgError as error:
            self._report(error, node)
        if node.name not in self.facts:
            self.facts[node.name] = [Fact(dtype, UNKNOWN) for dtype in bound.output_types]

    def _inputs(self, node: Node, bound: Bound) -> list[Fact] | None:
        """Returns the facts of the inputs, or None if one is unknown or missing."""
        inputs: list[Fact] = []
        for position, text in enumerate(node.inputs):
            if _is_control(text):
                continue
            source = _parsed(text)
            if source is None:
                return None
            outputs = self.facts.get(source.node)
            if outputs is None:
                if source.node in self.graph and node.op in ("Merge", "RefMerge"):
                    inputs.append(Fact(bound.input_types[len(inputs)]))
                    continue
                return None
            if source.port >= len(outputs):
                message = f"input {text!r}: node {source.node!r} has {counted(len(outputs), 'output')}"
                self._report(TfgError(Status.INVALID_ARGUMENT, message), node, input=position)
                return None
            inputs.append(outputs[source.port])
        return inputs

    def _check_device(self, node: Node) -> None:
        try:
            parse_device(node.device)
        except TfgError as error:
            self._report(error, node)

    def _check_colocation(self, node: Node) -> None:
        value = node.attrs.get("_class")
        for item in value if isinstance(value, tuple) else ():
            if not isinstance(item, bytes) or not item.startswith(b"loc:@"):
                continue
            name = item[5:].decode("utf-8", "replace")
            if name not in self.graph:
                message = f"node {node.name!r} expects to be colocated with unknown node {name!r}"
                if self.is_body:
                    self.notes.append(fault_at_node(self.graph, invalid(message), node, attr="_class"))
                    continue
                hint = self.hints.did_you_mean(name, self.graph.index)
                self._report(invalid(message, hint=hint), node, attr="_class")

    def _report(
        self, error: TfgError, node: Node, *, input: int | None = None, attr: str | None = None
    ) -> None:
        self.found.append(fault_at_node(self.graph, error, node, input, attr))


def _is_control(text: str) -> bool:
    return text.startswith("^")


def _in_order(node: Node) -> Node:
    """Returns the node with its data inputs before its control inputs."""
    if len(node.inputs) < 2:
        return node
    inputs = tuple(sorted(node.inputs, key=_is_control))
    return node if inputs == node.inputs else replace(node, inputs=inputs)


def _parsed(text: str) -> Endpoint | None:
    try:
        return endpoint(text)
    except TfgError:
        return None


def _leads(text: str, index: Iterable[str]) -> bool:
    source = _parsed(text)
    return source is not None and source.node in index
