"""Barriers: tuples that become complete, their order, closing, bad keys and shapes."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...harness import f32, graph_case, i32, table_tests
from .sequences import in_order

_TWO = {"component_types": ["float", "float"], "shapes": [[], []]}


class _Barrier:
    """A barrier of two floats and the makers of nodes on it."""

    def __init__(self, g: Any, **attrs: Any) -> None:
        made = {**_TWO, **attrs}
        self.handle = g.Barrier(**made)
        self.types = made["component_types"]
        self.g = g

    def insert(self, component: int, keys: Any, values: Any) -> Any:
        keys = self.g.constant(keys) if isinstance(keys, list) else keys
        return partial(self.g.BarrierInsertMany, self.handle, keys, values, component_index=component)

    def take(self, count: int, **attrs: Any) -> Any:
        number = self.g.constant(i32(count))
        return partial(self.g.BarrierTakeMany, self.handle, number, component_types=self.types, **attrs)

    def close(self, *, cancel: bool = False) -> Any:
        return partial(self.g.BarrierClose, self.handle, cancel_pending_enqueues=cancel)

    @property
    def sizes(self) -> tuple[Any, Any]:
        return partial(self.g.BarrierReadySize, self.handle), partial(
            self.g.BarrierIncompleteSize, self.handle
        )


def _order(g: Any, keys: Any, more: Any, values: Any) -> list[Any]:
    b = _Barrier(g)
    return in_order(
        g, b.insert(0, keys, values), b.insert(1, more, values), *b.sizes, b.take(1), b.take(1), *b.sizes
    )


def _insert(g: Any, keys: Any, values: Any, **attrs: Any) -> list[Any]:
    b = _Barrier(g, **attrs)
    return in_order(g, b.insert(0, keys, values), *b.sizes)


def _take_all(g: Any, keys: Any, values: Any) -> list[Any]:
    b = _Barrier(g, component_types=["float"], shapes=[[2]])
    return in_order(g, b.insert(0, keys, values), b.take(0), b.take(2), *b.sizes)


def _closed(g: Any, values: Any, *, then: str) -> list[Any]:
    """Closes a barrier with the incomplete keys a and b, and a complete c."""
    b = _Barrier(g)
    both = b.insert(0, ["a", "b", "c"], values), b.insert(1, ["c"], g.constant(f32([9])))
    one = g.constant(f32([7]))
    after = {
        "complete": (b.insert(1, ["a"], one), b.take(2), *b.sizes),
        "new": (b.insert(0, ["new"], one), *b.sizes),
        "many": (b.take(4), *b.sizes),
        "small": (b.take(3, allow_small_batch=True), *b.sizes),
        "twice": (b.close(), *b.sizes),
    }
    return in_order(g, *both, b.close(), *after[then])


def _cancelled(g: Any, values: Any, *, take: int) -> list[Any]:
    b = _Barrier(g)
    both = b.insert(0, ["a", "c"], values), b.insert(1, ["c"], g.constant(f32([9])))
    return in_order(g, *both, b.close(cancel=True), *b.sizes, b.take(take))


def _late(g: Any, values: Any) -> list[Any]:
    b = _Barrier(g)
    return in_order(g, b.close(cancel=True), b.insert(0, ["a"], values), *b.sizes)


def _twice(g: Any, values: Any) -> list[Any]:
    b = _Barrier(g)
    return in_order(g, b.insert(0, ["a"], values), b.insert(0, ["a"], values), *b.sizes)


def _component(g: Any, values: Any) -> list[Any]:
    b = _Barrier(g)
    return in_order(g, b.insert(2, ["a"], values), *b.sizes)


def _shared(g: Any, values: Any, **other: Any) -> list[Any]:
    first, second = _Barrier(g, shared_name="shared"), _Barrier(g, shared_name="shared", **other)
    return in_order(g, first.insert(0, ["a"], values), *second.sizes)


CASES = [
    graph_case("order", _order, ["a", "b"], ["b", "a"], f32([1, 2])),
    graph_case("insert", _insert, ["a", "b"], f32([1, 2])),
    graph_case("take", _take_all, ["x", "y"], f32([[1, 2], [3, 4]])),
    graph_case(
        "take", _take_all, ["x", "y"], f32([[1], [3]]), error="INVALID_ARGUMENT: Expected [2], got [1]"
    ),
    graph_case("twice", _twice, f32([1]), error="INVALID_ARGUMENT: already has a value for component 0"),
    graph_case("component", _component, f32([1]), error="INVALID_ARGUMENT: out of range 2"),
    graph_case(
        "shapes", partial(_insert, shapes=[]), ["a"], f32([1]), error="INVALID_ARGUMENT: must be specified"
    ),
    graph_case(
        "known",
        partial(_insert, shapes=[[None], []]),
        ["a"],
        f32([1]),
        error="INVALID_ARGUMENT: not fully defined",
    ),
    graph_case(
        "capacity",
        partial(_insert, capacity=3),
        ["a"],
        f32([1]),
        error="INVALID_ARGUMENT: only accepts capacity=-1",
    ),
    graph_case("complete", partial(_closed, then="complete"), f32([1, 2, 3])),
    graph_case("small", partial(_closed, then="small"), f32([1, 2, 3])),
    graph_case("new", partial(_closed, then="new"), f32([1, 2, 3]), error="CANCELLED: brand new key: new"),
    graph_case(
        "many", partial(_closed, then="many"), f32([1, 2, 3]), error="OUT_OF_RANGE: requested 4, total size 3"
    ),
    graph_case("close", partial(_closed, then="twice"), f32([1, 2, 3]), error="CANCELLED: already closed"),
    graph_case("cancelled", partial(_cancelled, take=1), f32([1, 2])),
    graph_case("cancelled-2", partial(_cancelled, take=2), f32([1, 2]), error="OUT_OF_RANGE: total size 1"),
    graph_case("late", _late, f32([1]), error="CANCELLED: is closed"),
    graph_case("shared", _shared, f32([1])),
    graph_case(
        "shared-2", partial(_shared, shapes=[[], [2]]), f32([1]), error="INVALID_ARGUMENT: component shapes"
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
