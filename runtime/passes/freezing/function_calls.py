"""Calls of library functions as freezing sees them: the mapping from a node's inputs to function arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.attributes import AttrValue, Function
from ....graphfmt.shapes import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.graph import Node
    from ....kernels.functions.library import Library
    from .node_rules import InputValues


class CallForm(NamedTuple):
    """The way in which an operation calls functions.

    Args:
        functions: attributes that name the functions.
        first: index of the input that is the first argument.
        shift: number of leading arguments that are not inputs (the loop counter of For).
        types: attribute with the dtypes of the inputs from ``first`` on.
        results: attribute with the dtypes of the results.
        repeats: True if the results are the arguments of the next call.
    """

    functions: tuple[str, ...]
    first: int
    types: str
    results: str
    repeats: bool = False
    shift: int = 0


_CALL = CallForm(("f",), 0, "Tin", "Tout")
_IF = CallForm(("then_branch", "else_branch"), 1, "Tin", "Tout")
_CASE = CallForm(("branches",), 1, "Tin", "Tout")
_WHILE = CallForm(("cond", "body"), 0, "T", "T", repeats=True)

CALL_FORMS = {
    "PartitionedCall": _CALL,
    "StatefulPartitionedCall": _CALL,
    "RemoteCall": CallForm(("f",), 1, "Tin", "Tout"),
    "If": _IF,
    "StatelessIf": _IF,
    "Case": _CASE,
    "StatelessCase": _CASE,
    "While": _WHILE,
    "StatelessWhile": _WHILE,
    "For": CallForm(("body",), 3, "T", "T", repeats=True, shift=1),
}
# A function that is called by its name, as an operation.
NAMED_CALL = CallForm((), 0, "", "")


def call_form(node: Node, library: Library | None) -> CallForm | None:
    """Returns the call form of a node, or None if it calls no function."""
    if library is not None and node.op in library.definitions:
        return NAMED_CALL
    return CALL_FORMS.get(node.op)


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
