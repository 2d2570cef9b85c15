"""Updates of optimizers as native loops: one pass over the variable, its slots and the gradient, in place.

The loop is made of the trace that ``fused_updates`` makes its numpy calls of, and computes the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .fused_updates import CompiledUpdate, Symbol, exported_scalars, trace_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...codegen.expression import ElementLoop, Expression
    from ...codegen.native_loop import NativeLoop
    from .update_rules import Rule

LoopCompiler = Callable[["ElementLoop"], "NativeLoop | None"]

# With fewer elements, numpy's calls are no slower.
_MIN_ELEMENTS = 1 << 12


class NativeUpdate:
    """An update that runs ``loop`` on large arrays, and ``update`` on others; see ``CompiledUpdate``.

    The inputs of the loop are the variable and its slots, the gradient, and the exported scalars; its outputs are the
    new values of the arrays whose positions are ``changed``.
    """

    def __init__(self, update: CompiledUpdate, loop: NativeLoop, changed: Sequence[int]) -> None:
        self._update = update
        self._loop = loop
        self._changed = changed

    def run(self, xp: Any, arrays: Sequence[Any], grad: Any, hyperparameters: Sequence[Any]) -> None:
        """Updates the variable and its slots, contiguous arrays of one shape, by a gradient of that shape."""
        is_one_array_twice = len({id(array) for array in arrays}) < len(arrays)
        if grad.size < _MIN_ELEMENTS or is_one_array_twice or not all(a.flags.c_contiguous for a in arrays):
            self._update.run(xp, arrays, grad, hyperparameters)
            return
        kind = arrays[0].dtype.type
        scalars = [np.asarray(x, kind) for x in self._update.scalars(xp, kind, *hyperparameters)]
        inputs = [*arrays, np.ascontiguousarray(grad), *scalars]
        # A step that is cancelled may not leave half an update.
        self._loop.run(inputs, [arrays[i] for i in self._changed], grad.size, stops_early=False)


def compile_update(
    rule: Rule, attrs: tuple[bool, ...], dtype: DType, compile_loop: LoopCompiler, *, by_rows: bool
) -> NativeUpdate | None:
    """The update of a rule as native code; None for rules whose formula depends on the values of hyperparameters, or
    has functions or dtypes that native loops do not have."""
    if dtype.name not in ("float", "double") or set(rule.choices) - {"by_rows"}:
        return None
    flags = attrs + tuple(by_rows for _ in rule.choices)
    names = dict(zip((*rule.attrs, *rule.choices), flags))
    trace, homes, finals = trace_rule(rule.formula, len(rule.slots), rule.inputs, names)
    changed = [i for i, final in enumerate(finals) if final is not homes[i]]
    loop = _loop(homes, exported_scalars(trace.symbols), [finals[i] for i in changed], np.dtype(dtype.numpy))
    native = compile_loop(loop) if loop is not None else None
    return NativeUpdate(rule.update(flags), native, changed) if native is not None else None


def _loop(
    homes: Sequence[Symbol], scalars: Sequence[Symbol], finals: Sequence[Symbol], dtype: np.dtype[Any]
) -> ElementLoop | None:
    """The loop over elements, of any number of them: in one dimension, code does not depend on it."""
    from ...codegen.expression import ElementLoop, Input, Operand

    size = _MIN_ELEMENTS
    made: dict[Symbol, Expression] = {home: Input(dtype, i) for i, home in enumerate(homes)}
    gradient = Input(dtype, len(homes))
    made.update({scalar: Input(dtype, len(homes) + 1 + i) for i, scalar in enumerate(scalars)})
    for symbol in homes[0].trace.symbols:
        if symbol in made or symbol.is_scalar:
            continue
        expression = gradient if symbol.function == "given" else _expression(symbol, made, dtype)
        if expression is None:
            return None
        made[symbol] = expression
    operands = [Operand(dtype, (size,))] * (len(homes) + 1) + [Operand(dtype, ())] * len(scalars)
    return ElementLoop((size,), tuple(operands), tuple(made[final] for final in finals))


def _expression(symbol: Symbol, made: dict[Symbol, Expression], dtype: np.dtype[Any]) -> Expression | None:
    from ...codegen.expression import FUNCTIONS, Apply, Literal

    values = tuple(made[a] if isinstance(a, Symbol) else Literal(dtype, a) for a in symbol.args)
    if symbol.function == "zero_unless_greater":
        x, y, limit = values
        return Apply(dtype, "where", (Apply(np.dtype(bool), "greater", (y, limit)), x, Literal(dtype, 0)))
    return Apply(dtype, symbol.function, values) if symbol.function in FUNCTIONS else None
