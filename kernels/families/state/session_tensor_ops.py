"""GetSessionHandle, GetSessionTensor and DeleteSessionTensor: tensors that stay in the session between steps, under a
handle (session_ops.cc in TensorFlow)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...numeric.string_tensors import array_of

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_CONTAINER = "__session_tensors"


class SessionTensors:
    """The tensors of a session by handle. Handles are never used again, also after a restore."""

    kind = "SessionTensors"

    def __init__(self) -> None:
        self._lock = Lock()
        self._made = 0
        self._tensors: dict[bytes, Any] = {}

    def add(self, node: str, value: Any) -> bytes:
        """Keeps a tensor. Returns its handle, which names the node that made it."""
        with self._lock:
            handle = f"{node};{self._made};/job:localhost/replica:0/task:0/device:CPU:0".encode()
            self._made += 1
            self._tensors[handle] = value
            return handle

    def get(self, handle: bytes) -> Any:
        """The tensor of a handle. Raises INVALID_ARGUMENT if there is none."""
        with self._lock:
            if handle not in self._tensors:
                raise _unknown(handle)
            return self._tensors[handle]

    def delete(self, handle: bytes) -> None:
        """Drops a tensor. Raises INVALID_ARGUMENT if there is none."""
        with self._lock:
            if self._tensors.pop(handle, None) is None:
                raise _unknown(handle)

    def save(self) -> dict[str, Array]:
        with self._lock:
            saved = {f"tensor_{i}": np.asarray(value) for i, value in enumerate(self._tensors.values())}
            names = array_of((len(self._tensors),), list(self._tensors))
            return {"made": np.array(self._made, np.int64), "handles": names, **saved}

    def load(self, state: dict[str, Array]) -> None:
        with self._lock:
            self._made = int(state["made"])
            handles = np.asarray(state["handles"], object).reshape(-1).tolist()
            self._tensors = {handle: state[f"tensor_{i}"] for i, handle in enumerate(handles)}


def _unknown(handle: bytes) -> Exception:
    return invalid(f"The tensor with handle '{handle.decode(errors='replace')}' is not in the session store.")


def _tensors(ctx: Any) -> SessionTensors:
    return ctx.resource(_CONTAINER, "tensors", SessionTensors, SessionTensors)


def _handle(value: Any) -> bytes:
    handle = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if not isinstance(handle, bytes):
        raise invalid("handle must be a scalar string")
    return handle


def _scalar_handle(c: ShapeContext) -> Any:
    c.with_rank("handle", 0)
    return UNKNOWN if c.bound.output_types else []


keep = op(
    "GetSessionHandle(value: T; T: type) -> (handle: string)",
    shape=lambda c: SCALAR,
    stateful=True,
    differentiable=False,
    state=StateAccess.CHANGES,
)


@keep.kernel
def _(ctx: Any, xp: Any, value: Any, *, node_name: str) -> Any:
    return array_of((), [_tensors(ctx).add(node_name, value)])


class SessionTensorHandle:
    """The resource that GetSessionHandleV2 gives, named after the handle."""

    kind = "SessionTensorHandle"

    def __init__(self, name: str) -> None:
        self.name = name

    def describe(self) -> str:
        """Returns a description for people."""
        return f"session tensor {self.name!r}"

    def save(self) -> dict[str, Array]:
        """The tensor is saved with the others of the session."""
        return {}

    def load(self, state: dict[str, Array]) -> None:
        """Restores nothing."""


keep_v2 = op(
    "GetSessionHandleV2(value: T; T: type) -> (handle: resource)",
    shape=shapes.scalar,
    stateful=True,
    differentiable=False,
    state=StateAccess.CHANGES,
)


@keep_v2.kernel
def _(ctx: Any, xp: Any, value: Any, *, node_name: str) -> Any:
    return SessionTensorHandle(_tensors(ctx).add(node_name, value).decode())


read = op(
    "GetSessionTensor(handle: string; dtype: type) -> (value: dtype)",
    shape=_scalar_handle,
    stateful=True,
    differentiable=False,
    state=StateAccess.READS,
)


@read.kernel
def _(ctx: Any, xp: Any, handle: Any, *, dtype: DType) -> Any:
    value = _tensors(ctx).get(_handle(handle))
    found = np.asarray(value).dtype
    if dtype is not dtypes.variant and found != dtype.numpy:
        raise invalid(f"the session tensor is of {dtypes.of_numpy(found)}, not of {dtype}")
    return value


delete = op(
    "DeleteSessionTensor(handle: string)",
    shape=_scalar_handle,
    stateful=True,
    differentiable=False,
    state=StateAccess.CHANGES,
)


@delete.kernel
def _(ctx: Any, xp: Any, handle: Any) -> tuple[()]:
    _tensors(ctx).delete(_handle(handle))
    return ()
