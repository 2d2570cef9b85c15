"""Sends and receives against a rendezvous that only notes what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt import dtypes
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.shapes import Shape
from tfg.kernels.core import binding, registry
from tfg.kernels.core.inference import infer_graph
from tfg.kernels.families.control_flow.control_flow_ops import DEAD

ENDS = {"tensor_name": b"edge_3_a", "send_device": b"/a", "send_device_incarnation": -1, "recv_device": b"/b"}
KEY = "/a;ffffffffffffffff;/b;edge_3_a;7:2"


class Context:
    """The step as these kernels see it, in the third iteration of a loop."""

    iteration = "7:2"

    def __init__(self) -> None:
        self.rendezvous = self
        self.noted: list[tuple[Any, ...]] = []

    def send(self, key: str, value: Any, is_dead: bool) -> None:
        self.noted.append((key, value, is_dead))

    def receive(self, key: str, done: Callable[[Any], None]) -> None:
        self.noted.append((key,))
        done(np.float32(5))


def bound(node: Node, *inputs: Any) -> Callable[..., Any]:
    op = registry.get(node.op)
    return binding.bind(op, node, op.signature.bind(node), list(inputs), np)


@pytest.mark.parametrize("kind", ["_Send", "_HostSend"])
@pytest.mark.parametrize("value", [np.float32(1), DEAD])
def test_a_send_leaves_its_value_dead_or_alive(kind: str, value: Any) -> None:
    ctx = Context()
    bound(Node("s", kind, ("a",), {"T": dtypes.float32, **ENDS}), None)(ctx, value)
    assert ctx.noted == [(KEY, value, value is DEAD)]


@pytest.mark.parametrize("kind", ["_Recv", "_HostRecv"])
def test_a_receive_asks_for_its_value_and_returns(kind: str) -> None:
    ctx, given = Context(), []
    bound(Node("r", kind, (), {"tensor_type": dtypes.float32, **ENDS}))(ctx, done=given.append)
    assert ctx.noted == [(KEY,)] and given == [5]


def received(**attrs: Any) -> Any:
    node = Node("r", "_Recv", (), {"tensor_type": dtypes.int32, **ENDS, **attrs})
    return infer_graph(Graph((node,)))["r"][0]


def test_a_receive_has_the_shape_that_it_is_told() -> None:
    assert received().shape.dims is None
    assert (received(_output_shapes=(Shape((2, None)),)).shape, received().dtype) == (
        Shape((2, None)),
        dtypes.int32,
    )
    with pytest.raises(tfg.TfgError, match="must be a list of one shape"):
        received(_output_shapes=3)


@pytest.mark.parametrize(
    ("send", "receive"), [("_Send", "_Recv"), ("_HostSend", "_HostRecv"), ("Send", "Recv")]
)
def test_both_ends_of_an_edge_have_one_key(send: str, receive: str) -> None:
    ctx = Context()
    bound(Node("s", send, ("a",), {"T": dtypes.float32, **ENDS}), None)(ctx, np.float32(1))
    got: list[Any] = []
    bound(Node("r", receive, (), {"tensor_type": dtypes.float32, **ENDS}))(ctx, done=got.append)
    assert ctx.noted == [(KEY, np.float32(1), False), (KEY,)]
    assert got == [np.float32(5)]
