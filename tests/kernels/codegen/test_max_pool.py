"""Compiled max pooling against numpy: random shapes, windows, strides, paddings and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.codegen import max_pool
from tfg.kernels.codegen.max_pool import MaxPoolLoop
from tfg.kernels.core.parallel import Pool
from tfg.kernels.numeric import pooling
from tfg.kernels.numeric.windows import Window, conv_spec, fit_window
from tfg.runtime.execution import hot_plans
from tfg.runtime.execution.session import Session

pytest.importorskip("llvmlite")

SPECIAL = [0.0, -0.0, 1.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 2.0, -3.5, 1e-40]


def window(
    sizes: tuple[int, int],
    size: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    pads: tuple[int, ...] = (),
) -> Window:
    explicit = (0, 0, *pads, 0, 0) if padding == "EXPLICIT" else ()
    return fit_window(conv_spec(4, "NHWC", (1, *strides, 1), (1, 1, 1, 1), padding, explicit), sizes, size)


@st.composite
def cases(draw: Any) -> tuple[Window, Any, Any]:
    sizes, size, strides = ((draw(st.integers(1, most)), draw(st.integers(1, most))) for most in (9, 4, 4))
    padding = draw(st.sampled_from(["SAME", "VALID", "EXPLICIT"]))
    pads = tuple(draw(st.integers(0, size[i // 2] - 1)) for i in range(4))
    before_after = [sum(pads[2 * i : 2 * i + 2]) if padding == "EXPLICIT" else 0 for i in range(2)]
    assume(padding == "SAME" or all(n + p >= k for n, p, k in zip(sizes, before_after, size)))
    win = window(sizes, size, strides, padding, pads)
    images, channels = draw(st.sampled_from([1, 2, 8, 9])), draw(st.sampled_from([1, 3, 16, 17, 32, 40]))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    dtype = np.dtype(draw(st.sampled_from(["f4", "f8"])))
    x, dy = (
        random.choice(SPECIAL, (images, *spatial, channels)).astype(dtype)
        for spatial in (win.inputs, win.outputs)
    )
    return win, x, dy


def compiled(x: Any, win: Window, *, is_gradient: bool) -> max_pool.NativeMaxPool:
    native = MaxPoolLoop(x.dtype, x.shape[0], x.shape[-1], win, is_gradient).compile()
    assert native is not None
    return native


@settings(max_examples=60, deadline=None)
@given(cases())
def test_equals_numpy(case: tuple[Window, Any, Any]) -> None:
    win, x, dy = case
    with np.errstate(all="ignore"):
        maxima, gradient = pooling.max_pool(np, x, win), pooling.max_pool_grad(np, x, dy, win)
    # Which of two zeros numpy's maximum returns depends on its build.
    np.testing.assert_array_equal(compiled(x, win, is_gradient=False).pool(x), maxima)
    found = compiled(x, win, is_gradient=True).gradient(x, dy)
    np.testing.assert_array_equal(found, gradient)
    numbers = ~np.isnan(gradient)
    np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(gradient)[numbers])


@pytest.mark.parametrize("pads", [(1, 0, 1, 0), (1, 0, 0, 0), (0, 0, 0, 0)])
def test_what_no_window_covers_has_no_gradient(pads: tuple[int, ...]) -> None:
    """With these paddings as many windows fit as without, but they leave the last row or column out."""
    win = window((8, 8), (2, 2), (2, 2), "EXPLICIT", pads)
    assert win.outputs == (4, 4)
    x = np.random.default_rng(0).normal(size=(8, 8, 8, 40))
    native, dy = compiled(x, win, is_gradient=True), np.ones((8, 4, 4, 40))
    for _ in range(5):
        # Leaves memory that is not zero behind.
        np.full(x.shape, 1e300)
        np.testing.assert_array_equal(native.gradient(x, dy), pooling.max_pool_grad(np, x, dy, win))


@pytest.mark.parametrize(("images", "channels"), [(1, 40), (9, 64)])
def test_sums_of_overlapping_windows_do_not_depend_on_threads(
    images: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    win = window((40, 40), (3, 3), (1, 2), "SAME")
    random = np.random.default_rng(1)
    x = random.standard_normal((images, 40, 40, channels)).astype("f4")
    dy = random.standard_normal((images, *win.outputs, channels)).astype("f4")
    wanted = pooling.max_pool_grad(np, x, dy, win)
    for threads in (1, 3):
        monkeypatch.setattr(max_pool, "POOL", Pool(threads))
        assert compiled(x, win, is_gradient=True).gradient(x, dy).tobytes() == wanted.tobytes()
        maxima = compiled(x, win, is_gradient=False).pool(x)
        np.testing.assert_array_equal(maxima, pooling.max_pool(np, x, win))


@pytest.mark.parametrize("dtype", ["f2", "i4", "u1"])
def test_other_dtypes_are_left_to_numpy(dtype: str) -> None:
    win = window((4, 4), (2, 2), (2, 2), "VALID")
    assert MaxPoolLoop(np.dtype(dtype), 1, 1, win, False).compile() is None


@pytest.mark.parametrize("shape", [(0, 8, 8, 4), (2, 8, 8, 0)])
def test_empty_tensors_are_left_to_numpy(shape: tuple[int, ...]) -> None:
    win = window((8, 8), (2, 2), (2, 2), "VALID")
    assert MaxPoolLoop(np.dtype("f4"), shape[0], shape[3], win, True).compile() is None


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_hot_steps_use_it_and_keep_their_bits(data_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    run = max_pool.NativeMaxPool._run

    def counted(self: max_pool.NativeMaxPool, *arrays: Any) -> None:
        calls.append(self.loop.is_gradient)
        run(self, *arrays)

    monkeypatch.setattr(max_pool.NativeMaxPool, "_run", counted)
    monkeypatch.setattr(hot_plans, "HOT_SECONDS", 0)
    g = GraphBuilder()
    sizes = [1, 3, 3, 1] if data_format == "NHWC" else [1, 1, 3, 3]
    strides = [1, 2, 2, 1] if data_format == "NHWC" else [1, 1, 2, 2]
    attrs: dict[str, Any] = {
        "ksize": sizes,
        "strides": strides,
        "padding": "SAME",
        "data_format": data_format,
    }
    x = g.Placeholder(dtype="float", name="x")
    y = g.MaxPool(x, **attrs)
    dx = g.MaxPoolGrad(x, y, g.Square(y), **attrs)
    values = np.random.default_rng(2).standard_normal((2, 20, 20, 20)).astype("f4")
    with Session(g.graph(), compile=False) as session:
        wanted = session.run([y.name, dx.name], {"x": values})
    with Session(g.graph()) as session:
        for _ in range(hot_plans.HOT_STEPS + 2):
            session.run([y.name, dx.name], {"x": values})
        assert session._hot is not None
        session._hot.wait()
        found = session.run([y.name, dx.name], {"x": values})
    assert set(calls) == {False, True}
    for one, other in zip(found, wanted):
        assert one.tobytes() == other.tobytes()
