"""Staging areas: order, parts, limits, errors."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...harness import f32, graph_case, i32, i64, table_tests
from .sequences import in_order

_TYPES = ["float", "int32"]


def _buffer(g: Any, a: Any, b: Any, place: Any) -> list[Any]:
    name = {"shared_name": "buffer"}
    take = partial(g.Unstage, dtypes=["float"], **name)
    size = partial(g.StageSize, dtypes=["float"], **name)
    put = [partial(g.Stage, [value], **name) for value in (a, b, a)]
    peek = partial(g.StagePeek, place, dtypes=["float"], **name)
    clear = partial(g.StageClear, dtypes=["float"], **name)
    return in_order(g, *put, size, peek, take, take, size, clear, size)


def _limited(g: Any, value: Any) -> list[Any]:
    limits = {"shared_name": "limited", "memory_limit": 8, "capacity": 2}
    size = partial(g.StageSize, dtypes=["float"], **limits)
    return in_order(g, partial(g.Stage, [value], **limits), size)


def _width(g: Any, a: Any, b: Any) -> list[Any]:
    name = {"shared_name": "width"}
    return in_order(g, partial(g.Stage, [a, b], **name), partial(g.Unstage, dtypes=["float"], **name))


class _Map:
    """A staging map of a float and an int32, with the makers of nodes on it."""

    def __init__(self, g: Any, prefix: str) -> None:
        self.g, self.prefix = g, prefix
        self.common = {"dtypes": _TYPES, "shared_name": f"{prefix}_map"}

    def put(self, key: Any, indices: Any, *values: Any) -> Any:
        key, indices = (self.g.constant(x) for x in (i64(key), i32(indices)))
        staged = [self.g.constant(v) if not hasattr(v, "name") else v for v in values]
        return partial(self.g.add_op, f"{self.prefix}Stage", key, indices, staged, **self.common)

    def take(self, key: Any, indices: Any, what: str = "Unstage") -> Any:
        types = [_TYPES[i] if 0 <= i < len(_TYPES) else "float" for i in indices]
        key, indices = (self.g.constant(x) for x in (i64(key), i32(indices)))
        return partial(
            self.g.add_op, f"{self.prefix}{what}", key, indices, **{**self.common, "dtypes": types}
        )

    def take_next(self) -> Any:
        return partial(
            self.g.add_op, f"{self.prefix}UnstageNoKey", self.g.constant(i32([0, 1])), **self.common
        )

    def do(self, what: str) -> Any:
        return partial(self.g.add_op, f"{self.prefix}{what}", **self.common)


def _parts(g: Any, a: Any, n: Any, *, prefix: str) -> list[Any]:
    """Stages an element whole, and one in parts; takes them whole and in parts."""
    m = _Map(g, prefix)
    sizes = m.do("Size"), m.do("IncompleteSize")
    return in_order(
        g, m.put(3, [0, 1], a, n), m.put(1, [1], n), *sizes, m.put(1, [0], a), *sizes, m.take(3, [0], "Peek"),
        m.take(3, [1]), *sizes, m.take(3, [0]), *sizes, m.take_next(), *sizes, m.put(9, [0], a), m.do("Clear"), *sizes,
    )  # fmt: skip


def _in_key_order(g: Any, a: Any, n: Any) -> list[Any]:
    m = _Map(g, "OrderedMap")
    keys = (5, -2, 3)
    return in_order(
        g, *(m.put(key, [0, 1], a, n) for key in keys), *(m.take_next() for _ in keys), m.do("Size")
    )


def _again(g: Any, a: Any, b: Any, n: Any) -> list[Any]:
    """Staging a key that is there changes nothing."""
    m = _Map(g, "Map")
    return in_order(g, m.put(4, [0, 1], a, n), m.put(4, [0, 1], b, n), m.take(4, [0, 1]), m.do("Size"))


def _fault(g: Any, a: Any, n: Any, *, what: str) -> list[Any]:
    m = _Map(g, "Map")
    first = m.put(2, [0], a)
    faults = {
        "again": (m.put(2, [0], a),),
        "beyond": (m.put(2, [2], a),),
        "order": (m.put(2, [1, 0], n, a),),
        "equal": (m.put(7, [0, 0], a, a),),
        "take-order": (m.put(2, [1], n), m.take(2, [1, 0])),
        "take-beyond": (m.put(2, [1], n), m.take(2, [5])),
        "removed": (m.put(2, [1], n), m.take(2, [1]), m.take(2, [1])),
    }
    return in_order(g, first, *faults[what], m.do("Size"))


_WORDS = {
    "again": "already initialized", "beyond": "out of bounds '2'", "order": "not strictly ordered",
    "equal": "not strictly ordered", "take-order": "not strictly ordered", "take-beyond": "out of bounds '2'",
    "removed": "already been removed",
}  # fmt: skip

CASES = [
    graph_case("buffer", _buffer, f32([1, 2]), f32(3), i32(1)),
    graph_case("buffer", _buffer, f32([]), f32(3), i32(2)),
    graph_case("buffer", _buffer, f32(1), f32(3), i32([1]), error="INVALID_ARGUMENT: scalar"),
    graph_case("limited", _limited, f32([1, 2])),
    graph_case("limited", _limited, f32([1, 2, 3]), error="RESOURCE_EXHAUSTED: combined size of '12' bytes"),
    graph_case("width", _width, f32(1), f32(2), error="INVALID_ARGUMENT: Mismatch stage/unstage: 2 vs. 1"),
    graph_case("parts", partial(_parts, prefix="Map"), f32([1, 2]), i32(4)),
    graph_case("ordered-parts", partial(_parts, prefix="OrderedMap"), f32([1, 2]), i32(4)),
    graph_case("key-order", _in_key_order, f32([1, 2]), i32(4)),
    graph_case("again", _again, f32(1), f32(2), i32(4)),
    *(
        graph_case(
            f"fault-{what}", partial(_fault, what=what), f32(1), i32(4), error=f"INVALID_ARGUMENT: {words}"
        )
        for what, words in _WORDS.items()
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
