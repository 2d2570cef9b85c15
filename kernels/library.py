"""The function library of a graph: functions by name, their bodies as plain graphs, and what is known of
their results.

A FunctionDef names what its nodes read by output argument (``node:output:index``), and its attributes may
stand for values that a caller gives. An *instance* has those filled in: its body is a graph like any other,
whose arguments are placeholders.
"""

from __future__ import annotations

from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

from ..graphfmt import dtypes
from ..graphfmt.attributes import AttrValue, Function, Placeholder
from ..graphfmt.errors import Status, TfgError, invalid
from ..graphfmt.graph import Graph, Node
from ..graphfmt.names import counted, did_you_mean
from ..graphfmt.shapes import UNKNOWN, Shape
from ..graphfmt.tensors import TensorValue
from . import registry
from .facts import Fact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from ..graphfmt.dtypes import DType
    from ..graphfmt.graph import Argument, FunctionDef
    from ..graphfmt.source import Source
    from .registry import Op

# Calls within calls are looked into so deep while shapes are inferred; deeper ones are unknown.
_MAX_DEPTH = 24
# Larger constants are not handed on to the body of a function.
_MAX_CONSTANT = 64
_PRUNED = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_LOWERED = frozenset({"If", "StatelessIf", "Case", "StatelessCase", "While", "StatelessWhile"})


class Instance(NamedTuple):
    """A function with its attributes given. ``args`` are the placeholders of its ``graph``, ``results`` its
    outputs as inputs are written. ``targets`` run with every call, whether or not a result needs them, and
    ``stateful`` nodes with some calls; see ``always``."""

    name: str
    graph: Graph
    args: tuple[str, ...]
    arg_types: tuple[DType, ...]
    results: tuple[str, ...]
    result_types: tuple[DType, ...]
    targets: tuple[str, ...]
    stateful: tuple[str, ...]

    def always(self, node: Node) -> tuple[str, ...]:
        """What runs whenever a node calls this function: its control results, and every stateful node
        unless the node is of those whose bodies TensorFlow prunes or writes out in their place."""
        lowered = node.op in _LOWERED and node.attrs.get("_lower_using_switch_merge") is True
        if lowered or node.op in _PRUNED:
            return self.targets
        return tuple(dict.fromkeys([*self.targets, *self.stateful]))

    def is_passed_on(self, position: int) -> bool:
        """Whether the result at a position is just the argument at that position."""
        return self.results[position : position + 1] == self.args[position : position + 1]


class Library:
    """Functions by name. ``definitions`` may grow, but what has a name stays as it is."""

    def __init__(
        self,
        definitions: dict[str, FunctionDef],
        gradients: Mapping[str, str] | None = None,
        source: Source | None = None,
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
        self._known = 0
        # The functions whose gradients are being made.
        self.differentiating: list[str] = []

    def definition(self, name: str) -> FunctionDef:
        """The function of that name. Raises NOT_FOUND with the nearest name there is."""
        found = self.definitions.get(name)
        if found is None:
            raise missing(name, self.definitions)
        return found

    def op(self, name: str) -> Op | None:
        """The operation that calls a function by its name; None where there is no such function."""
        found = self._ops.get(name)
        if found is None:
            definition = self.definitions.get(name)
            if definition is None:
                return None
            from .named_calls import op_of

            found = self._ops[name] = op_of(definition)
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
                found = self._instances[key] = _Instantiation(self, function.name, attrs).instance()
            return found

    def faults(self, name: str) -> tuple[list[TfgError], set[str], Instance | None]:
        """What is wrong with the way a function's body is written, the nodes that cannot be checked any
        further for that, and the body; None for one that needs a call's attributes to be looked at."""
        made = _Instantiation(self, name, {})
        try:
            instance = made.instance(strict=False)
        except TfgError as error:
            return ([] if made.is_generic else [*made.faults, error]), set(), None
        return made.faults, made.broken, instance

    def check(self, function: Function, inputs: Sequence[DType], outputs: Sequence[DType]) -> Instance:
        """The instance for a call. Raises INVALID_ARGUMENT where it takes or gives something else."""
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
        """What is known of the results of a call; little where functions call each other in a circle, and
        where the body cannot take such arguments, for the call may never come to pass."""
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
        """The facts of a call's arguments that its body is worked out with."""
        if self.is_recursive(name):
            # Each call within would know something new, without end.
            return [Fact(dtype, handle=fact.handle) for dtype, fact in zip(found.arg_types, facts)]
        return [_narrowed(fact) for fact in facts]

    def is_recursive(self, name: str) -> bool:
        """Whether a function may come to call itself."""
        with self._lock:
            if self._known != len(self.definitions):
                # What was missing may be there now.
                self._recursive.clear()
                self._known = len(self.definitions)
            if name not in self._recursive:
                self._find_cycles(name)
            return self._recursive[name]

    def _find_cycles(self, start: str) -> None:
        """Tarjan's algorithm, without recursion of its own: functions that reach each other are recursive."""
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
        """A shortest way from a function to itself by calls; empty where there is none."""
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
        """Whether any of some operations is among nodes, or in a function that they call in the end."""
        bodies = (self.definitions[name].body for name in self.called_from(nodes))
        return any(node.op in ops for body in (nodes, *bodies) for node in body)

    def called_from(self, nodes: Iterable[Node]) -> set[str]:
        """The functions that nodes call in the end."""
        seen: set[str] = set()
        stack = [nodes]
        while stack:
            for node in stack.pop():
                new = {name for name in self._called_by(node) if name in self.definitions} - seen
                seen |= new
                stack += [self.definitions[name].body for name in new]
        return seen

    def _callees(self, name: str) -> Iterator[str]:
        definition = self.definitions.get(name)
        for node in definition.body if definition is not None else ():
            yield from self._called_by(node)

    def _called_by(self, node: Node) -> Iterator[str]:
        if node.op in self.definitions:
            yield node.op
        for value in node.attrs.values():
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, Function):
                    yield item.name


def of_graph(graph: Graph) -> Library | None:
    """The library of a graph; None where it has no functions."""
    if not graph.functions:
        return None
    return Library({f.name: f for f in graph.functions}, graph.gradients, graph.source)


def missing(name: str, names: Mapping[str, Any]) -> TfgError:
    """The error for a function that there is not."""
    return TfgError(
        Status.NOT_FOUND,
        f"function {name!r} is not in the library of the graph",
        hint=did_you_mean(name, names),
    )


def _results_of(library: Library, instance: Instance, given: Sequence[Fact]) -> tuple[Fact, ...]:
    from ..graphfmt.graph import endpoint
    from .inference import infer_graph

    try:
        facts = infer_graph(instance.graph, {a: (f,) for a, f in zip(instance.args, given)}, library)
        ends = [endpoint(text) for text in instance.results]
        found = [facts[end.node][end.port] for end in ends]
    except TfgError:
        return tuple(Fact(dtype) for dtype in instance.result_types)
    if instance.targets or instance.stateful:
        # The call must be made, even if what it gives is known.
        found = [fact._replace(constant=None) for fact in found]
    return tuple(_narrowed(fact) for fact in found)


def _narrowed(fact: Fact) -> Fact:
    if fact.constant is not None and (fact.constant.size > _MAX_CONSTANT or fact.dtype.is_opaque):
        fact = fact._replace(constant=None, elements=None)
    return fact._replace(dtype=fact.dtype.base)


def key_of_facts(facts: Sequence[Fact]) -> Any:
    """Facts as something to find them by."""
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
    """Attributes as something to find them by."""
    return tuple(sorted((name, _key(value)) for name, value in attrs.items())) if attrs else ()


def _key(value: AttrValue) -> Any:
    if isinstance(value, tuple):
        return ("list", *map(_key, value))
    if isinstance(value, Function):
        return ("func", value.name, key_of_attrs(value.attrs))
    if isinstance(value, TensorValue):
        return ("tensor", repr(value))
    return (type(value).__name__, repr(value))


class _Instantiation:
    """A function's body while it is turned into a graph."""

    def __init__(self, library: Library, name: str, attrs: Mapping[str, AttrValue]) -> None:
        self.library = library
        self.definition = library.definition(name)
        self.attrs = attrs
        self.faults: list[TfgError] = []
        self.broken: set[str] = set()
        self.without_outputs: set[str] = set()
        self.is_generic = False
        self.strict = True
        # What may be read: an argument, or ``node:output``, to the tensors behind it.
        self.tensors: dict[str, tuple[str, ...]] = {}
        self.names: set[str] = set()

    def instance(self, *, strict: bool = True) -> Instance:
        self.strict = strict
        definition = self.definition
        self.names.update(node.name for node in definition.body)
        args = [(node, dtype) for arg in definition.inputs for node, dtype in self._argument(arg)]
        body = [self._given(node) for node in definition.body]
        stateful = [node.name for node, op in body if self._add_outputs(node, op)]
        nodes = [self._wired(node) for node, _ in body]
        results, result_types = self._results()
        placeholders = [
            Node(name, "Placeholder", attrs={"dtype": dtype, "shape": UNKNOWN}) for name, dtype in args
        ]
        return Instance(
            definition.name,
            Graph((*placeholders, *nodes), source=self.library.source),
            tuple(name for name, _ in args),
            tuple(dtype for _, dtype in args),
            tuple(results),
            tuple(result_types),
            tuple(dict.fromkeys(self._control_returns())),
            tuple(stateful),
        )

    def _fault(self, error: TfgError, node: Node | None = None) -> None:
        name = self.definition.name
        error.node = f"{name}/{node.name}" if node is not None else error.node
        if self.library.source is not None and node is not None and node.offset >= 0:
            error.location = error.location or self.library.source.locate(node.offset)
        if node is None:
            error = TfgError(error.status, f"function {name!r}: {error.message}", hint=error.hint)
        if self.strict:
            raise error
        self.faults.append(error)

    def _argument(self, arg: Argument) -> list[tuple[str, DType]]:
        types = self._types(arg)
        is_list = bool(arg.number_attr or arg.type_list_attr)
        names = [self._unique(f"{arg.name}_{i}" if is_list else arg.name) for i in range(len(types))]
        if arg.name in self.tensors:
            self._fault(invalid(f"argument {arg.name!r} is not unique"))
        self.tensors[arg.name] = tuple(names)
        for i, name in enumerate(names):
            self.tensors[f"{arg.name}:{i}"] = (name,)
        return list(zip(names, types))

    def _unique(self, name: str) -> str:
        while name in self.names:
            name += "_"
        self.names.add(name)
        return name

    def _types(self, arg: Argument) -> list[DType]:
        if arg.type_list_attr:
            value = self._attr(arg.type_list_attr)
            return [t for t in (value if isinstance(value, tuple) else ()) if isinstance(t, dtypes.DType)]
        one = self._attr(arg.type_attr) if arg.type_attr else dtypes.of_number(arg.type)
        if not isinstance(one, dtypes.DType):
            raise invalid(f"attr {arg.type_attr!r} of function {self.definition.name!r} must be a type")
        one = one.ref if arg.is_ref else one
        if not arg.number_attr:
            return [one]
        number = self._attr(arg.number_attr)
        if not isinstance(number, int) or not 0 <= number <= 1 << 16:
            raise invalid(f"attr {arg.number_attr!r} of function {self.definition.name!r} is {number}")
        return [one] * number

    def _attr(self, name: str) -> AttrValue:
        """The value a caller gives to an attribute of the function."""
        if name in self.attrs:
            return self.attrs[name]
        from .named_calls import attr_defaults

        default = attr_defaults(self.definition).get(name)
        if default is None:
            self.is_generic = True
            raise invalid(f"function {self.definition.name!r} needs attr {name!r}")
        return default

    def _substituted(self, value: AttrValue) -> AttrValue:
        if isinstance(value, Placeholder):
            return self._attr(value.name)
        if isinstance(value, Function):
            return Function(value.name, {k: self._substituted(v) for k, v in value.attrs.items()})
        if isinstance(value, tuple):
            return tuple(self._substituted(item) for item in value)  # type: ignore[misc]
        return value

    def _given(self, node: Node) -> tuple[Node, Op | None]:
        """The node with its attributes filled in, and its operation, None if nobody knows it."""
        if any(isinstance(v, Placeholder | Function | tuple) for v in node.attrs.values()):
            node = replace(node, attrs={k: self._substituted(v) for k, v in node.attrs.items()})
        try:
            return node, registry.get(node.op, self.library)
        except TfgError as error:
            # Whoever checks every node tells of it.
            if self.strict:
                self._fault(error, node)
            return node, None

    def _add_outputs(self, node: Node, op: Op | None) -> bool:
        """Names the node's outputs, and says whether it runs with every call."""
        faults = op.signature.faults(node) if op is not None else []
        if op is None or faults:
            self.without_outputs.add(node.name)
            if faults and self.strict:
                self._fault(faults[0][1], node)
            return False
        attrs = {**op.signature.defaults, **node.attrs}
        port = 0
        for arg in op.signature.outputs:
            width = len(arg.types(attrs))
            names = [node.name if p == 0 else f"{node.name}:{p}" for p in range(port, port + width)]
            self.tensors[f"{node.name}:{arg.name}"] = tuple(names)
            for i, name in enumerate(names):
                self.tensors[f"{node.name}:{arg.name}:{i}"] = (name,)
            port += width
        return op.stateful

    def _wired(self, node: Node) -> Node:
        inputs: list[str] = []
        controls: list[str] = []
        for text in node.inputs:
            if text.startswith("^"):
                controls += self._control(node, text)
                continue
            if controls:
                self._fault(invalid(f"input {text!r} follows a control input"), node)
            found = self.tensors.get(text)
            if found is None:
                self.broken.add(node.name)
                if text.partition(":")[0] not in self.without_outputs:
                    self._fault(self._unknown_input(node, text, self.tensors), node)
            inputs.extend(found or ())
        return replace(node, inputs=(*inputs, *controls))

    def _control(self, node: Node, text: str) -> list[str]:
        name = text[1:]
        if name not in self.names:
            arg = self.tensors.get(name)
            if arg is None:
                self._fault(self._unknown_input(node, text, self.names), node)
            return []
        return [text]

    def _unknown_input(self, node: Node, text: str, names: Iterable[str]) -> TfgError:
        hint = did_you_mean(text.removeprefix("^"), names)
        return invalid(f"node {node.name!r} has the unknown input {text!r}", hint=hint)

    def _results(self) -> tuple[list[str], list[DType]]:
        results: list[str] = []
        result_types: list[DType] = []
        for output in self.definition.outputs:
            types = self._types(output)
            text = self.definition.returns.get(output.name)
            found = self.tensors.get(text or "", ())
            if text is not None and text.partition(":")[0] in self.without_outputs:
                continue
            if text is None or len(found) != len(types):
                what = f"is {text!r}, which it does not have" if text else "has no value"
                self._fault(
                    invalid(f"result {output.name!r} {what}", hint=did_you_mean(text or "", self.tensors))
                )
                continue
            results += found
            result_types += types
        return results, result_types

    def _control_returns(self) -> list[str]:
        found: list[str] = []
        for name in self.definition.control_returns.values():
            if name in self.names:
                found.append(name)
            elif name not in self.tensors:
                self._fault(invalid(f"control result {name!r} is no node of it"))
        return found


def joined(a: Fact, b: Fact) -> Fact:
    """What is known of a tensor that is one or the other."""
    return Fact(a.dtype, joined_shape(a.shape, b.shape), handle=a.handle if a.handle == b.handle else None)


def joined_shape(a: Shape, b: Shape) -> Shape:
    if a.dims is None or b.dims is None or len(a.dims) != len(b.dims):
        return UNKNOWN
    return Shape(tuple(x if x == y else None for x, y in zip(a.dims, b.dims)))


def loop_facts(
    infer: Callable[[Sequence[Fact]], Sequence[Fact]], facts: Sequence[Fact], passed_on: Sequence[bool]
) -> list[Fact]:
    """What holds of loop variables in every iteration, from what holds before the first; ``passed_on`` are
    those that no iteration changes."""
    current = [_narrowed(f) if p else _narrowed(f)._replace(constant=None, elements=None)
               for f, p in zip(facts, passed_on)]  # fmt: skip
    for _ in range(8):
        after = infer(current)
        merged = [c if p else joined(c, a) for c, a, p in zip(current, after, passed_on)]
        if key_of_facts(merged) == key_of_facts(current):
            return current
        current = merged
    return [c if p else Fact(c.dtype) for c, p in zip(current, passed_on)]
