"""Operations that are library functions: a node whose ``op`` is the name of a function calls it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...graphfmt import dtypes
from ...graphfmt.attributes import AttrValue, Function, kind_of
from ...graphfmt.signatures import MISSING, Arg, Attr, OpSignature
from ..core import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graphfmt.graph import Argument, FunctionDef, Node
    from ..core.binding import Binding
    from ..core.context import Callee
    from ..core.inference import ShapeContext
    from ..core.registry import Op


def function_op(definition: FunctionDef) -> Op:
    """Returns the operation that calls a function, with the signature of the function."""
    made = replace(
        registry.get("PartitionedCall"),
        name=definition.name,
        shape=_facts,
        stateful=definition.is_stateful,
        bind_function=_bind,
        gradient_function=_gradient,
    )
    made.__dict__["signature"] = signature_of(definition)
    return made


def called(node: Node) -> Function:
    """Returns the function that such a node calls."""
    return Function(node.op, {k: v for k, v in node.attrs.items() if not k.startswith("_")})


def attr_defaults(definition: FunctionDef) -> dict[str, AttrValue]:
    """Returns the defaults of a function's attributes, of those that have one."""
    return {
        a.name: a.default for a in _attrs(definition) if a.default is not None and a.default is not MISSING
    }  # type: ignore[misc]


def signature_of(definition: FunctionDef) -> OpSignature:
    """Returns the signature of a function as that of an operation."""
    declared = {attr.name: attr for attr in _attrs(definition)}
    for arg in (*definition.inputs, *definition.outputs):
        for name, kind in (
            (arg.type_attr, "type"),
            (arg.number_attr, "int"),
            (arg.type_list_attr, "list(type)"),
        ):
            if name:
                declared.setdefault(name, Attr(name, kind))
    return OpSignature(
        definition.name,
        tuple(map(_arg, definition.inputs)),
        tuple(declared.values()),
        tuple(map(_arg, definition.outputs)),
    )


def _arg(arg: Argument) -> Arg:
    dtype = dtypes.of_number(arg.type) if arg.type else None
    return Arg(arg.name, dtype, arg.type_attr, arg.type_list_attr, arg.number_attr, arg.is_ref)


def _attrs(definition: FunctionDef) -> list[Attr]:
    if not definition.signature_unknown_fields:
        return []
    from ...graphfmt.proto.from_proto import attr_of
    from ...graphfmt.proto.graph_pb2 import OpDef

    found: list[Attr] = []
    for attr in OpDef.FromString(definition.signature_unknown_fields).attr:
        default: Any = attr_of(attr.default_value) if attr.HasField("default_value") else MISSING
        kind = attr.type or (kind_of(default) if default is not MISSING else "")
        found.append(Attr(attr.name, kind, default=default))
    return found


def _facts(c: ShapeContext) -> Any:
    return c.results_of(called(c.node), c.facts)


def _bind(b: Binding) -> Any:
    call = b.callee(called(b.node)).given(b.inputs)
    outputs: Mapping[int, Any] = dict(enumerate(b.op.signature.outputs))
    if len(outputs) == 1 and not outputs[0].is_list:
        return partial(_only_result, call)
    return call


def _only_result(call: Callee, ctx: Any, *values: Any) -> Any:
    return call(ctx, *values)[0]


def _gradient(g: Any, node: Any, *dys: Any) -> Any:
    from .call_gradients import call_gradient

    return call_gradient(g, node, called(node.node), dys)
