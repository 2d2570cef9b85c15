"""Made-up messages and damaged texts for property tests."""

from __future__ import annotations

import math
import re
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from tfg.graphfmt.dtypes import BY_NUMBER
from tfg.graphfmt.proto import graph_pb2

_STRINGS = ("", "a", "T", "x/y:1", "^c", "é→", 'q"\\', "\n\t\r\x7f", "a b", "'", "#no comment", "{")
_BYTES = (b"", b"SAME", b"\x00\xff\x80", b"'\"\\\n", "ü".encode(), b"1\x002", b"7\x017")
_FLOATS = (0.0, -0.0, 1.0, 0.1, -2.5e-8, 3.4e38, 1e-45, math.inf, -math.inf, math.nan, 123456789.0, 1 / 3)
_RANGES = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}


def random_graph(random: Random) -> graph_pb2.GraphDef:
    """A GraphDef of anything that a Graph can hold."""
    graph = graph_pb2.GraphDef()
    _fill(graph, random, 0)
    pairs = {g.function_name: g.gradient_func for g in graph.library.gradient}
    del graph.library.gradient[:]
    for function, gradient in pairs.items():
        graph.library.gradient.add(function_name=function, gradient_func=gradient)
    return without_empty(graph)


def _fill(message: Any, random: Random, depth: int) -> None:
    name = message.DESCRIPTOR.name
    if name == "TensorShapeProto":
        _fill_shape(message, random)
        return
    fields = list(message.DESCRIPTOR.fields)
    if name == "AttrValue":
        fields = [random.choice(fields)] if depth < 12 else []
    for field in fields:
        if field.containing_oneof and message.WhichOneof(field.containing_oneof.name):
            continue
        wanted = 1.0 if name in ("GraphDef", "AttrValue") else 0.5 / (1 + depth / 8)
        if random.random() < wanted:
            _fill_field(message, field, random, depth)
    if name == "TensorProto":
        message.tensor_shape.SetInParent()


def _is_repeated(field: Any) -> bool:
    # An older protobuf knows the label only, and a newer one warns of it.
    return (
        field.is_repeated if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED
    )


def _fill_shape(message: Any, random: Random) -> None:
    if random.random() < 0.2:
        message.unknown_rank = True
        return
    for _ in range(random.randrange(4)):
        message.dim.add(size=random.choice((-1, 0, 1, 7, 2**62)), name=random.choice(("", "", "batch")))


def _fill_field(message: Any, field: Any, random: Random, depth: int) -> None:
    target = getattr(message, field.name)
    count = random.choice((1, 1, 2, 5)) if _is_repeated(field) else 1
    if field.message_type and field.message_type.GetOptions().map_entry:
        key_field, value_field = (
            field.message_type.fields_by_name["key"],
            field.message_type.fields_by_name["value"],
        )
        for _ in range(count):
            key = _scalar(key_field, random)
            if value_field.message_type:
                target[key].Clear()
                _fill(target[key], random, depth + 1)
            else:
                target[key] = _scalar(value_field, random)
    elif field.message_type:
        for _ in range(count):
            child = target.add() if _is_repeated(field) else target
            child.SetInParent()
            if depth < 14:
                _fill(child, random, depth + 1)
    elif _is_repeated(field):
        target.extend(_scalar(field, random) for _ in range(count))
    else:
        setattr(message, field.name, _scalar(field, random))


def _scalar(field: Any, random: Random) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return random.choice(_STRINGS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return random.choice(_BYTES)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return random.random() < 0.5
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return random.choice(_FLOATS)
    if field.type == FieldDescriptor.TYPE_ENUM:
        if field.enum_type.name == "DataType":
            return random.choice((0, *BY_NUMBER))
        return random.choice(field.enum_type.values).number
    low, high = _RANGES[field.type]
    return random.choice((low, high, 0, 1, 17))


def without_empty(graph: graph_pb2.GraphDef) -> graph_pb2.GraphDef:
    """Drops messages whose presence says nothing."""
    for function in graph.library.function:
        function.signature.SetInParent()
    for holder, name in ((graph, "versions"), (graph, "library")):
        if not getattr(holder, name).ByteSize():
            holder.ClearField(name)
    return graph


_PIECE = re.compile(r'\s+|"(?:[^"\\\n]|\\.)*"|[\w.+-]+|.', re.DOTALL)
_SPARE = (
    *("{", "}", "<", ">", "[", "]", ":", ",", ";", '"', "'", "#", "\n", " ", "-", ".", "0", "1", "-1", "1e3"),
    *("0x1F", "017", "08", "1.5", "1.", ".5", "1f", "inf", "-inf", "nan", "-nan", "true", "t", "False", "3"),
    *(
        "nope",
        "DT_INT32",
        "node {",
        "attr {",
        "node",
        "name:",
        'op: "x"',
        'input: "y"',
        "input: ['a', \"b\"]",
    ),
    *("list {", "i: [1, 2]", "i: 1", "f: 1e40", "s: 'a' \"b\"", "b: 1", "type: 1", "type: DT_FLOAT", "1_0"),
    *(
        "shape {}",
        "dim { size: -2 }",
        "9" * 20,
        "float_val: [1, 2.5]",
        'key: "k"',
        "value {}",
        "value { i: 3 }",
    ),
    *("# text\n", "[]", '"\\x41\\101\\n"', "tensor <>"),
)


def mutate(text: str, random: Random) -> str:
    """The text with a few pieces removed, put in, replaced or exchanged."""
    pieces = _PIECE.findall(text)
    for _ in range(random.choice((1, 1, 2, 4))):
        place = random.randrange(len(pieces) + 1)
        action = random.randrange(5)
        if action == 0:
            del pieces[place : place + random.choice((1, 1, 2, 8))]
        elif action == 1:
            pieces.insert(place, random.choice(_SPARE))
        elif action == 2:
            pieces[place : place + 1] = [random.choice(_SPARE)]
        elif action == 3 and pieces:
            pieces.insert(place, random.choice(pieces))
        elif pieces:
            other = random.randrange(len(pieces))
            pieces[place : place + 1] = [pieces[other]]
    return "".join(pieces)


def relay(text: str, random: Random) -> str:
    """The same message in an unconventional layout."""
    pieces = _PIECE.findall(text)
    for place, piece in enumerate(pieces):
        if piece.isspace():
            pieces[place] = random.choice((piece, " ", "\n", " # {\n", "\t\r\n"))
        elif piece == "{" and random.random() < 0.2:
            pieces[place] = ": {"
    return "".join(pieces)
