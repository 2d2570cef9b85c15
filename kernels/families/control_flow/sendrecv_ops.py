"""Send and Recv: tensors that cross devices in a partitioned graph (white paper section 3.2.2).

A Send puts its value into the step's rendezvous and never waits. A Recv takes it from there and occupies no thread
while it waits. Deadness is sent with the value, so branches and loops may be partitioned anywhere. _HostSend and
_HostRecv do the same for tensors in host memory; Send and Recv are the names under which TensorFlow's own builders
write them.
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

# The attribute with the static shape of the received tensor, known before the graph was partitioned.
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
    """Sends the tensor. The scheduler runs it for a dead input too, with DEAD as the tensor."""
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
        raise invalid(f"attr {SHAPES_ATTR!r} must be a list of one shape, but is {shapes!r}")
    return shapes[0]


for _name in ("_Send", "_HostSend", "Send"):
    op(
        f"{_name}(tensor: T; T: type, {_ATTRS})",
        shape=lambda c: [],
        stateful=True,
        role=Role.SEND,
    ).kernel(_send)

for _name in ("_Recv", "_HostRecv", "Recv"):
    op(
        f"{_name}(; tensor_type: type, {_ATTRS}) -> (tensor: tensor_type)",
        shape=_received_shape,
        stateful=True,
        asynchronous=True,
        role=Role.RECV,
    ).kernel(_receive)
