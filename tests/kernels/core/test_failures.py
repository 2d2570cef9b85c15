"""Exceptions of an operation's code become errors with a status and a node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError, invalid
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.core import registry
from tfg.kernels.core.failures import UnexpectedError, as_tfg_error
from tfg.kernels.core.inference import infer_graph
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.gradients.backpropagation import add_gradients

TOO_LARGE = ValueError("array is too big; `arr.size * arr.dtype.itemsize` is larger")


@pytest.mark.parametrize(
    ("exception", "status", "is_bug"),
    [
        (invalid("no"), "INVALID_ARGUMENT", False),
        (MemoryError(), "RESOURCE_EXHAUSTED", False),
        (TOO_LARGE, "RESOURCE_EXHAUSTED", False),
        (RecursionError(), "RESOURCE_EXHAUSTED", True),
        (OverflowError(), "INVALID_ARGUMENT", True),
        (KeyError("x"), "INTERNAL", True),
        (AssertionError(), "INTERNAL", True),
    ],
)
def test_statuses(exception: Exception, status: str, is_bug: bool) -> None:
    error = as_tfg_error(exception)
    assert error.status == status
    assert isinstance(error, UnexpectedError) == is_bug


def _fails(*_: Any, **__: Any) -> Any:
    raise KeyError("broken")


@pytest.fixture(params=["shape", "bind_function", "kernel_function", "gradient_function"])
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The operation Sinh, of which one function fails."""
    op = replace(registry.get("Sinh"), ufunc="", operator="", **{request.param: _fails})
    monkeypatch.setitem(vars(registry)["_OPS"], "Sinh", op)
    return request.param


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None:
        assert id(following) not in seen, "the causes of the error form a cycle"
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _steps(broken: str) -> Callable[[], Any]:
    g = GraphBuilder()
    if broken == "shape":
        graph = GraphBuilder()
        return lambda: graph.add_op("Sinh", graph.constant(1.0), name="y")
    x = g.constant(np.float32([1, 2]), name="x")
    y = g.Sinh(x, name="y")
    if broken == "gradient_function":
        return lambda: add_gradients(g, [y], [x])
    return lambda: Session(g.graph()).run(["y"])


def test_every_function_of_an_operation_is_guarded(broken: str) -> None:
    with pytest.raises(UnexpectedError) as caught:
        _steps(broken)()
    assert caught.value.status == "INTERNAL"
    assert caught.value.message == "KeyError in Sinh: 'broken'"
    assert caught.value.node == "y"
    assert any(isinstance(cause, KeyError) for cause in _causes(caught.value))


def test_a_kernel_that_fails_on_inputs_that_its_shape_function_refuses_reports_that() -> None:
    g = GraphBuilder()
    x = g.placeholder("float", None, name="x")
    g.Gather(x, g.constant([0]), name="y")
    assert infer_graph(g.graph())
    with pytest.raises(TfgError, match="input 'params' must be of rank 1 or more") as caught:
        Session(g.graph()).run(["y"], {"x": np.float32(1)})
    assert caught.value.status == "INVALID_ARGUMENT"
    assert list(_causes(caught.value))
