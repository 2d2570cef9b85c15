"""A compiled loop as a function of numpy arrays, cut into chunks that the threads of the pool share."""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.errors import invalid
from ..core.cancellation import check
from ..core.parallel import POOL
from .expression import iteration_space
from .llvm_emitter import NAME, UnsupportedError, emit
from .llvm_engine import function_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .expression import ElementLoop, Operand

# Elements per chunk: some 50 microseconds of a loop that memory bounds.
_CHUNK = 1 << 16

_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


def compile_loop(loop: ElementLoop) -> NativeLoop | None:
    """The loop as native code; None where it cannot be compiled."""
    try:
        ir = emit(loop)
    except UnsupportedError:
        return None
    address = function_address(ir, NAME)
    return None if address is None else NativeLoop(loop, address)


class NativeLoop:
    """A function of one array per input of a loop, which returns one array per output.

    Chunks are the same for any number of threads, and an element does not depend on its chunk.
    """

    def __init__(self, loop: ElementLoop, address: int) -> None:
        self.loop = loop
        self._function = _PROTOTYPE(address)
        dims = iteration_space(loop.shape, [one.shape for one in loop.inputs]).dims
        # What is counted from begin to end, and how many elements each of it has.
        self._steps, self._step_size = (loop.size, 1) if len(dims) == 1 else (math.prod(dims[:-1]), dims[-1])
        self._output_dtypes = [one.dtype for one in loop.outputs]

    def __call__(self, *inputs: Any, out: Sequence[Any] = ()) -> list[Any]:
        """Runs the loop.

        Args:
            inputs: of the dtypes and shapes that the loop was compiled for.
            out: per output an input that is to be written over, or None; where its memory does not fit, or none is
                given, the output is newly allocated.
        """
        arrays = [self._array(x, operand) for x, operand in zip(inputs, self.loop.inputs)]
        offered = [*out, *[None] * (len(self._output_dtypes) - len(out))]
        outputs = [self._output(dtype, given) for dtype, given in zip(self._output_dtypes, offered)]
        self.run(arrays, outputs, self._steps)
        return outputs

    def _array(self, value: Any, operand: Operand) -> Any:
        """The value as a contiguous array. Raises INVALID_ARGUMENT for one of another shape than inferred."""
        array = np.asarray(value, order="C")
        if array.shape != operand.shape or array.dtype != operand.dtype:
            raise invalid(
                f"a {array.dtype} value of shape {array.shape} where the graph tells {operand.dtype} of {operand.shape}"
            )
        return array

    def _output(self, dtype: np.dtype[Any], given: Any) -> Any:
        if (
            isinstance(given, np.ndarray)
            and given.shape == self.loop.shape
            and given.dtype == dtype
            and given.flags.c_contiguous
            and given.flags.writeable
        ):
            return given
        return np.empty(self.loop.shape, dtype)

    def run(
        self, inputs: Sequence[Any], outputs: Sequence[Any], steps: int, *, stops_early: bool = True
    ) -> None:
        """Runs some steps of the loop on contiguous arrays: elements if it has one dimension, else rows. An output may
        be an input of the shape of the loop. ``stops_early``: a step that is cancelled leaves the rest undone."""
        addresses = [array.ctypes.data for array in (*inputs, *outputs)]
        table = (ctypes.c_void_p * len(addresses))(*addresses)
        function = self._function
        chunk = max(1, _CHUNK // self._step_size)
        count = -(-steps // chunk)
        if count <= 1:
            function(table, 0, steps)
            return

        def run_chunk(number: int) -> None:
            if stops_early:
                check()
            function(table, number * chunk, min(steps, (number + 1) * chunk))

        POOL.run(run_chunk, count)
