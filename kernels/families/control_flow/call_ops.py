"""Calls of library functions: PartitionedCall, RemoteCall, SymbolicGradient; and DeviceIndex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.facts import Fact
from ...core.registry import Family
from ...core.traits import BodyExecution, CallForm, GpuSupport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.binding import Binding
    from ...core.context import Callee
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _call_facts(c: ShapeContext) -> Sequence[Fact]:
    return c.results_of(c.bound.attrs["f"], c.facts)  # type: ignore[arg-type]


def _call(ctx: Any, xp: Any, args: Sequence[Any], *, f: Callee) -> Any:
    return f(ctx, *args)


def _bind_call(b: Binding) -> Any:
    return b.attrs["f"].given(b.inputs)


def _call_gradient(g: Any, node: Any, *dys: Any) -> Any:
    from ...functions.call_gradients import call_gradient

    return call_gradient(g, node, node.node.attrs["f"], dys)


_ARGUMENTS = (
    "(args: *Tin; Tin: list(type) >= 0, Tout: list(type) >= 0, f: func, "
    'config: string = "", config_proto: string = "", executor_type: string = "") -> (output: *Tout)'
)
for _name in ("PartitionedCall", "StatefulPartitionedCall"):
    _op = op(
        _name + _ARGUMENTS,
        shape=_call_facts,
        stateful=_name.startswith("Stateful"),
        calls=CallForm(("f",), 0, "Tin", "Tout", body=BodyExecution.PRUNED),
    )
    _op.kernel(_call)
    _op.bind(_bind_call)
    _op.gradient(_call_gradient)


def _remote_facts(c: ShapeContext) -> Sequence[Fact]:
    return c.results_of(c.bound.attrs["f"], c.facts[1:])  # type: ignore[arg-type]


remote_call = op(
    "RemoteCall(target: string, args: *Tin; Tin: list(type) >= 1, Tout: list(type) >= 1, f: func) "
    "-> (output: *Tout)",
    shape=_remote_facts,
    stateful=True,
    calls=CallForm(("f",), 1, "Tin", "Tout"),
)


@remote_call.kernel
def _(ctx: Any, xp: Any, target: Any, args: Sequence[Any], *, f: Callee) -> Any:
    """Ignores the target: all devices are in this process."""
    if np.ndim(target):
        raise invalid(f"RemoteCall: target must be a scalar, but has shape {Shape(np.shape(target))}")
    return f(ctx, *args)


def _argument_facts(c: ShapeContext) -> Sequence[Fact]:
    """Each output is the gradient of an input and has its shape."""
    types = c.bound.output_types
    if len(types) > len(c.facts):
        raise invalid(
            f"SymbolicGradient: Tout has {len(types)} gradients, but there are only {len(c.facts)} inputs"
        )
    return [
        Fact(dtype, fact.shape if fact.dtype.base is dtype else UNKNOWN)
        for dtype, fact in zip(types, c.facts)
    ]


symbolic_gradient = op(
    "SymbolicGradient(input: *Tin; Tin: list(type) >= 1, Tout: list(type) >= 1, f: func) -> (output: *Tout)",
    shape=_argument_facts,
)


@symbolic_gradient.kernel
def _(ctx: Any, xp: Any, input: Sequence[Any], *, f: Callee) -> Any:
    return f(ctx, *input)


@symbolic_gradient.bind
def _(b: Binding) -> Any:
    return b.attrs["f"].gradient(b.input_types, b.output_types).given(b.inputs)


device_index = op(
    "DeviceIndex(; device_names: list(string)) -> (index: int32)", shape=shapes.scalar, stateful=True
)


@device_index.kernel
def _(xp: Any, *, device_names: Sequence[str]) -> Any:
    """The index of ``CPU``, on which this kernel runs, in ``device_names``, or their number if it is absent."""
    return np.int32(device_names.index("CPU") if "CPU" in device_names else len(device_names))
