"""Stack, StackPush and StackPop in both versions (stack_ops.cc in TensorFlow): the forward loop pushes
values that its gradient pops. A handle is the stack itself, so a stack lives as long as its step."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...numeric import int_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE, state=StateAccess.PER_STEP)
op = family.op


class Stack:
    """A stack of tensors of one dtype, with at most ``limit`` elements unless that is negative."""

    kind = "Stack"
    __slots__ = ("_closed", "_items", "_limit", "_lock", "dtype", "name")

    def __init__(self, name: str, dtype: DType, limit: int) -> None:
        self.name = name
        self.dtype = dtype
        self._limit = limit
        self._lock = Lock()
        self._items: list[Any] = []
        self._closed = False

    def read(self) -> Stack:
        """Returns the stack: the value of a reference to it."""
        return self

    def push(self, item: Any) -> None:
        """Pushes an element. Raises INVALID_ARGUMENT if the stack is full or closed."""
        with self._lock:
            self._check_open()
            if 0 <= self._limit <= len(self._items):
                raise invalid(f"stack {self.name!r} is full: max_size is {self._limit}")
            self._items.append(item)

    def pop(self) -> Any:
        """Pops the last element. Raises INVALID_ARGUMENT if the stack is empty or closed."""
        with self._lock:
            self._check_open()
            if not self._items:
                raise invalid(f"stack {self.name!r} is empty")
            return self._items.pop()

    def close(self) -> None:
        """Releases all elements. A later push or pop raises INVALID_ARGUMENT."""
        with self._lock:
            self._closed = True
            self._items.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise invalid(f"stack {self.name!r} has been closed")


def _typed_stack(handle: Any, dtype: DType) -> Stack:
    """The stack of a handle. Raises INVALID_ARGUMENT if it is none, or of another dtype."""
    if type(handle) is not Stack:
        raise invalid(f"the handle must be of a stack, but is of a {type(handle).__name__}")
    if handle.dtype is not dtype:
        raise invalid(f"stack {handle.name!r} has elements of {handle.dtype}, not of {dtype}")
    return handle


def _make(name: str, node_name: str, dtype: DType, limit: int) -> Stack:
    return Stack(name or node_name, dtype, limit)


stack = op(
    'Stack(; elem_type: type, stack_name: string = "") -> (handle: Ref(string))',
    shape=lambda c: Shape((2,)),
    stateful=True,
    differentiable=False,
)


@stack.kernel
def _(xp: Any, *, node_name: str, elem_type: DType, stack_name: str) -> Stack:
    return _make(stack_name, node_name, elem_type, -1)


stack_v2 = op(
    'StackV2(max_size: int32; elem_type: type, stack_name: string = "") -> (handle: resource)',
    shape=shapes.scalar,
    stateful=True,
)


@stack_v2.kernel
def _(xp: Any, max_size: Any, *, node_name: str, elem_type: DType, stack_name: str) -> Stack:
    if max_size.ndim:
        raise invalid(f"max_size must be a scalar, but has shape {Shape(tuple(max_size.shape))}")
    return _make(stack_name, node_name, elem_type, int_arguments.int_scalar(max_size, "max_size"))


def _pushed(c: ShapeContext) -> Shape:
    return c.input("elem")


def _push(xp: Any, handle: Any, elem: Any, *, T: DType) -> Any:
    _typed_stack(handle, T).push(elem)
    return elem


def _pop(xp: Any, handle: Any, *, elem_type: DType) -> Any:
    return _typed_stack(handle, elem_type).pop()


def _close(xp: Any, handle: Any) -> Sequence[Any]:
    if type(handle) is not Stack:
        raise invalid(f"the handle must be of a stack, but is of a {type(handle).__name__}")
    handle.close()
    return []


def _declare(version: str, handle: str, *, stateful: bool) -> None:
    op(
        f"StackPush{version}(handle: {handle}, elem: T; T: type, swap_memory: bool = false) -> (output: T)",
        shape=_pushed,
        stateful=stateful,
        differentiable=stateful,
    ).kernel(_push)
    pop = op(
        f"StackPop{version}(handle: {handle}; elem_type: type) -> (elem: elem_type)",
        shape=lambda c: UNKNOWN,
        stateful=stateful,
        differentiable=stateful,
    )
    pop.kernel(_pop)
    pop.why_no_gradient = _SECOND_ORDER
    op(
        f"StackClose{version}(handle: {handle})",
        shape=shapes.no_outputs,
        stateful=stateful,
        differentiable=stateful,
    ).kernel(_close)


# Backward loops pop what forward loops have pushed.
_SECOND_ORDER = (
    "second-order gradients of while loops are not supported, except for those of the operation While"
)

_declare("", "Ref(string)", stateful=False)
_declare("V2", "resource", stateful=True)
