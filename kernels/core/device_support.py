"""The operations that a GPU runs, and the tensors of theirs that stay in host memory.

Shapes, axes and sizes stay on the host, where kernels look at them, as in TensorFlow (HostMemory); all other inputs and
outputs are in device memory. Each declaration states its own traits for this (``registry.Op``: ``gpu``,
``host_inputs``, ``host_outputs``, ``computed_on_host``, ``expands``). ``tests/gpu`` runs the rows of all supported
operations on a GPU, or on arrays as strict as CuPy's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .traits import GpuSupport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ...graphfmt.dtypes import DType
    from ...graphfmt.signatures import Arg, Bound
    from .registry import Op

    Place = Callable[[Any], Any]


def supports(op: Op) -> bool:
    """True if a GPU runs an operation, on tensors of the dtypes that it holds (``is_on_gpu``)."""
    if op.is_control_flow:
        return True
    if op.kernel_function is op.bind_function is None or op.gpu is GpuSupport.NONE:
        return False
    return op.gpu is GpuSupport.STATE or not (op.stateful or op.asynchronous or op.takes_context)


def supports_types(op: Op, types: Iterable[DType]) -> bool:
    """True if a GPU runs the operation on tensors of these dtypes; references and handles need GpuSupport.STATE."""
    has_state = op.gpu is GpuSupport.STATE
    return all(
        is_on_gpu(dtype.base) and (not dtype.is_ref or has_state or op.is_control_flow)
        if dtype.name != "resource"
        else has_state
        for dtype in types
    )


def is_on_gpu(dtype: DType) -> bool:
    """True if GPU memory holds tensors of this dtype: booleans and the numbers that CuPy computes with."""
    return not dtype.is_opaque and not dtype.is_quantized and dtype.numpy.isbuiltin == 1


def inputs_on_host(op: Op, bound: Bound) -> list[bool]:
    """For each input tensor, True if the kernel wants it in host memory."""
    everything = is_computed_on_host(op, bound)
    return [
        everything or not is_on_gpu(dtype.base) or (name in op.host_inputs and dtype.is_integer)
        for name, dtype in zip(_names(op.signature.inputs, bound), bound.input_types)
    ]


def outputs_on_host(op: Op, bound: Bound) -> list[bool]:
    """For each output tensor, True if the kernel leaves it in host memory."""
    return [op.host_outputs or not is_on_gpu(dtype.base) for dtype in bound.output_types]


def is_computed_on_host(op: Op, bound: Bound) -> bool:
    """True if the host computes it in any case, as it does with dtypes that a GPU does not hold (a value is sent
    as bfloat16)."""
    tensors = (*bound.input_types, *bound.output_types)
    return op.computed_on_host or any(
        not is_on_gpu(dtype.base) and dtype.name != "resource" for dtype in tensors
    )


def _names(arguments: Sequence[Arg], bound: Bound) -> list[str]:
    return [arg.name for arg in arguments for _ in arg.types(bound.attrs)]
