"""The function library of a graph: functions by name, their instances, and the facts of their results."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

from ...graphfmt.attributes import AttrValue, Function
from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.graph import Graph, Node
from ...graphfmt.names import counted, did_you_mean
from ...graphfmt.shapes import UNKNOWN, Shape
from ...graphfmt.tensors import TensorValue
from ...graphfmt.traversal import reachable_from
from ..core import registry
from ..core.facts import Fact
from ..core.traits import BodyExecution
from .instantiation import Instantiation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from ...graphfmt.dtypes import DType
    from ...graphfmt.graph import FunctionDef
    from ...graphfmt.text.source import SourceText
    from ..core.registry import Op
    from .call_gradients import CallParts
    from .instantiation import Instance

# The depth of nested calls up to which shapes are inferred; results of deeper calls are unknown.
_MAX_DEPTH = 24
# Constants of more elements are not facts of a function's arguments.
_MAX_CONSTANT = 64


class Library:
    """Functions by name. ``definitions`` may grow; a definition never changes."""

    def __init__(
        self,
        definitions: dict[str, FunctionDef],
        gradients: Mapping[str, str] | None = None,
        source: SourceText | None = None,
    ) -> None:
        self.definitions = definitions
        self.gradients = gradients or {}
        self.source = source
        self._lock = RLock()
        self._ops: dict[str, Op] = {}
        self._instances: dict[Any, Instance] = {}
        self._results: dict[Any, tuple[Fact, ...]] = {}
        self._inferring: list[Any] = []
        self._recursive: dict[str, bool] = {}
        # Names that functions call, or that may be operations, without a definition: once there is one, other
        # functions may be recursive.
        self._missing: set[str] = set()
        self._known = 0
        # The functions that are being differentiated, callers first; what has been made of functions for the gradients
        # of calls, by their signatures.
        self.differentiating: list[str] = []
        self.call_parts: dict[Any, CallParts] = {}

    def definition(self, name: str) -> FunctionDef:
        """Returns the function of that name. Raises NOT_FOUND with a similar name as a hint."""
        found = self.definitions.get(name)
        if found is None:
            raise unknown_function(name, self.definitions)
        return found

    def op(self, name: str) -> Op | None:
        """Returns the operation that calls a function by its name; None if there is no such function."""
        found = self._ops.get(name)
        if found is None:
            definition = self.definitions.get(name)
            if definition is None:
                return None
            from .function_calls import function_op

            found = self._ops[name] = function_op(definition)
        return found

    def instance(self, function: Function) -> Instance:
        """A function with the attributes of a call.

        Raises NOT_FOUND where there is no such function, INVALID_ARGUMENT where its body does not hold.
        """
        attrs = {name: value for name, value in function.attrs.items() if not name.startswith("_")}
        key = (function.name, key_of_attrs(attrs))
        with self._lock:
            found = self._instances.get(key)
            if found is None:
                found = self._instances[key] = Instantiation(self, function.name, attrs).instance()
            return found

    def faults(self, name: str) -> tuple[list[TfgError], set[str], Instance | None]:
        """Returns the faults in the way a function's body is written, the nodes that cannot be checked any
        further for that, and the body; None for one that needs a call's attributes to be looked at."""
        made = Instantiation(self, name, {})
        try:
            instance = made.instance(strict=False)
        except TfgError as error:
            return ([] if made.is_generic else [*made.faults, error]), set(), None
        return made.faults, made.broken, instance

    def check(self, function: Function, inputs: Sequence[DType], outputs: Sequence[DType]) -> Instance:
        """Returns the instance for a call. Raises INVALID_ARGUMENT if its arguments or results are of other types."""
        found = self.instance(function)
        for what, expected, given in (
            ("takes", found.arg_types, tuple(t.base for t in inputs)),
            ("gives", found.result_types, tuple(outputs)),
        ):
            if len(expected) != len(given):
                noun = "argument" if what == "takes" else "result"
                raise invalid(
                    f"function {function.name!r} {what} {counted(len(expected), noun)}, not {len(given)}"
                )
            for position, (a, b) in enumerate(zip(expected, given)):
                if a is not b:
                    noun = "argument" if what == "takes" else "result"
                    raise invalid(f"{noun} {position} of function {function.name!r} is {a}, not {b}")
        return found

    def infer(self, function: Function, facts: Sequence[Fact]) -> tuple[Fact, ...]:
        """Returns the facts of the results of a call. Only dtypes are known for mutually recursive functions, and
        if the body cannot take such arguments: the call may never happen, so that is no error here."""
        found = self.instance(function)
        given = self.narrowed(function.name, found, facts)
        key = (id(found), key_of_facts(given))
        with self._lock:
            known = self._results.get(key)
            if known is None:
                if function.name in self._inferring or len(self._inferring) >= _MAX_DEPTH:
                    return tuple(Fact(dtype) for dtype in found.result_types)
                self._inferring.append(function.name)
                try:
                    known = self._results[key] = _results_of(self, found, given)
                finally:
                    self._inferring.pop()
            return known

    def narrowed(self, name: str, found: Instance, facts: Sequence[Fact]) -> list[Fact]:
        """Returns the facts of the arguments that shape inference of the body begins with."""
        if self.is_recursive(name):
            # The facts could differ at every depth, without end.
            return [Fact(dtype, handle=fact.handle) for dtype, fact in zip(found.arg_types, facts)]
        return [_narrowed(fact) for fact in facts]

    def is_recursive(self, name: str) -> bool:
        """True if a function calls itself, directly or through others."""
        with self._lock:
            if self._known != len(self.definitions):
                self._known = len(self.definitions)
                if not self._missing.isdisjoint(self.definitions):
                    self._recursive.clear()
                    self._missing.clear()
            if name not in self._recursive:
                self._find_cycles(name)
            return self._recursive[name]

    def _find_cycles(self, start: str) -> None:
        """Marks the recursive functions among those reachable: strongly connected components (Tarjan), iteratively."""
        place: dict[str, int] = {}
        lowest: dict[str, int] = {}
        waiting: list[str] = []
        path: list[tuple[str, Iterator[str]]] = []

        def enter(name: str) -> None:
            place[name] = lowest[name] = len(place)
            waiting.append(name)
            path.append((name, iter(set(self._callees(name)))))

        enter(start)
        while path:
            name, callees = path[-1]
            callee = next(callees, None)
            if callee is None:
                path.pop()
                if path:
                    caller = path[-1][0]
                    lowest[caller] = min(lowest[caller], lowest[name])
                if lowest[name] == place[name]:
                    group = waiting[waiting.index(name) :] if waiting[-1] != name else [name]
                    del waiting[-len(group) :]
                    for member in group:
                        self._recursive[member] = len(group) > 1 or member in set(self._callees(member))
            elif callee in self._recursive:
                continue
            elif callee not in place:
                enter(callee)
            else:
                lowest[name] = min(lowest[name], place[callee])

    def cycle(self, name: str) -> list[str]:
        """Returns a shortest cycle of calls from a function to itself; empty if there is none."""
        came_from: dict[str, str] = {}
        queue = [name]
        for caller in queue:
            for callee in self._callees(caller):
                if callee not in came_from:
                    came_from[callee] = caller
                    queue.append(callee)
            if name in came_from:
                path = [name, came_from[name]]
                while path[-1] != name:
                    path.append(came_from[path[-1]])
                return path[::-1]
        return []

    def uses(self, nodes: Sequence[Node], ops: Collection[str]) -> bool:
        """True if one of these operations is among the nodes, or in a function that they reach by calls."""
        bodies = (self.definitions[name].body for name in self.reachable_functions(nodes))
        return any(node.op in ops for body in (nodes, *bodies) for node in body)

    def reachable_functions(self, nodes: Iterable[Node]) -> set[str]:
        """Returns the functions that nodes reach by calls."""
        return self._reached(nodes, self._called_by)

    def always_called(self, nodes: Iterable[Node]) -> set[str]:
        """Returns the functions that running all of these nodes calls: no branches and bodies of loops."""

        def callees(node: Node) -> Iterator[str]:
            op = registry.find(node.op, self)
            is_certain = op is not None and op.calls is not None and op.calls.body is BodyExecution.PRUNED
            return self._called_by(node) if is_certain or node.op in self.definitions else iter(())

        return self._reached(nodes, callees)

    def _reached(self, nodes: Iterable[Node], callees: Callable[[Node], Iterable[str]]) -> set[str]:
        def called(body: Iterable[Node]) -> list[str]:
            return [name for node in body for name in callees(node) if name in self.definitions]

        return set(reachable_from(called(nodes), lambda name: called(self.definitions[name].body)))

    def _callees(self, name: str) -> Iterator[str]:
        definition = self.definitions.get(name)
        if definition is None:
            self._missing.add(name)
            return
        for node in definition.body:
            if node.op not in self.definitions:
                self._missing.add(node.op)
            yield from self._called_by(node)

    def _called_by(self, node: Node) -> Iterator[str]:
        if node.op in self.definitions:
            yield node.op
        for value in node.attrs.values():
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, Function):
                    yield item.name


def graph_library(graph: Graph) -> Library | None:
    """Returns the library of a graph; None if it has no functions."""
    if not graph.functions:
        return None
    return Library({f.name: f for f in graph.functions}, graph.gradients, graph.source)


def unknown_function(name: str, names: Mapping[str, Any]) -> TfgError:
    """Returns the NOT_FOUND error for a function."""
    return TfgError(
        Status.NOT_FOUND,
        f"function {name!r} is not in the library of the graph",
        hint=did_you_mean(name, names),
    )


def _results_of(library: Library, instance: Instance, given: Sequence[Fact]) -> tuple[Fact, ...]:
    from ...graphfmt.graph import endpoint
    from ..core.inference import infer_graph

    try:
        facts = infer_graph(instance.graph, {a: (f,) for a, f in zip(instance.args, given)}, library)
        ends = [endpoint(text) for text in instance.results]
        found = [facts[end.node][end.port] for end in ends]
    except TfgError:
        return tuple(Fact(dtype) for dtype in instance.result_types)
    if instance.targets or instance.stateful:
        # The call must happen even if its results are static.
        found = [fact._replace(constant=None) for fact in found]
    return tuple(_narrowed(fact) for fact in found)


def _narrowed(fact: Fact) -> Fact:
    if fact.constant is not None and (fact.constant.size > _MAX_CONSTANT or fact.dtype.is_opaque):
        fact = fact._replace(constant=None, elements=None)
    return fact._replace(dtype=fact.dtype.base)


def key_of_facts(facts: Sequence[Fact]) -> Any:
    """Returns facts as a dictionary key."""
    return tuple(
        (
            fact.dtype,
            fact.shape.dims,
            None if fact.constant is None else fact.constant.tobytes(),
            fact.elements,
            fact.handle,
        )
        for fact in facts
    )


def key_of_attrs(attrs: Mapping[str, AttrValue]) -> Any:
    """Returns attributes as a dictionary key."""
    return tuple(sorted((name, _key(value)) for name, value in attrs.items())) if attrs else ()


def _key(value: AttrValue) -> Any:
    if isinstance(value, tuple):
        return ("list", *map(_key, value))
    if isinstance(value, Function):
        return ("func", value.name, key_of_attrs(value.attrs))
    if isinstance(value, TensorValue):
        return ("tensor", repr(value))
    return (type(value).__name__, repr(value))


def join_facts(a: Fact, b: Fact) -> Fact:
    """Returns the facts that hold for either of two tensors."""
    return Fact(a.dtype, joined_shape(a.shape, b.shape), handle=a.handle if a.handle == b.handle else None)


def joined_shape(a: Shape, b: Shape) -> Shape:
    if a.dims is None or b.dims is None or len(a.dims) != len(b.dims):
        return UNKNOWN
    return Shape(tuple(x if x == y else None for x, y in zip(a.dims, b.dims)))


def loop_facts(
    infer: Callable[[Sequence[Fact]], Sequence[Fact]], facts: Sequence[Fact], passed_on: Sequence[bool]
) -> list[Fact]:
    """Returns the facts of loop variables that hold in every iteration, given those before the first.

    ``passed_on`` marks the loop invariants.
    """
    current = [_narrowed(f) if p else _narrowed(f)._replace(constant=None, elements=None)
               for f, p in zip(facts, passed_on)]  # fmt: skip
    for _ in range(8):
        after = infer(current)
        merged = [c if p else join_facts(c, a) for c, a, p in zip(current, after, passed_on)]
        if key_of_facts(merged) == key_of_facts(current):
            return current
        current = merged
    return [c if p else Fact(c.dtype) for c, p in zip(current, passed_on)]
