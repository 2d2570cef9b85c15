"""Assert, CheckNumerics, Print and PrintV2 (logging_ops.cc, check_numerics_op.cc in TensorFlow); and Timestamp."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport, StateAccess
from ...core.types import FLOATS
from ...numeric.value_summary import summarize_value

if TYPE_CHECKING:
    from ....graphfmt.shapes import Shape
    from ....graphfmt.tensors import Array
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


def _scalar_input(c: ShapeContext) -> list[Shape]:
    c.with_rank(0, 0)
    return []


assertion = op(
    "Assert(condition: bool, data: *T; T: list(type) >= 1, summarize: int = 3)",
    shape=_scalar_input,
    stateful=True,
    differentiable=False,
    gpu=GpuSupport.NONE,
    state=StateAccess.NONE,
)


@assertion.kernel
def _(xp: Any, condition: Any, data: Any, *, summarize: int) -> list[Any]:
    if condition.ndim != 0:
        raise invalid(f"condition must be a scalar, but has shape {list(condition.shape)}")
    if not condition:
        raise invalid("assertion failed: " + " ".join(_in_brackets(data, summarize)))
    return []


def _in_brackets(data: Any, limit: int) -> list[str]:
    return [f"[{summarize_value(value, limit)}]" for value in data]


# Infinities and NaNs.


def _signless(x: Any) -> str:
    """Returns which of Inf and NaN occur in x, as text."""
    kinds = [name for name, test in (("Inf", np.isinf), ("NaN", np.isnan)) if test(x).any()]
    return " and ".join(kinds)


def _signed(x: Any) -> str:
    """Returns which of -Inf, +Inf and NaN occur in x, as text."""
    infinite = np.isinf(x)
    tests = (("-Inf", infinite & (x < 0)), ("+Inf", infinite & (x > 0)), ("NaN", np.isnan(x)))
    kinds = [name for name, found in tests if found.any()]
    return " and ".join(kinds) if len(kinds) < 3 else "{}, {}, and {}".format(*kinds)


def _declare_check(name: str, kinds: Any) -> None:
    declared = op(
        f"{name}(tensor: T; T: type in {FLOATS}, message: string) -> (output: T)",
        shape=shapes.like_input,
        stateful=True,
        state=StateAccess.NONE,
    )

    @declared.kernel
    def _(xp: Any, tensor: Any, *, message: str) -> Any:
        if not xp.isfinite(tensor).all():
            raise invalid(f"{message} : Tensor had {kinds(tensor)} values")
        return tensor

    @declared.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
        return g.add_op(name, dy, message=f"the gradient of the checked tensor {node.name}")


_declare_check("CheckNumerics", _signless)
_declare_check("CheckNumericsV2", _signed)

# Printing.


class PrintCount:
    """The number of times that a node has printed, a resource that is saved with the session."""

    kind = "PrintCount"

    def __init__(self) -> None:
        self._count = 0
        self._lock = Lock()

    def step(self) -> int:
        """Counts one more print, and returns the number before it."""
        with self._lock:
            self._count += 1
            return self._count - 1

    def save(self) -> dict[str, Array]:
        return {"count": np.array(self._count, np.int64)}

    def load(self, state: dict[str, Array]) -> None:
        self._count = int(state["count"])


print_ = op(
    'Print(input: T, data: *U; T: type, U: list(type) >= 0, message: string = "", first_n: int = -1, '
    "summarize: int = 3) -> (output: T)",
    shape=shapes.like_input,
    stateful=True,
    gpu=GpuSupport.NONE,
    state=StateAccess.NONE,
    effects=Effects(prints=True),
)


@print_.kernel
def _(
    ctx: Any, xp: Any, value: Any, data: Any, *, node_name: str, message: str, first_n: int, summarize: int
) -> Any:
    if first_n < 0 or ctx.resource("", node_name, PrintCount, PrintCount).step() < first_n:
        ctx.log(message + "".join(_in_brackets(data, summarize)))
    return value


@print_.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Any]:
    return [dy] + [None] * (len(node.inputs) - 1)


_STREAMS = ("stdout", "stderr", "log(info)", "log(warning)", "log(error)")
_FILE = "file://"

print_v2 = op(
    'PrintV2(input: string; output_stream: string = "stderr", end: string = "\\n")',
    shape=_scalar_input,
    stateful=True,
    gpu=GpuSupport.NONE,
    state=StateAccess.NONE,
    effects=Effects(writes_files=("output_stream",), prints=True),
)


@print_v2.kernel
def _(ctx: Any, xp: Any, text: Any, *, output_stream: str, end: str) -> list[Any]:
    """Writes the text to the session's log for every stream; for ``file://PATH`` it is appended to the file."""
    if not isinstance(text, bytes):
        if text.ndim != 0:
            raise invalid(f"the input of PrintV2 must be a scalar, but has shape {list(text.shape)}")
        text = text.item()
    line = text.decode("utf-8", "replace") + end
    if output_stream.startswith(_FILE):
        with Path(output_stream.removeprefix(_FILE)).open("a") as file:
            file.write(line)
    elif output_stream in _STREAMS:
        ctx.log(line.removesuffix("\n"))
    else:
        known = ", ".join(_STREAMS)
        raise invalid(f"unknown output stream {output_stream!r}; there are {known} and {_FILE}PATH")
    return []


timestamp = op(
    "Timestamp() -> (ts: double)",
    shape=shapes.scalar,
    stateful=True,
    differentiable=False,
    state=StateAccess.NONE,
    effects=Effects(reads_environment=True),
)


@timestamp.kernel
def _(xp: Any) -> Any:
    return np.float64(time.time())
