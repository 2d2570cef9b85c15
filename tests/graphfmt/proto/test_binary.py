"""Binary graphs, and what is no graph."""

from __future__ import annotations

import pytest
from tfg.graphfmt.attributes import Function
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.proto import graph_pb2
from tfg.graphfmt.proto.binary import graph_from_bytes, graph_to_bytes


@pytest.mark.parametrize("data", [b"\n\xff\xff", b"\x07", b"\n\x05\n\x03a\xffb", b"\x0a\x0a" * 200])
def test_damaged_files(data: bytes) -> None:
    with pytest.raises(TfgError) as caught:
        graph_from_bytes(data, "g.pb")
    assert caught.value.status is Status.DATA_LOSS
    assert str(caught.value.location) == "g.pb"


def test_depth_is_limited() -> None:
    data = b"\x08\x01"
    for _ in range(3000):
        data = b"\x12" + _varint(len(data)) + data
    node = b"\x3a" + _varint(len(data)) + data
    with pytest.raises(TfgError) as caught:
        graph_from_bytes(b"\n" + _varint(len(node)) + node, "g.pb")
    assert caught.value.status is Status.DATA_LOSS


def _varint(number: int) -> bytes:
    low = bytearray()
    while number > 127:
        low.append(number & 127 | 128)
        number >>= 7
    return bytes([*low, number])


def test_what_no_graph_holds() -> None:
    message = graph_pb2.GraphDef()
    message.node.add(name="a").attr["s"].shape.dim.add(size=-7)
    with pytest.raises(TfgError) as caught:
        graph_from_bytes(message.SerializeToString(), "g.pb")
    assert caught.value.status is Status.INVALID_ARGUMENT
    assert str(caught.value.location) == "g.pb"


def test_bytes_are_the_same_every_time() -> None:
    keys = [f"k{i}" for i in range(20)]
    one = Graph((Node("a", "Op", attrs={k: Function(k) for k in keys}),))
    other = Graph((Node("a", "Op", attrs={k: Function(k) for k in reversed(keys)}),))
    assert graph_to_bytes(one) == graph_to_bytes(other)


def test_names_that_are_no_text() -> None:
    with pytest.raises(TfgError):
        graph_to_bytes(Graph((Node("\ud800", "Op"),)))
