"""Operation signatures: inputs, attributes and outputs of an operation in one line.

``MatMul(a: T, b: T; transpose_a: bool = false, T: type in {float, half}) -> (product: T)``

Inputs come before the semicolon, attributes after it, outputs after the arrow. ``N*T`` is a list of N
tensors of type T, ``*T`` a list with the types of the list(type) attribute T, ``Ref(T)`` a reference to a
variable. An attribute has a kind, perhaps allowed values (``in {…}``), a minimum (of an int, or of a list's
length) and a default.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from . import dtypes
from .attributes import AttrValue, Function, Placeholder, kind_of
from .dtypes import DType
from .errors import TfgError, invalid
from .shapes import UNKNOWN, Shape
from .text.tokens import to_float32

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .graph import Node


class Missing:
    """The default of an attribute without one."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


# The limit of a list of outputs: a number in a file must not allocate memory.
MAX_OUTPUTS = 1 << 16


class Arg(NamedTuple):
    """An input or output. Exactly one of ``dtype``, ``type_attr`` and ``list_attr`` determines its type.

    ``number_attr`` makes it a list of that many tensors.
    """

    name: str
    dtype: DType | None = None
    type_attr: str = ""
    list_attr: str = ""
    number_attr: str = ""
    is_ref: bool = False

    @property
    def is_list(self) -> bool:
        return bool(self.list_attr or self.number_attr)

    def types(self, attrs: Mapping[str, AttrValue]) -> tuple[DType, ...]:
        """Returns the dtypes of its tensors for the attributes of a node."""
        if self.list_attr:
            return tuple(self._ref(t) for t in _types(attrs[self.list_attr]))
        one = self._ref(self.dtype or _types(attrs[self.type_attr])[0])
        if not self.number_attr:
            return (one,)
        count = attrs[self.number_attr]
        assert isinstance(count, int)
        return (one,) * count

    def _ref(self, dtype: DType) -> DType:
        return dtype.ref if self.is_ref else dtype

    def __str__(self) -> str:
        inner = self.type_attr or (f"*{self.list_attr}" if self.list_attr else repr(self.dtype))
        inner = f"Ref({inner})" if self.is_ref else inner
        return f"{self.name}: {self.number_attr + '*' if self.number_attr else ''}{inner}"


def _types(value: AttrValue) -> tuple[DType, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return tuple(v for v in values if isinstance(v, DType))


class Attr(NamedTuple):
    """An attribute: its ``kind`` (as in ``kind_of``), allowed values, minimum and default."""

    name: str
    kind: str
    allowed: tuple[AttrValue, ...] = ()
    minimum: int | None = None
    default: AttrValue | Missing = MISSING

    def check(self, value: AttrValue) -> None:
        """Raises INVALID_ARGUMENT for a value that the attribute may not have."""
        self._check_kind(value)
        items = value if isinstance(value, tuple) else (value,)
        if self.allowed:
            for item in items:
                if item not in self.allowed:
                    raise invalid(
                        f"attr {self.name!r} is {_show(item)}, which is not in {_show(self.allowed)}"
                    )
        size = len(value) if isinstance(value, tuple) else value
        if self.minimum is not None and isinstance(size, int) and size < self.minimum:
            what = "has length" if isinstance(value, tuple) else "is"
            raise invalid(f"attr {self.name!r} {what} {size}, less than the minimum {self.minimum}")

    def _check_kind(self, value: AttrValue) -> None:
        if any(isinstance(item, Placeholder) for item in (value if isinstance(value, tuple) else (value,))):
            raise invalid(f"attr {self.name!r} is a placeholder, which only a function's body may have")
        kind = kind_of(value)
        if self.kind.startswith("list(") and kind == "list()":
            return
        if kind != self.kind:
            raise invalid(f"attr {self.name!r} must be of kind {self.kind}, not {kind}")
        for item in value if isinstance(value, tuple) else (value,):
            if item is dtypes.INVALID:
                raise invalid(f"attr {self.name!r} must not be DT_INVALID")
            if isinstance(item, DType) and item.is_ref:
                raise invalid(f"attr {self.name!r} must not be the reference type {item}")
            if isinstance(item, Function) and not item.name:
                raise invalid(f"attr {self.name!r} names no function")

    def __str__(self) -> str:
        allowed = f" in {_show(self.allowed)}" if self.allowed else ""
        minimum = f" >= {self.minimum}" if self.minimum is not None else ""
        default = "" if isinstance(self.default, Missing) else f" = {_show(self.default)}"
        return f"{self.name}: {self.kind}{allowed}{minimum}{default}"


def _show(value: AttrValue | tuple[AttrValue, ...]) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(_show(v) for v in value) + "}"
    if isinstance(value, bytes):
        return repr(value.decode("utf-8", "replace"))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.7g}"
    return repr(value) if isinstance(value, DType) else str(value)


@dataclass(frozen=True)
class Bound:
    """A node bound to its signature: attributes with defaults, and the dtypes of inputs and outputs.

    Nodes of one operation with equal attributes share one object. ``unknown_attrs`` are ignored.
    """

    attrs: Mapping[str, AttrValue]
    input_types: tuple[DType, ...]
    output_types: tuple[DType, ...]
    unknown_attrs: tuple[str, ...] = ()

    @cached_property
    def plain_attrs(self) -> Mapping[str, Any]:
        """The attributes as kernels take them: strings as str, lists as tuples, all else as in the graph."""
        return {name: plain_value(value) for name, value in self.attrs.items()}


def plain_value(value: AttrValue) -> Any:
    """Returns an attribute as kernels take it: strings as str, lists as tuples."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return tuple(plain_value(item) for item in value) if isinstance(value, tuple) else value


# Types whose equal values are interchangeable; not float (0.0 == -0.0) or tuple ((1,) == (True,)).
_HASHED = frozenset({DType, Shape, bytes, int, bool})


@dataclass(frozen=True)
class OpSignature:
    """The signature of an operation: inputs, attributes and outputs."""

    name: str
    inputs: tuple[Arg, ...]
    attrs: tuple[Attr, ...]
    outputs: tuple[Arg, ...]

    @cached_property
    def attr_index(self) -> Mapping[str, Attr]:
        return {attr.name: attr for attr in self.attrs}

    @cached_property
    def defaults(self) -> Mapping[str, AttrValue]:
        return {a.name: a.default for a in self.attrs if not isinstance(a.default, Missing)}

    @cached_property
    def inferred_attrs(self) -> frozenset[str]:
        """The attributes that a graph builder infers from the inputs."""
        names = {n for arg in self.inputs for n in (arg.type_attr, arg.list_attr, arg.number_attr)}
        return frozenset(names - {""})

    @cached_property
    def function_attrs(self) -> tuple[str, ...]:
        """The attributes that name functions of the library."""
        return tuple(attr.name for attr in self.attrs if attr.kind in ("func", "list(func)"))

    def faults(self, node: Node) -> list[tuple[str | None, TfgError]]:
        """Returns the faults of a node's attributes, each with the attribute's name, None for a missing one."""
        faults: list[tuple[str | None, TfgError]] = []
        for name, value in node.attrs.items():
            spec = self.attr_index.get(name)
            if spec is None:
                continue
            try:
                spec.check(value)
            except TfgError as error:
                faults.append((name, error.of_attr(name)))
        for attr in self.attrs:
            if attr.name not in node.attrs and isinstance(attr.default, Missing):
                faults.append((None, invalid(f"operation {self.name} needs attr {attr.name!r}")))
        return faults

    def unknown_attrs(self, node: Node) -> tuple[str, ...]:
        """Returns the attributes of a node that the operation does not have; those that begin with ``_`` belong to
        the graph's writer, and pass."""
        return tuple(name for name in node.attrs if name not in self.attr_index and name[:1] != "_")

    def bind(self, node: Node) -> Bound:
        """Adds the defaults, and determines the dtypes of all inputs and outputs.

        Raises INVALID_ARGUMENT for the first of ``faults``, and for a wrong number of inputs.
        """
        bound = self._bound(node)
        count = len(node.inputs)
        while count and node.inputs[count - 1][:1] == "^":
            count -= 1
        if count != len(bound.input_types):
            raise invalid(f"operation {self.name} takes {len(bound.input_types)} inputs, not {count}")
        return bound

    def _bound(self, node: Node) -> Bound:
        """Returns the binding for a node's attributes, cached for nodes with equal attributes."""
        key = tuple([(name, type(value), value) for name, value in node.attrs.items()])
        if not _HASHED.issuperset([kind for _, kind, _ in key]):
            return self._new_bound(node)
        bound = self._known.get(key)
        if bound is None:
            bound = self._known[key] = self._new_bound(node)
        return bound

    def _new_bound(self, node: Node) -> Bound:
        faults = self.faults(node)
        if faults:
            raise faults[0][1]
        attrs = {**self.defaults, **node.attrs}
        self._check_lists(node, attrs)
        inputs = tuple(t for arg in self.inputs for t in arg.types(attrs))
        outputs = tuple(t for arg in self.outputs for t in arg.types(attrs))
        return Bound(attrs, inputs, outputs, self.unknown_attrs(node))

    def _check_lists(self, node: Node, attrs: Mapping[str, AttrValue]) -> None:
        """Raises INVALID_ARGUMENT for more list inputs than the node has inputs, and for too many list outputs."""
        for what, args, most in (
            ("inputs", self.inputs, len(node.inputs)),
            ("outputs", self.outputs, MAX_OUTPUTS),
        ):
            for arg in args:
                count = attrs.get(arg.number_attr)
                if isinstance(count, int) and count > most and not isinstance(count, bool):
                    error = invalid(f"attr {arg.number_attr!r} asks for {count} {what}, more than {most}")
                    raise error.of_attr(arg.number_attr)

    @cached_property
    def _known(self) -> dict[Any, Bound]:
        return {}

    def __str__(self) -> str:
        inputs = ", ".join(map(str, self.inputs))
        attrs = "; " + ", ".join(map(str, self.attrs)) if self.attrs else ""
        outputs = f" -> ({', '.join(map(str, self.outputs))})" if self.outputs else ""
        return f"{self.name}({inputs}{attrs}){outputs}"


_ARG = re.compile(r"(\w+):\s*(Ref\()?(?:(\w+)\*)?(\*?)(\w+)\)?")
_ATTR = re.compile(
    r"(\w+):\s*(list\(\w+\)|\w+)(?:\s+in\s+\{(.*?)\})?(?:\s*>=\s*(-?\d+))?(?:\s*=\s*(.*))?", re.DOTALL
)


def parse(text: str) -> OpSignature:
    """Parses a signature. Raises ValueError: only the project's own code writes signatures."""
    inside, outputs = _split_arrow(text)
    head = re.fullmatch(r"\s*(\w+)\((.*)\)\s*", inside, re.DOTALL)
    if head is None:
        raise ValueError(f"not a signature: {text}")
    inputs, _, attrs = head[2].partition(";")
    specs = tuple(_attr(part) for part in _split(attrs))
    kinds = {spec.name: spec.kind for spec in specs}
    return OpSignature(
        head[1],
        tuple(_arg(part, kinds, text) for part in _split(inputs)),
        specs,
        tuple(_arg(part, kinds, text) for part in _split(outputs)),
    )


def _split_arrow(text: str) -> tuple[str, str]:
    inside, arrow, outputs = text.rpartition("->")
    if not arrow:
        return outputs, ""
    return inside, outputs.strip()[1:-1]


def _split(text: str) -> Sequence[str]:
    """Splits at the commas outside brackets and quotes."""
    parts: list[str] = []
    depth, start, quote = 0, 0, ""
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _arg(text: str, kinds: Mapping[str, str], whole: str) -> Arg:
    match = _ARG.fullmatch(text)
    if match is None:
        raise ValueError(f"not an argument: {text!r} in {whole}")
    name, ref, number, star, kind = match.groups()
    if star:
        return Arg(name, list_attr=kind, is_ref=bool(ref))
    if kind in kinds:
        return Arg(name, type_attr=kind, number_attr=number or "", is_ref=bool(ref))
    return Arg(name, dtype=dtypes.BY_NAME[kind], number_attr=number or "", is_ref=bool(ref))


def _attr(text: str) -> Attr:
    match = _ATTR.fullmatch(text)
    if match is None:
        raise ValueError(f"not an attribute: {text!r}")
    name, kind, allowed, minimum, default = match.groups()
    element = kind[5:-1] if kind.startswith("list(") else kind
    return Attr(
        name,
        kind,
        tuple(_value(element, part) for part in _split(allowed)) if allowed else (),
        int(minimum) if minimum else None,
        MISSING if default is None else _value(kind, default.strip()),
    )


def _value(kind: str, text: str) -> AttrValue:
    if kind.startswith("list("):
        return tuple(v for v in (_value(kind[5:-1], part) for part in _split(text[1:-1])))  # type: ignore[misc]
    match kind:
        case "type":
            return dtypes.BY_NAME[text]
        case "bool":
            return text == "true"
        case "int":
            return int(text)
        case "float":
            return to_float32(float(text))
        case "shape":
            return UNKNOWN if text == "?" else Shape(tuple(int(d) for d in _split(text[1:-1])))
        case "string":
            return str(ast.literal_eval(text)).encode()
        case "tensor":
            # Written as <tensor>: the kernel knows it.
            return None
        case _:
            raise ValueError(f"no default can be written for an attribute of kind {kind}: {text}")
