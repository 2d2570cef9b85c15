"""The ends of what goes from one part of a partitioned graph to another (white paper section 3.2.2).

A send leaves its value in the step's rendezvous and never waits; a receive takes it from there, and holds no
thread while there is nothing. That a value is dead travels with it, so branches and loops may be cut anywhere.
The Host operations do the same with values in the memory of the host, on devices that have a memory of their
own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family
from ...core.traits import GpuSupport, Role
from .control_flow_ops import DEAD
from .rendezvous_keys import make_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.STATE)
op = family.op

# Where a receive is told the shape of what it will receive, which the graph before it was cut knew.
SHAPES_ATTR = "_output_shapes"

_ATTRS = (
    "tensor_name: string, send_device: string, send_device_incarnation: int, recv_device: string, "
    "client_terminated: bool = false"
)


def _send(
    ctx: Any,
    xp: Any,
    tensor: Any,
    *,
    send_device: str,
    send_device_incarnation: int,
    recv_device: str,
    tensor_name: str,
) -> tuple[()]:
    """Runs for a dead input too, which it is given as DEAD."""
    key = make_key(send_device, send_device_incarnation, recv_device, tensor_name, ctx.iteration)
    ctx.rendezvous.send(key, tensor, tensor is DEAD)
    return ()


def _receive(
    ctx: Any,
    xp: Any,
    *,
    send_device: str,
    send_device_incarnation: int,
    recv_device: str,
    tensor_name: str,
    done: Callable[[Any], None],
) -> None:
    key = make_key(send_device, send_device_incarnation, recv_device, tensor_name, ctx.iteration)
    ctx.rendezvous.receive(key, done)


def _received_shape(c: ShapeContext) -> Shape:
    shapes = c.attrs.get(SHAPES_ATTR, (UNKNOWN,))
    if not isinstance(shapes, tuple) or len(shapes) != 1 or not isinstance(shapes[0], Shape):
        raise invalid(f"attr {SHAPES_ATTR!r} must be a list of one shape")
    return shapes[0]


for _name in ("_Send", "_HostSend"):
    op(
        f"{_name}(tensor: T; T: type, {_ATTRS})",
        shape=lambda c: [],
        stateful=True,
        differentiable=False,
        role=Role.SEND,
    ).kernel(_send)

for _name in ("_Recv", "_HostRecv"):
    op(
        f"{_name}(; tensor_type: type, {_ATTRS}) -> (tensor: tensor_type)",
        shape=_received_shape,
        stateful=True,
        differentiable=False,
        asynchronous=True,
        role=Role.RECV,
    ).kernel(_receive)
