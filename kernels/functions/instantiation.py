"""Instantiation: a library function with the attributes of a call, as a graph.

The body of a FunctionDef names inputs by output argument (``node:output:index``), and its attributes may be
placeholders for values of the caller. An instance has plain inputs and values, and its arguments are Placeholder nodes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt import dtypes
from ...graphfmt.attributes import AttrValue, Function, Placeholder
from ...graphfmt.errors import TfgError, invalid
from ...graphfmt.graph import Graph, Node
from ...graphfmt.names import did_you_mean
from ...graphfmt.shapes import UNKNOWN
from ..core import registry
from ..core.traits import BodyExecution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...graphfmt.dtypes import DType
    from ...graphfmt.graph import Argument
    from ..core.registry import Op
    from .library import Library


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
        """Returns the nodes that run with every call from ``node``: the control results, and all stateful nodes unless
        TensorFlow prunes the body for this kind of call or lowers it into the caller's graph."""
        op = registry.find(node.op)
        body = op.calls.body if op is not None and op.calls is not None else BodyExecution.ALL
        is_lowered = body is BodyExecution.LOWERED and node.attrs.get("_lower_using_switch_merge") is True
        if is_lowered or body is BodyExecution.PRUNED:
            return self.targets
        return tuple(dict.fromkeys([*self.targets, *self.stateful]))

    def is_passed_on(self, position: int) -> bool:
        """True if the result at a position is the argument at that position, unchanged."""
        return self.results[position : position + 1] == self.args[position : position + 1]


class Instantiation:
    """Turns the body of a function into a graph."""

    def __init__(self, library: Library, name: str, attrs: Mapping[str, AttrValue]) -> None:
        self.library = library
        self.definition = library.definition(name)
        self.attrs = attrs
        self.faults: list[TfgError] = []
        self.broken: set[str] = set()
        self.without_outputs: set[str] = set()
        self.is_generic = False
        self.strict = True
        # From what inputs name, an argument or ``node:output``, to the tensors.
        self.tensors: dict[str, tuple[str, ...]] = {}
        self.names: set[str] = set()

    def instance(self, *, strict: bool = True) -> Instance:
        self.strict = strict
        definition = self.definition
        self.names.update(node.name for node in definition.body)
        args = [(node, dtype) for arg in definition.inputs for node, dtype in self._argument(arg)]
        body = [self._with_attr_values(node) for node in definition.body]
        stateful = [node.name for node, op in body if self._add_outputs(node, op)]
        nodes = [self._with_inputs(node) for node, _ in body]
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
            error.location = error.location or self.library.source.locate(node.offset, attr=error.attr)
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
        """Returns the value of an attribute of the function: the caller's, or the default."""
        if name in self.attrs:
            return self.attrs[name]
        from .function_calls import attr_defaults

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

    def _with_attr_values(self, node: Node) -> tuple[Node, Op | None]:
        """Returns the node with the values of its attributes, and its operation; None for an unknown one."""
        if any(isinstance(v, Placeholder | Function | tuple) for v in node.attrs.values()):
            node = replace(node, attrs={k: self._substituted(v) for k, v in node.attrs.items()})
        try:
            return node, registry.get(node.op, self.library)
        except TfgError as error:
            # The check of every node reports it.
            if self.strict:
                self._fault(error, node)
            return node, None

    def _add_outputs(self, node: Node, op: Op | None) -> bool:
        """Names the outputs of a node; returns True if the node is stateful."""
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

    def _with_inputs(self, node: Node) -> Node:
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
