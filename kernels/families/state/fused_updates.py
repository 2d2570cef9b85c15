"""Compiles the formula of an optimizer, over whole tensors, to in-place updates.

The formula is traced once with symbols. Subexpressions of scalars are computed once per call; the others
become ufunc calls that write into the variable, its slots, or scratch memory of the thread. A call allocates
nothing, and works block by block, so that the blocks of all arrays stay in the cache from their first use to
their last.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Elements per block: four float arrays then take 1 MiB of cache.
BLOCK = 1 << 16


class Symbol:
    """A value of a traced formula: an array, or a scalar if ``is_scalar``."""

    __slots__ = ("args", "function", "is_scalar", "trace")

    def __init__(self, trace: FormulaTrace, function: str, args: tuple[Any, ...], is_scalar: bool) -> None:
        self.trace = trace
        self.function = function
        self.args = args
        self.is_scalar = is_scalar

    def __add__(self, other: Operand) -> Symbol:
        return apply("add", self, other)

    def __radd__(self, other: Operand) -> Symbol:
        return apply("add", other, self)

    def __sub__(self, other: Operand) -> Symbol:
        return apply("subtract", self, other)

    def __rsub__(self, other: Operand) -> Symbol:
        return apply("subtract", other, self)

    def __mul__(self, other: Operand) -> Symbol:
        return apply("multiply", self, other)

    def __rmul__(self, other: Operand) -> Symbol:
        return apply("multiply", other, self)

    def __truediv__(self, other: Operand) -> Symbol:
        return apply("divide", self, other)

    def __rtruediv__(self, other: Operand) -> Symbol:
        return apply("divide", other, self)

    def __neg__(self) -> Symbol:
        return apply("negative", self)


Operand = Symbol | int | float


class FormulaTrace:
    """The symbols of one formula in the order of their creation."""

    def __init__(self) -> None:
        self.symbols: list[Symbol] = []

    def new(self, function: str, args: tuple[Any, ...], is_scalar: bool) -> Symbol:
        symbol = Symbol(self, function, args, is_scalar)
        self.symbols.append(symbol)
        return symbol


def apply(ufunc: str, *args: Operand) -> Symbol:
    """Records the call of a numpy function on symbols and constants, and returns its symbol."""
    symbols = [a for a in args if isinstance(a, Symbol)]
    return symbols[0].trace.new(ufunc, args, all(s.is_scalar for s in symbols))


def sqrt(x: Symbol) -> Symbol:
    return apply("sqrt", x)


def rsqrt(x: Symbol) -> Symbol:
    return apply("divide", 1, apply("sqrt", x))


def square(x: Symbol) -> Symbol:
    return apply("multiply", x, x)


def absolute(x: Symbol) -> Symbol:
    return apply("absolute", x)


def sign(x: Symbol) -> Symbol:
    return apply("sign", x)


def exp(x: Symbol) -> Symbol:
    return apply("exp", x)


def power(x: Symbol, y: Operand) -> Symbol:
    return apply("power", x, y)


def maximum(x: Operand, y: Operand) -> Symbol:
    return apply("maximum", x, y)


def maximum_or_first(x: Symbol, y: Symbol) -> Symbol:
    """The elementwise maximum; x where y is NaN, and NaN where x is NaN."""
    return apply("maximum", apply("fmax", x, y), x)


def minimum(x: Operand, y: Operand) -> Symbol:
    return apply("minimum", x, y)


def zero_unless_greater(x: Symbol, y: Symbol, limit: Symbol) -> Symbol:
    """x where y is greater than a scalar limit, otherwise 0, also where y is NaN."""
    return x.trace.new("zero_unless_greater", (x, y, limit), False)


@dataclass(frozen=True)
class CompiledUpdate:
    """A compiled formula.

    ``scalars(xp, kind, *hyperparameters)`` computes the subexpressions of scalars; ``block(xp, kind, arrays, grad,
    scratch, scalars)`` updates one block. ``scratch`` is the number of scratch arrays.
    """

    scalars: Callable[..., Any]
    block: Callable[..., None]
    scratch: int
    source: str

    def run(self, xp: Any, arrays: Sequence[Any], grad: Any, hyperparameters: Sequence[Any]) -> None:
        """Updates the variable and its slots, contiguous arrays of one shape, by a gradient of that shape."""
        kind = arrays[0].dtype.type
        scalars = self.scalars(xp, kind, *hyperparameters)
        if xp is not np:
            self.block(xp, kind, arrays, grad, [xp.empty_like(grad) for _ in range(self.scratch)], scalars)
            return
        flat = [a if a.ndim == 1 else a.reshape(-1) for a in arrays]
        step = grad if grad.ndim == 1 else grad.reshape(-1)
        size = step.size
        if size <= BLOCK:
            self.block(xp, kind, flat, step, _scratch(step.dtype, self.scratch, size), scalars)
            return
        for start in range(0, size, BLOCK):
            part = slice(start, start + BLOCK)
            some = step[part]
            scratch = _scratch(some.dtype, self.scratch, some.size)
            self.block(xp, kind, [a[part] for a in flat], some, scratch, scalars)


_local = threading.local()


def _scratch(dtype: Any, count: int, size: int) -> list[Any]:
    """Returns scratch arrays of this thread, valid until its next call."""
    kept: dict[Any, list[Any]] = _local.__dict__
    arrays = kept.get(dtype.name)
    if arrays is None:
        arrays = kept[dtype.name] = []
    while len(arrays) < count:
        arrays.append(np.empty(BLOCK, dtype))
    return arrays[:count] if size == BLOCK else [a[:size] for a in arrays[:count]]


def compile_rule(
    rule: Callable[..., Any], slots: int, names: Sequence[str], flags: dict[str, bool]
) -> CompiledUpdate:
    """Compiles ``rule(var, *slots, *others, **flags)``, which returns the new variable and slots.

    ``names`` are the names of the arguments after the slots; ``grad`` or ``delta`` is an array, the others are
    scalars.
    """
    trace, homes, finals = trace_rule(rule, slots, names, flags)
    return _Compiler(trace, homes, finals, [n for n in names if n not in GRADIENTS]).update()


def trace_rule(
    rule: Callable[..., Any], slots: int, names: Sequence[str], flags: dict[str, bool]
) -> tuple[FormulaTrace, Sequence[Symbol], Sequence[Symbol]]:
    """Traces a rule: returns the trace, the symbols of the variable and its slots, and those of their new values."""
    trace = FormulaTrace()
    homes = [trace.new("home", (i,), False) for i in range(slots + 1)]
    others = [trace.new("given", (n,), n not in GRADIENTS) for n in names]
    results = rule(*homes, *others, **flags)
    return trace, homes, list(results) if isinstance(results, tuple) else [results]


def exported_scalars(symbols: Sequence[Symbol]) -> list[Symbol]:
    """Returns the scalars that array expressions use, in the order of ``CompiledUpdate.scalars``."""
    arguments = (arg for s in symbols if not s.is_scalar for arg in s.args)
    return list(dict.fromkeys(arg for arg in arguments if isinstance(arg, Symbol) and arg.is_scalar))


GRADIENTS = ("grad", "delta")


# On scalars, Python operators are several times as fast as ufuncs.
_OPERATORS = {
    "add": "{} + {}",
    "subtract": "{} - {}",
    "multiply": "{} * {}",
    "divide": "{} / {}",
    "negative": "-{}",
}


class _Compiler:
    """Allocates an array for every value of a trace, and generates the functions of a CompiledUpdate.

    Arrays are ``a0`` (the variable), ``a1``… (its slots) and ``t0``… (scratch). A value may overwrite one that is
    no longer used. The new value of the variable or of a slot is written to its own array as soon as that is free,
    and never to that of another.
    """

    def __init__(
        self, trace: FormulaTrace, homes: Sequence[Symbol], finals: Sequence[Symbol], names: Sequence[str]
    ) -> None:
        self.names = names
        self.symbols = trace.symbols
        self.finals = [(f"a{i}", final) for i, final in enumerate(finals)]
        self.place: dict[Symbol, str] = {home: f"a{i}" for i, home in enumerate(homes)}
        self.count = len(homes)
        self.free: list[str] = []
        self.scratch = 0
        self.last_use: dict[Symbol, int] = {}
        for position, symbol in enumerate(self.symbols):
            for arg in symbol.args:
                if isinstance(arg, Symbol):
                    self.last_use[arg] = position
        for _, final in self.finals:
            self.last_use[final] = len(self.symbols)
        self.free_homes = {place for home, place in self.place.items() if home not in self.last_use}

    def update(self) -> CompiledUpdate:
        source = "\n".join([*self._scalar_lines(), "", *self._block_lines()])
        names: dict[str, Any] = {}
        exec(compile(source, "<update>", "exec"), names)
        return CompiledUpdate(names["scalars"], names["block"], self.scratch, source)

    @cached_property
    def _scalar_names(self) -> dict[Symbol, str]:
        named: dict[Symbol, str] = {}
        for symbol in self.symbols:
            if symbol.is_scalar:
                named[symbol] = symbol.args[0] if symbol.function == "given" else f"s{len(named)}"
        return named

    @cached_property
    def _exported(self) -> list[str]:
        """The names of the scalars that array expressions use."""
        return [self._scalar_names[s] for s in exported_scalars(self.symbols)]

    def _scalar_lines(self) -> Iterator[str]:
        yield f"def scalars({', '.join(['xp', 'kind', *self.names])}):"
        for symbol, name in self._scalar_names.items():
            if symbol.function != "given":
                args = list(map(self._text, symbol.args))
                operator = _OPERATORS.get(symbol.function)
                call = operator.format(*args) if operator else f"xp.{symbol.function}({', '.join(args)})"
                yield f"    {name} = {call}"
        yield f"    return [{', '.join(self._exported)}]"

    def _block_lines(self) -> Iterator[str]:
        yield "def block(xp, kind, arrays, g, scratch, scalars):"
        yield from (f"    {line}" for line in [f"[{', '.join(f'a{i}' for i in range(self.count))}] = arrays"])
        body = list(self._array_lines())
        if self.scratch:
            yield f"    [{', '.join(f't{i}' for i in range(self.scratch))}] = scratch"
        if self._exported:
            yield f"    [{', '.join(self._exported)}] = scalars"
        yield from (f"    {line}" for line in body)

    def _array_lines(self) -> Iterator[str]:
        for position, symbol in enumerate(self.symbols):
            if symbol.is_scalar or symbol.function in ("home", "given"):
                continue
            args = [self._text(arg) for arg in symbol.args]
            for arg in set(symbol.args):
                if isinstance(arg, Symbol) and self.last_use[arg] == position:
                    self._release(arg)
            self.place[symbol] = place = self._choose(symbol)
            yield from _call(symbol.function, args, place)
        for home, final in self.finals:
            if self.place[final] != home:
                yield f"{home}[...] = {self.place[final]}"

    def _release(self, symbol: Symbol) -> None:
        place = self.place.get(symbol, "")
        if place.startswith("t"):
            self.free.append(place)
        elif place:
            self.free_homes.add(place)

    def _choose(self, symbol: Symbol) -> str:
        own = next((home for home, final in self.finals if final is symbol), None)
        if own in self.free_homes:
            self.free_homes.discard(own)
            return own
        if self.free:
            return self.free.pop()
        self.scratch += 1
        return f"t{self.scratch - 1}"

    def _text(self, arg: Any) -> str:
        if not isinstance(arg, Symbol):
            return f"kind({arg!r})"
        if arg.is_scalar:
            return self._scalar_names[arg]
        return "g" if arg.function == "given" else self.place[arg]


def _call(function: str, args: Sequence[str], place: str) -> Iterator[str]:
    if function == "zero_unless_greater":
        x, y, limit = args
        yield f"small = ~({y} > {limit})"
        if x != place:
            yield f"xp.copyto({place}, {x})"
        yield f"xp.copyto({place}, kind(0), where=small)"
    else:
        yield f"xp.{function}({', '.join(args)}, out={place})"
