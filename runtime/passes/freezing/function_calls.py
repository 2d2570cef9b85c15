"""Calls of library functions as freezing sees them: the mapping from a node's inputs to function arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ....graphfmt.attributes import AttrValue, Function
from ....graphfmt.shapes import UNKNOWN
from ....kernels.core import registry
from ....kernels.core.traits import CallForm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.graph import Node
    from ....kernels.functions.library import Library
    from .node_rules import InputValues


# A function that is called by its name, as an operation.
NAMED_CALL = CallForm((), 0, "", "")


def call_form(node: Node, library: Library | None) -> CallForm | None:
    """Returns the call form of a node, or None if it calls no function."""
    if library is not None and node.op in library.definitions:
        return NAMED_CALL
    op = registry.find(node.op)
    return op.calls if op is not None else None


def called_functions(node: Node, form: CallForm) -> list[Function]:
    """Returns the functions that a node calls, in the order of the form."""
    if form is NAMED_CALL:
        return [Function(node.op, {k: v for k, v in node.attrs.items() if not k.startswith("_")})]
    functions: list[Function] = []
    for name in form.functions:
        value = node.attrs.get(name)
        functions += [f for f in (value if isinstance(value, tuple) else (value,)) if isinstance(f, Function)]
    return functions


def with_functions(
    node: Node, form: CallForm, names: Sequence[str], values: InputValues, results: InputValues
) -> Node:
    """Returns the node calling other functions, with dtypes changed for arguments and results that were handles."""
    if form is NAMED_CALL:
        attrs = {k: v for k, v in node.attrs.items() if k.startswith("_")}
        return replace(node, op=names[0], attrs=attrs)
    left = iter(zip(called_functions(node, form), names))
    attrs = dict(node.attrs)
    for name in form.functions:
        value = attrs[name]
        attrs[name] = (
            tuple(_renamed(*next(left)) for _ in value) if isinstance(value, tuple) else _renamed(*next(left))
        )
    _retype(attrs, form.types, {i - form.first: v for i, v in values.items() if i >= form.first})
    if form.results != form.types:
        _retype(attrs, form.results, results)
    _reshape(attrs, results)
    _forget_handles(attrs, values)
    return replace(node, attrs=attrs)


def _renamed(function: Function, name: str) -> Function:
    """Returns the function under its new name; a copy has its attributes bound already."""
    return function if function.name == name else Function(name)


def _retype(attrs: dict[str, AttrValue], name: str, values: InputValues) -> None:
    types = attrs.get(name)
    if isinstance(types, tuple):
        attrs[name] = tuple(values[i].dtype if i in values else t for i, t in enumerate(types))


def _reshape(attrs: dict[str, AttrValue], results: InputValues) -> None:
    attrs.pop("_output_shapes", None)
    shapes = attrs.get("output_shapes")
    if isinstance(shapes, tuple):
        attrs["output_shapes"] = tuple(UNKNOWN if i in results else s for i, s in enumerate(shapes))


def _forget_handles(attrs: dict[str, AttrValue], values: InputValues) -> None:
    """Removes inputs that are no longer resources from the list of read-only resource inputs."""
    listed = attrs.get("_read_only_resource_inputs")
    if isinstance(listed, tuple):
        attrs["_read_only_resource_inputs"] = tuple(i for i in listed if i not in values)
