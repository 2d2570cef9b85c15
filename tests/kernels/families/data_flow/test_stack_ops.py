"""Stacks: last in, first out, of one dtype, up to a size."""

from __future__ import annotations

from typing import Any

from ...harness import cast, f32, graph_case, i32, i64, rand, table_tests


def _after(g: Any, node: Any) -> Any:
    return g.control_dependencies([node])


def _round(g: Any, *values: Any, size: Any = -1, version: str = "V2") -> Any:
    """Pushes all values, then pops them all."""
    dtype = values[0].dtype
    size = g.constant(size) if isinstance(size, int) else size
    stack = g.StackV2(size, elem_type=dtype) if version else g.Stack(elem_type=dtype)
    done = stack
    for value in values:
        with _after(g, done):
            done = g.add_op(f"StackPush{version}", stack, value)
    popped: list[Any] = []
    for _ in values:
        with _after(g, done):
            done = g.add_op(f"StackPop{version}", stack, elem_type=dtype)
            popped.append(done)
    return popped


def _sized(g: Any, size: Any, *values: Any) -> Any:
    return _round(g, *values, size=size)


def _first(g: Any, *values: Any) -> Any:
    return _round(g, *values, version="")


def _pop_empty(g: Any, size: Any) -> Any:
    return g.StackPopV2(g.StackV2(size, elem_type="float"), elem_type="float")


def _push_other(g: Any, value: Any) -> Any:
    return g.StackPushV2(g.StackV2(g.constant(-1), elem_type="float"), value)


def _push_closed(g: Any, value: Any) -> Any:
    stack = g.StackV2(g.constant(-1), elem_type="float")
    with _after(g, g.StackCloseV2(stack)):
        return g.StackPushV2(stack, value)


def _close_twice(g: Any, value: Any) -> Any:
    stack = g.StackV2(g.constant(-1), elem_type="float")
    with _after(g, g.StackCloseV2(stack)):
        closed = g.StackCloseV2(stack)
    with _after(g, closed):
        return g.Identity(value)


def _push_closed_first(g: Any, value: Any) -> Any:
    stack = g.Stack(elem_type="float")
    with _after(g, g.StackClose(stack)):
        return g.StackPush(stack, value)


def _no_stack(g: Any, value: Any) -> Any:
    return g.StackPushV2(g.VarHandleOp(dtype="float", shape=[]), value)


def _named_twice(g: Any, a: Any, b: Any) -> Any:
    """Two stacks of one name are two stacks."""
    found: list[Any] = []
    for value in (a, b):
        stack = g.StackV2(g.constant(1), elem_type="float", stack_name="s")
        with _after(g, g.StackPushV2(stack, value)):
            found.append(g.StackPopV2(stack, elem_type="float"))
    return found


KINDS = (
    "float double int32 uint8 int16 int8 complex64 int64 bool bfloat16 uint16 complex128 half uint32 uint64"
)

CASES = [
    *(graph_case("push-pop", _round, cast(kind, [1, 0]), cast(kind, 1)) for kind in KINDS.split()),
    graph_case("push-pop", _round, ["a", "bc"], "x"),
    graph_case("push-pop", _round, rand(2, 3), rand(0, 2), f32(5)),
    graph_case("first", _first, rand(2, 3), f32(5)),
    graph_case("first", _first, ["a"], "b"),
    graph_case("named-twice", _named_twice, f32(1), f32(2)),
    *(graph_case("sized", _sized, i32(n), f32(1), f32(2)) for n in (2, -1, -5)),
    *(graph_case("sized", _sized, i32(n), f32(1), f32(2), error="INVALID_ARGUMENT: is full") for n in (1, 0)),
    graph_case("sized", _sized, i32([2]), f32(1), error="INVALID_ARGUMENT: size must be a scalar"),
    graph_case("sized", _sized, i32([2, 2]), f32(1), error="INVALID_ARGUMENT: size must be a scalar"),
    graph_case("pop-empty", _pop_empty, i32(-1), error="INVALID_ARGUMENT: empty"),
    graph_case("push-other", _push_other, i64(1), error="INVALID_ARGUMENT: has elements of float"),
    graph_case("push-closed", _push_closed, f32(1), error="INVALID_ARGUMENT: has been closed"),
    graph_case("push-closed-first", _push_closed_first, f32(1), error="INVALID_ARGUMENT: has been closed"),
    graph_case("close-twice", _close_twice, f32(1)),
    graph_case("no-stack", _no_stack, f32(1), error="INVALID_ARGUMENT: must be of a stack"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
