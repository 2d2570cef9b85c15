"""A compiled loop as a function of numpy arrays, cut into chunks that the threads of the pool share."""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.cancellation import check
from ..core.parallel import POOL
from .evaluation import evaluate
from .expression import ElementLoop, iteration_space
from .llvm_emitter import NAME, UnsupportedError, emit
from .llvm_engine import function_address
from .stages import cut_into_stages, result_dtypes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .depthwise import DepthwiseLoop, NativeDepthwise
    from .expression import Operand
    from .max_pool import MaxPoolLoop, NativeMaxPool
    from .stages import Stage

# Elements per chunk: some 50 microseconds of a loop that memory bounds; with stages, as many as caches hold.
_CHUNK = 1 << 16
_STAGED_CHUNK = 1 << 14

_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_ADDRESSES = (1 << 64) - 1


def compile_loop(
    loop: ElementLoop | MaxPoolLoop | DepthwiseLoop,
) -> NativeLoop | NativeMaxPool | NativeDepthwise | None:
    """The loop as native code; None where it cannot be compiled."""
    return _compile_elements(loop) if isinstance(loop, ElementLoop) else loop.compile()


def _compile_elements(loop: ElementLoop) -> NativeLoop | None:
    stages = cut_into_stages(loop)
    functions: list[Callable[..., None]] = []
    for stage in stages:
        try:
            ir = emit(stage.loop)
        except UnsupportedError:
            return None
        address = function_address(ir, NAME)
        if address is None:
            return None
        functions.append(_PROTOTYPE(address))
    return NativeLoop(loop, stages, functions)


def is_compilable(loop: ElementLoop) -> bool:
    """True if there is code for everything in a loop. Does not compile it."""
    try:
        for stage in cut_into_stages(loop):
            emit(stage.loop)
    except UnsupportedError:
        return False
    return True


class NativeLoop:
    """A function of one array per input of a loop, which returns one array per output.

    Chunks are the same for any number of threads, and an element does not depend on its chunk.
    """

    def __init__(
        self, loop: ElementLoop, stages: Sequence[Stage], functions: Sequence[Callable[..., None]]
    ) -> None:
        self.loop = loop
        self._stages = stages
        self._functions = functions
        dims = iteration_space(loop.shape, [one.shape for one in loop.inputs]).dims
        # What is counted from begin to end, and how many elements each of it has.
        self._steps, self._step_size = (loop.size, 1) if len(dims) == 1 else (math.prod(dims[:-1]), dims[-1])
        self._output_dtypes = [one.dtype for one in loop.outputs]
        self._result_dtypes = result_dtypes(stages)

    def __call__(self, *inputs: Any, out: Sequence[Any] = ()) -> list[Any]:
        """Runs the loop.

        Args:
            inputs: of the dtypes and shapes that the loop was compiled for; numpy computes with others.
            out: per output an input that is to be written over, or None; where its memory does not fit, or none is
                given, the output is newly allocated.
        """
        arrays = [np.asarray(x, order="C") for x in inputs]
        if any(not _fits(x, operand) for x, operand in zip(arrays, self.loop.inputs)):
            # A variable may have been given a shape that the graph does not tell.
            return evaluate(self.loop.outputs, arrays)
        offered = [*out, *[None] * (len(self._output_dtypes) - len(out))]
        outputs = [self._output(dtype, given) for dtype, given in zip(self._output_dtypes, offered)]
        self.run(arrays, outputs, self._steps)
        return outputs

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
        sources = [array.ctypes.data for array in inputs]
        targets = [array.ctypes.data for array in outputs]
        last = self._functions[-1]
        table = _table([*sources, *targets])
        chunk = max(1, (_STAGED_CHUNK if self._result_dtypes else _CHUNK) // self._step_size)

        def run_chunk(number: int) -> None:
            if stops_early:
                check()
            begin, end = number * chunk, min(steps, (number + 1) * chunk)
            if self._result_dtypes:
                results = self._run_stages(sources, begin, end)
                last(_table([*sources, *self._addresses(results, begin), *targets]), begin, end)
            else:
                last(table, begin, end)

        POOL.run(run_chunk, -(-steps // chunk))

    def _run_stages(self, sources: Sequence[int], begin: int, end: int) -> list[Any]:
        """Runs all stages but the last on some steps; returns the results of their functions."""
        size = (end - begin) * self._step_size
        results = [np.empty(size, dtype) for dtype in self._result_dtypes]
        addresses = self._addresses(results, begin)
        done = 0
        for stage, function in zip(self._stages[:-1], self._functions):
            after = done + len(stage.functions)
            function(_table([*sources, *addresses[:after]]), begin, end)
            for name, result in zip(stage.functions, results[done:after]):
                getattr(np, name)(result, out=result)
            done = after
        return results

    def _addresses(self, results: Sequence[Any], begin: int) -> list[int]:
        """The addresses at which arrays of all elements would begin, of which the results are the part from a step."""
        offset = begin * self._step_size
        return [(one.ctypes.data - offset * one.itemsize) & _ADDRESSES for one in results]


def _fits(array: Any, operand: Operand) -> bool:
    return array.shape == operand.shape and array.dtype == operand.dtype


def _table(addresses: Sequence[int]) -> Any:
    return (ctypes.c_void_p * len(addresses))(*addresses)
