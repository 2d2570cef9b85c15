"""Compiled depthwise convolution against numpy: random shapes, windows, strides, dilations and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.codegen import depthwise
from tfg.kernels.codegen.depthwise import DepthwiseLoop
from tfg.kernels.core.parallel import Pool
from tfg.kernels.families.nn import depthwise_ops
from tfg.kernels.numeric.windows import Window, conv_spec, fit_window
from tfg.runtime.execution import hot_plans
from tfg.runtime.execution.session import Session

pytest.importorskip("llvmlite")

SPECIAL = [0.0, -0.0, 1.0, -1.5, 0.1, 3.3, np.inf, -np.inf, np.nan, 1e-40]
FINITE = SPECIAL[:6]


@st.composite
def cases(draw: Any) -> tuple[Window, Any, Any]:
    def pair(most: int) -> tuple[int, int]:
        return draw(st.integers(1, most)), draw(st.integers(1, most))

    sizes, size, strides, dilations = pair(9), pair(4), pair(3), pair(2)
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    assume(padding == "SAME" or all((k - 1) * d < n for k, d, n in zip(size, dilations, sizes)))
    win = fit_window(conv_spec(4, "NHWC", (1, *strides, 1), (1, *dilations, 1), padding), sizes, size)
    images, channels = draw(st.sampled_from([1, 2, 9])), draw(st.sampled_from([1, 3, 16, 17, 40]))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    dtype = np.dtype(draw(st.sampled_from(["f4", "f8"])))
    values = draw(st.sampled_from([SPECIAL, FINITE]))
    x = random.choice(values, (images, *sizes, channels)).astype(dtype)
    return win, x, random.choice(values, (*size, channels, 1)).astype(dtype)


def compiled(x: Any, win: Window) -> depthwise.NativeDepthwise:
    by_rows = depthwise_ops._is_by_rows(win)
    native = DepthwiseLoop(x.dtype, x.shape[0], x.shape[-1], win, by_rows).compile()
    assert native is not None
    return native


@settings(max_examples=60, deadline=None)
@given(cases())
def test_equals_numpy(case: tuple[Window, Any, Any]) -> None:
    win, x, w = case
    with np.errstate(all="ignore"):
        wanted = depthwise_ops._forward(np, x, w, win)
    found = compiled(x, win).convolve(x, w)
    np.testing.assert_array_equal(found, wanted)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(wanted)[numbers])


def test_bits_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    win = fit_window(conv_spec(4, "NHWC", (1, 1, 1, 1), (1, 1, 1, 1), "SAME"), (60, 60), (3, 3))
    random = np.random.default_rng(1)
    x = random.standard_normal((3, 60, 60, 40)).astype("f4")
    w = random.standard_normal((3, 3, 40, 1)).astype("f4")
    wanted = depthwise_ops._forward(np, x, w, win)
    for threads in (1, 3):
        monkeypatch.setattr(depthwise, "POOL", Pool(threads))
        assert compiled(x, win).convolve(x, w).tobytes() == wanted.tobytes()


def test_other_dtypes_are_left_to_numpy() -> None:
    win = fit_window(conv_spec(4, "NHWC", (1, 1, 1, 1), (1, 1, 1, 1), "SAME"), (6, 6), (3, 3))
    assert DepthwiseLoop(np.dtype("f2"), 1, 1, win, True).compile() is None
    assert DepthwiseLoop(np.dtype("f4"), 0, 1, win, True).compile() is None


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("stride", [1, 2])
def test_hot_steps_use_it_and_keep_their_bits(
    data_format: str, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: set[tuple[int, ...]] = set()
    convolve = depthwise.NativeDepthwise.convolve

    def counted(self: depthwise.NativeDepthwise, x: Any, w: Any) -> Any:
        calls.add(self.loop.window.strides)
        return convolve(self, x, w)

    monkeypatch.setattr(depthwise.NativeDepthwise, "convolve", counted)
    monkeypatch.setattr(hot_plans, "HOT_SECONDS", 0)
    steps = [1, stride, stride, 1] if data_format == "NHWC" else [1, 1, stride, stride]
    attrs: dict[str, Any] = {"strides": steps, "padding": "SAME", "data_format": data_format}
    random = np.random.default_rng(2)
    g = GraphBuilder()
    x = g.Placeholder(dtype="float", name="x")
    w = g.constant(random.standard_normal((3, 3, 20, 1)).astype("f4"))
    shape = (2, 24, 24, 20) if data_format == "NHWC" else (2, 20, 24, 24)
    y = g.DepthwiseConv2dNative(x, w, **attrs)
    dx = g.DepthwiseConv2dNativeBackpropInput(g.constant(np.array(shape, np.int32)), w, y, **attrs)
    values = random.standard_normal(shape).astype("f4")
    with Session(g.graph(), compile=False) as session:
        wanted = session.run([y.name, dx.name], {"x": values})
    with Session(g.graph()) as session:
        for _ in range(hot_plans.HOT_STEPS + 2):
            session.run([y.name, dx.name], {"x": values})
        assert session._hot is not None
        session._hot.wait()
        found = session.run([y.name, dx.name], {"x": values})
    assert (stride, stride) in calls
    for one, other in zip(found, wanted):
        assert one.tobytes() == other.tobytes()
