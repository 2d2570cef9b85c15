"""Random programs of loops and conditionals, nested in each other, as graphs with frames and dead tensors."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from tfg.graphfmt import dtypes
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.shapes import Shape
from tfg.graphfmt.tensors import from_array
from tfg.kernels.core import registry, shapes

CALLS: list[str] = []


def _counted() -> registry.Op:
    return registry.find("CountedCall") or registry.Family(__name__).op(
        "CountedCall(x: float) -> (y: float)", shape=shapes.like_input, stateful=True
    )


@_counted().kernel
def _(xp: Any, x: Any, *, node_name: str) -> Any:
    CALLS.append(node_name)
    return x * xp.float32(0.5)


class Program:
    """Grows a graph. A *pivot* is the node that constants of a branch or an iteration wait for; in a program
    that is not tidy, what is constant in a loop does not wait for it."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.is_tidy = bool(seed % 3)
        self.nodes: list[Node] = []
        kinds = ((), (3,)) if self.pick.random() < 0.5 else ((), ())
        values = [self._placeholder(name, shape) for name, shape in zip("xy", kinds)]
        self.shapes = dict(zip("xy", kinds))
        ends = self._block(values, "", 3)[2:]
        self.fetches = self.pick.sample(ends, min(3, len(ends)))

    @property
    def graph(self) -> Graph:
        nodes = list(self.nodes)
        self.pick.shuffle(nodes)
        return Graph(tuple(nodes))

    def feeds(self) -> dict[str, Any]:
        draw = np.random.RandomState(self.pick.randrange(1000))
        return {name: draw.uniform(-1, 1, shape).astype(np.float32) for name, shape in self.shapes.items()}

    def _placeholder(self, name: str, shape: tuple[int, ...]) -> str:
        return self._add(name, "Placeholder", dtype=dtypes.float32, shape=Shape(shape))

    def _add(self, name: str, kind: str, *inputs: str, **attrs: Any) -> str:
        self.nodes.append(Node(name, kind, inputs, attrs))
        return name

    def _new(self, kind: str, *inputs: str, **attrs: Any) -> str:
        return self._add(f"{kind}_{len(self.nodes)}", kind, *inputs, **{"T": dtypes.float32, **attrs})

    def _constant(self, value: Any, pivot: str) -> str:
        array = from_array(np.asarray(value, np.float32))
        controls = (f"^{pivot}",) if pivot else ()
        return self._add(f"Const_{len(self.nodes)}", "Const", *controls, dtype=dtypes.float32, value=array)

    def _block(self, values: Sequence[str], pivot: str, depth: int) -> list[str]:
        """Some statements; the values that there are after them."""
        values = list(values)
        for _ in range(self.pick.randint(1, 5)):
            kind = self.pick.choice(["sum", "product", "tanh", "constant", "size", "call", "if", "while"])
            if kind == "if" and depth:
                values += self._if(values, pivot, depth - 1)
            elif kind == "while" and depth:
                values += self._while(values, pivot, depth - 1)
            elif kind == "constant":
                values.append(self._constant(self.pick.uniform(-1, 1), pivot))
            elif kind == "size":
                values.append(self._size(self.pick.choice(values)))
            elif kind == "call":
                name = f"CountedCall_{len(self.nodes)}"
                values.append(self._add(name, "CountedCall", self.pick.choice(values)))
            else:
                values.append(self._arithmetic(kind, values))
        return values

    def _size(self, value: str) -> str:
        """A number that is known without the value, and dead if that is."""
        size = self._new("Size", value, out_type=dtypes.int32)
        return self._add(f"Cast_{len(self.nodes)}", "Cast", size, SrcT=dtypes.int32, DstT=dtypes.float32)

    def _arithmetic(self, kind: str, values: Sequence[str]) -> str:
        one, other = self.pick.choice(values), self.pick.choice(values)
        if kind == "tanh":
            return self._new("Tanh", one)
        return self._new("Tanh", self._new("AddV2" if kind == "sum" else "Mul", one, other))

    def _test(self, values: Sequence[str], pivot: str, least: float = 0.02, most: float = 0.4) -> str:
        size = self._new("L2Loss", self.pick.choice(values))
        return self._new("Less", size, self._constant(self.pick.uniform(least, most), pivot))

    def _taken(self, values: Sequence[str]) -> list[str]:
        return self.pick.sample(values, self.pick.randint(1, min(3, len(values))))

    def _if(self, values: Sequence[str], pivot: str, depth: int) -> list[str]:
        predicate = self._test(values, pivot)
        turn = self._new("Switch", predicate, predicate, T=dtypes.bool_)
        pivots = [self._new("Identity", f"{turn}{port}", T=dtypes.bool_) for port in (":0", ":1")]
        switches = [self._new("Switch", value, predicate) for value in self._taken(values)]
        sides = [self._block([f"{name}:{port}" for name in switches], pivots[port], depth) for port in (0, 1)]
        merges: list[str] = []
        for _ in range(self.pick.randint(1, 2)):
            pair = [self.pick.choice(sides[0]), self.pick.choice(sides[1])]
            self.pick.shuffle(pair)
            merges.append(self._new("Merge", *pair, N=2))
        if self.pick.random() < 0.3:
            name = f"Cast_{len(self.nodes)}"
            merges.append(self._add(name, "Cast", f"{merges[0]}:1", SrcT=dtypes.int32, DstT=dtypes.float32))
        return merges

    def _while(self, values: Sequence[str], pivot: str, depth: int) -> list[str]:
        frame = f"frame {len(self.nodes)}: of a loop".encode()
        parallel = self.pick.choice([1, 2, 10])

        def enter(value: str, constant: bool) -> str:
            return self._new(
                "Enter", value, frame_name=frame, is_constant=constant, parallel_iterations=parallel
            )

        start = [
            self._constant(0, pivot),
            *(self.pick.choice(values) for _ in range(self.pick.randint(1, 3))),
        ]
        limit = enter(self._constant(self.pick.randint(0, 3), pivot), True)
        kept = [enter(value, True) for value in self._taken(values)]
        entered = [enter(value, False) for value in start]
        following = [f"NextIteration_{len(self.nodes)}_{n}" for n in range(len(start))]
        merged = [self._new("Merge", *pair, N=2) for pair in zip(entered, following)]
        test = self._new("Less", merged[0], limit)
        if self.pick.random() < 0.4:
            size = self._new("L2Loss", self._new("AddV2", self.pick.choice(merged), kept[0]))
            more = self._new("Less", size, limit)
            test = self._add(f"LogicalAnd_{len(self.nodes)}", "LogicalAnd", test, more)
        turn = self._add(f"LoopCond_{len(self.nodes)}", "LoopCond", test)
        switches = [self._new("Switch", value, turn) for value in merged]
        inside = [self._new("Identity", f"{name}:1") for name in switches]
        if self.is_tidy:
            kept = [self._new("Identity", name, f"^{inside[0]}") for name in kept]
        ends = self._block([*inside, *kept], inside[0], depth)
        step = self._new("AddV2", inside[0], self._constant(1, inside[0]))
        ends_of = [step, *(self.pick.choice(ends) for _ in start[1:])]
        for name, value in zip(following, ends_of):
            if not self.is_tidy and value not in inside:
                value = self._new("AddV2", value, self._constant(0, inside[0]))
            self._add(name, "NextIteration", value, T=dtypes.float32)
        leaving = self.pick.sample(switches, self.pick.randint(1, len(switches)))
        return [self._new("Exit", name) for name in leaving]
