"""Compiled loops against numpy: random expressions, dtypes, shapes and values, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tfg.kernels.codegen import expression, llvm_engine, native_loop
from tfg.kernels.codegen.expression import Apply, ElementLoop, Input, Literal, Operand
from tfg.kernels.codegen.native_loop import compile_loop
from tfg.kernels.core.parallel import Pool

pytest.importorskip("llvmlite")

UNARY = ("negative", "absolute", "sqrt", "sign", "floor", "ceil", "trunc", "rint")
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "fmax", "fmin")
CALLS = sorted(expression.CALLS)
COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 1e-310, 3.5, -2.5, 1e30, -1e300]
BOOL = np.dtype(bool)


def expressions(dtype: Any, inputs: int) -> st.SearchStrategy[Any]:
    """Expressions of a float dtype over so many inputs of it."""
    leaves = st.integers(0, inputs - 1).map(lambda i: Input(dtype, i)) | st.sampled_from(SPECIAL[:7]).map(
        lambda value: Literal(dtype, value)
    )

    def grown(inner: Any) -> Any:
        conditions = st.builds(
            lambda f, a, b: Apply(BOOL, f, (a, b)), st.sampled_from(COMPARISONS), inner, inner
        )
        return (
            st.builds(lambda f, a: Apply(dtype, f, (a,)), st.sampled_from(UNARY), inner)
            | st.builds(lambda f, a: Apply(dtype, f, (a,)), st.sampled_from(CALLS), inner)
            | st.builds(lambda f, a, b: Apply(dtype, f, (a, b)), st.sampled_from(BINARY), inner, inner)
            | st.builds(lambda c, a, b: Apply(dtype, "where", (c, a, b)), conditions, inner, inner)
            | st.builds(lambda c: Apply(dtype, "cast", (c,)), conditions)
        )

    return st.recursive(leaves, grown, max_leaves=12)


def evaluate(one: Any, arrays: list[Any]) -> Any:
    """The same with numpy."""
    if isinstance(one, Input):
        return arrays[one.index]
    if isinstance(one, Literal):
        return one.dtype.type(one.value)
    values = [evaluate(argument, arrays) for argument in one.arguments]
    if one.function == "cast":
        return np.asarray(values[0]).astype(one.dtype)
    return getattr(np, one.function)(*values)


# Which of 0 and -0 numpy takes depends on the length of the array.
EXTREMA = {"maximum", "minimum", "fmax", "fmin"}


def assert_same_bits(found: Any, wanted: Any, *, signs_of_zeros: bool = True) -> None:
    """Equal bits, but for those of NaN."""
    wanted = np.broadcast_to(wanted, found.shape)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    if found.dtype.kind == "f":
        numbers = ~np.isnan(found) & (signs_of_zeros | (found != 0))
        np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(wanted)[numbers])


@st.composite
def cases(draw: Any) -> tuple[ElementLoop, list[Any]]:
    dtype = np.dtype(draw(st.sampled_from(["f4", "f8"])))
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 17, 40]), min_size=0, max_size=3)))
    operands: list[Operand] = []
    arrays: list[Any] = []
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    for _ in range(draw(st.integers(1, 3))):
        kept = draw(st.integers(0, len(shape)))
        own = tuple(draw(st.sampled_from([1, extent])) for extent in shape[len(shape) - kept :])
        values = random.standard_normal(own).astype(dtype)
        mask = random.random(own) < 0.4
        with np.errstate(over="ignore"):
            arrays.append(np.where(mask, random.choice(SPECIAL, own).astype(dtype), values).astype(dtype))
        operands.append(Operand(dtype, own))
    outputs = draw(st.lists(expressions(dtype, len(operands)), min_size=1, max_size=2))
    return ElementLoop(shape, tuple(operands), tuple(outputs)), arrays


@settings(max_examples=60, deadline=None)
@given(cases())
def test_equals_numpy(case: tuple[ElementLoop, list[Any]]) -> None:
    loop, arrays = case
    native = compile_loop(loop)
    assert native is not None
    with np.errstate(all="ignore"):
        wanted = [evaluate(output, arrays) for output in loop.outputs]
        results = native(*arrays)
    for found, expected, output in zip(results, wanted, loop.outputs):
        assert found.shape == loop.shape
        parts = {one.function for one in expression.in_order([output]) if isinstance(one, Apply)}
        # Zeros of either sign have other quotients and arguments of angles.
        assume(not (parts & EXTREMA and parts & {"divide"}))
        assert_same_bits(found, expected, signs_of_zeros=not parts & EXTREMA)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("function", ["add", "subtract", "multiply", "maximum", "minimum", *COMPARISONS])
def test_integers_wrap_as_in_numpy(dtype: str, function: str) -> None:
    kind = np.dtype(dtype)
    limits = np.iinfo(kind)
    x, y = (
        np.random.default_rng(i).integers(limits.min, limits.max, 1001, kind, endpoint=True) for i in (1, 2)
    )
    y[::7] = x[::7]
    result = BOOL if function in COMPARISONS else kind
    operand = Operand(kind, (1001,))
    native = compile_loop(
        ElementLoop((1001,), (operand, operand), (Apply(result, function, (Input(kind, 0), Input(kind, 1))),))
    )
    assert native is not None
    assert_same_bits(native(x, y)[0], getattr(np, function)(x, y))


@pytest.mark.parametrize("source", ["?", "i1", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("target", ["?", "i2", "u4", "i8", "f4", "f8"])
def test_casts(source: str, target: str) -> None:
    old, new = np.dtype(source), np.dtype(target)
    x = (np.random.default_rng(0).standard_normal(777) * 1e5).astype(old)
    native = compile_loop(
        ElementLoop((777,), (Operand(old, (777,)),), (Apply(new, "cast", (Input(old, 0),)),))
    )
    if old.kind == "f" and new.kind in "iu":
        assert native is None
    else:
        assert native is not None
        assert_same_bits(native(x)[0], x.astype(new))


def _sum(shape: tuple[int, ...], other: tuple[int, ...]) -> ElementLoop:
    kind = np.dtype("f4")
    return ElementLoop(
        shape,
        (Operand(kind, shape), Operand(kind, other)),
        (Apply(kind, "add", (Input(kind, 0), Input(kind, 1))),),
    )


def test_result_does_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    x, b = np.random.default_rng(0).standard_normal((1001, 333)).astype("f4"), np.arange(333, dtype="f4")
    native = compile_loop(_sum((1001, 333), (333,)))
    assert native is not None
    for threads in (1, 2, 5):
        monkeypatch.setattr(native_loop, "POOL", Pool(threads))
        assert_same_bits(native(x, b)[0], x + b)


def test_writes_over_an_input_that_fits() -> None:
    native = compile_loop(_sum((64, 50), (50,)))
    assert native is not None
    x, b = np.ones((64, 50), "f4"), np.arange(50, dtype="f4")
    wanted = x + b
    assert native(x, b, out=(x,))[0] is x
    assert_same_bits(x, wanted)
    assert native(x, b, out=(b,))[0] is not b


def test_takes_arrays_that_are_not_contiguous() -> None:
    native = compile_loop(_sum((50, 64), (64,)))
    assert native is not None
    x, b = np.arange(3200, dtype="f4").reshape(64, 50).T, np.arange(128, dtype="f4")[::2]
    assert_same_bits(native(x, b, out=(x,))[0], x + b)


def test_numpy_computes_with_other_shapes() -> None:
    native = compile_loop(_sum((50, 64), (64,)))
    assert native is not None
    x, b = np.ones((49, 64), "f4"), np.arange(64, dtype="f4")
    assert_same_bits(native(x, b)[0], x + b)


def test_empty_loops_do_nothing() -> None:
    native = compile_loop(_sum((0, 3), (3,)))
    assert native is not None
    assert native(np.ones((0, 3), "f4"), np.ones(3, "f4"))[0].shape == (0, 3)


def test_a_failed_compilation_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(ir: str) -> bytes:
        raise RuntimeError(ir)

    monkeypatch.setattr(llvm_engine, "_compile", fail)
    before = llvm_engine.COUNTS.failed
    assert compile_loop(_sum((3, 977), (977,))) is None
    assert llvm_engine.COUNTS.failed == before + 1


@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_functions_of_numpy_do_not_depend_on_the_block(function: str, dtype: str) -> None:
    kind = np.dtype(dtype)
    x = (np.random.default_rng(0).standard_normal(60_001) * 8).astype(kind)
    x[::101] = np.random.default_rng(1).choice(SPECIAL[:7], x[::101].size)
    one = Apply(kind, "add", (Apply(kind, function, (Input(kind, 0),)), Input(kind, 0)))
    native = compile_loop(ElementLoop(x.shape, (Operand(kind, x.shape),), (one,)))
    assert native is not None
    with np.errstate(all="ignore"):
        assert_same_bits(native(x)[0], getattr(np, function)(x) + x)


def test_functions_of_functions_of_rows() -> None:
    kind = np.dtype("f4")
    x, b = np.random.default_rng(0).standard_normal((1000, 70)).astype("f4"), np.arange(70, dtype="f4")
    first = Apply(kind, "exp", (Apply(kind, "subtract", (Input(kind, 0), Input(kind, 1))),))
    second = Apply(kind, "tanh", (Apply(kind, "multiply", (first, Input(kind, 1))),))
    outputs = (Apply(kind, "add", (first, second)), second)
    native = compile_loop(ElementLoop((1000, 70), (Operand(kind, (1000, 70)), Operand(kind, (70,))), outputs))
    assert native is not None
    e = np.exp(x - b)
    t = np.tanh(e * b)
    for found, wanted in zip(native(x, b, out=(x,)), (e + t, t)):
        assert_same_bits(found, wanted)
