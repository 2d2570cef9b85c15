"""Builds graphs, nodes, attributes and tensors from the fields of their messages.

The text parser applies ``BUILDERS`` to the trees that it reads; ``from_proto`` shares the functions that check
values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import dtypes
from ..attributes import AttrValue, Function, Placeholder
from ..errors import invalid
from ..graph import Argument, FunctionDef, Graph, Node, Versions
from ..shapes import SCALAR, UNKNOWN, Dim, Shape
from ..tensors import TensorValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# A parsed message: fields to values, lists of values, or for a map field to a dict. The key "" has the offset in
# the text at which the message begins.
Tree = dict[str, Any]

TENSOR_FIELDS = (
    "half_val",
    "float_val",
    "double_val",
    "int_val",
    "string_val",
    "scomplex_val",
    "int64_val",
    "bool_val",
    "dcomplex_val",
    "resource_handle_val",
    "variant_val",
    "uint32_val",
    "uint64_val",
)
LIST_FIELDS = ("s", "i", "f", "b", "type", "shape", "tensor", "func")
NODE_UNKNOWN_FIELDS = ("experimental_debug_info", "experimental_type")
ARGUMENT_UNKNOWN_FIELDS = ("handle_data", "experimental_full_type")
SIGNATURE_KEPT = frozenset({"name", "input_arg", "output_arg", "is_stateful"})
FUNCTION_KEPT = frozenset({"signature", "attr", "node_def", "ret", "control_ret"})


def shape(sizes: Iterable[int], names: Iterable[str], unknown_rank: bool) -> Shape:
    """Returns the shape in a TensorShapeProto. Raises INVALID_ARGUMENT for a negative size other than -1."""
    dims = tuple(map(_dim, sizes))
    if unknown_rank:
        if dims:
            raise invalid("a shape of unknown rank cannot have dimensions")
        return UNKNOWN
    if not dims:
        return SCALAR
    named = tuple(names)
    return Shape(dims, named if any(named) else ())


def _dim(size: int) -> Dim:
    if size >= 0:
        return size
    if size == -1:
        return None
    raise invalid(f"a dimension of size {size}: only -1, for an unknown size, may be negative")


def _shape(tree: Tree) -> Shape:
    dims: list[Tree] = tree.get("dim", [])
    return shape(
        (d.get("size", 0) for d in dims), (d.get("name", "") for d in dims), tree.get("unknown_rank", False)
    )


def _tensor(tree: Tree) -> TensorValue:
    values = {name: tuple(tree[name]) for name in TENSOR_FIELDS if tree.get(name)}
    if tree.get("float8_val"):
        values["float8_val"] = (tree["float8_val"],)
    return TensorValue(
        dtypes.of_number(tree.get("dtype", 0)),
        tree.get("tensor_shape", SCALAR),
        tree.get("tensor_content", b""),
        values,
        tree.get("version_number", 0),
    )


def _attr_value(tree: Tree) -> AttrValue:
    for name, value in tree.items():
        if name == "type":
            return dtypes.of_number(value)
        if name == "placeholder":
            return Placeholder(value)
        if name:
            return value
    return None


def _attr_list(tree: Tree) -> AttrValue:
    if "type" in tree:
        tree["type"] = [dtypes.of_number(number) for number in tree["type"]]
    return tuple(item for name in LIST_FIELDS for item in tree.get(name, ()))


def _function(tree: Tree) -> Function:
    return Function(tree.get("name", ""), tree.get("attr", {}))


def _node(tree: Tree) -> Node:
    return Node(
        tree.get("name", ""),
        tree.get("op", ""),
        tuple(tree.get("input", ())),
        tree.get("attr", {}),
        tree.get("device", ""),
        tree[""],
        _unknown_fields("NodeDef", tree, NODE_UNKNOWN_FIELDS),
    )


def _unknown_fields(name: str, tree: Tree, fields: Iterable[str]) -> bytes:
    """The given fields of a message, serialised; empty if none of them is set."""
    unknown = {field: tree[field] for field in fields if field in tree}
    if not unknown:
        return b""
    from .unknown_fields import serialize_tree

    return serialize_tree(name, unknown)


def _argument(tree: Tree) -> Argument:
    return Argument(
        tree.get("name", ""),
        tree.get("type", 0),
        tree.get("type_attr", ""),
        tree.get("number_attr", ""),
        tree.get("type_list_attr", ""),
        tree.get("is_ref", False),
        tree.get("description", ""),
        _unknown_fields("OpDef.ArgDef", tree, ARGUMENT_UNKNOWN_FIELDS),
    )


def _function_def(tree: Tree) -> FunctionDef:
    signature: Tree = tree.get("signature", {})
    return FunctionDef(
        signature.get("name", ""),
        tuple(map(_argument, signature.get("input_arg", ()))),
        tuple(map(_argument, signature.get("output_arg", ()))),
        tuple(tree.get("node_def", ())),
        tree.get("ret", {}),
        tree.get("control_ret", {}),
        tree.get("attr", {}),
        signature.get("is_stateful", False),
        _unknown_fields("OpDef", signature, signature.keys() - SIGNATURE_KEPT - {""}),
        _unknown_fields("FunctionDef", tree, tree.keys() - FUNCTION_KEPT - {""}),
    )


def gradients(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Returns the gradient function of each function. Raises INVALID_ARGUMENT for a function with two."""
    gradient_of: dict[str, str] = {}
    for function, gradient in pairs:
        if gradient_of.setdefault(function, gradient) != gradient:
            raise invalid(
                f"function {function!r} has two gradients, {gradient_of[function]!r} and {gradient!r}"
            )
    return gradient_of


def _graph(tree: Tree) -> Graph:
    library: Tree = tree.get("library", {})
    unknown = {field: tree[field] for field in ("version", "debug_info") if field in tree}
    if "registered_gradients" in library:
        unknown["library"] = {"registered_gradients": library["registered_gradients"]}
    return Graph(
        tuple(tree.get("node", ())),
        tuple(library.get("function", ())),
        gradients(
            (g.get("function_name", ""), g.get("gradient_func", "")) for g in library.get("gradient", ())
        ),
        tree.get("versions", Versions()),
        unknown_fields=_unknown_fields("GraphDef", unknown, unknown),
    )


def _versions(tree: Tree) -> Versions:
    return Versions(
        tree.get("producer", 0), tree.get("min_consumer", 0), tuple(tree.get("bad_consumers", ()))
    )


def _opaque(name: str) -> Callable[[Tree], bytes]:
    def build(tree: Tree) -> bytes:
        return _unknown_fields(name, tree, tree.keys() - {""})

    return build


# The builder of each message type; a message of another type stays a tree.
BUILDERS: Mapping[str, Callable[[Tree], Any]] = {
    "TensorShapeProto": _shape,
    "TensorProto": _tensor,
    "AttrValue": _attr_value,
    "AttrValue.ListValue": _attr_list,
    "NameAttrList": _function,
    "NodeDef": _node,
    "FunctionDef": _function_def,
    "VersionDef": _versions,
    "GraphDef": _graph,
    "ResourceHandleProto": _opaque("ResourceHandleProto"),
    "VariantTensorDataProto": _opaque("VariantTensorDataProto"),
}
