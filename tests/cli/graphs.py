"""Small graphs as text, right and wrong ones."""

from __future__ import annotations

FLOAT = "type: DT_FLOAT"
SCALAR = "shape { }"


def node(name: str, op: str, *inputs: str, **attrs: str) -> str:
    """One node on a line of its own; attributes as their AttrValue's text."""
    parts = [f'name: "{name}"', f'op: "{op}"', *(f'input: "{text}"' for text in inputs)]
    parts += [f'attr {{ key: "{key}" value {{ {value} }} }}' for key, value in attrs.items()]
    return f"node {{ {' '.join(parts)} }}\n"


def const(name: str, tensor: str, dtype: str = "DT_FLOAT") -> str:
    return node(name, "Const", dtype=f"type: {dtype}", value=f"tensor {{ dtype: {dtype} {tensor} }}")


def placeholder(name: str, dtype: str = "DT_FLOAT", shape: str = "unknown_rank: true") -> str:
    return node(name, "Placeholder", dtype=f"type: {dtype}", shape=f"shape {{ {shape} }}")


def dims(*sizes: int) -> str:
    return " ".join(f"dim {{ size: {size} }}" for size in sizes)


ONE = const("one", "tensor_shape { } float_val: 1")

# One placeholder and one fetch per dtype that feeds care about.
FEEDS = "".join(
    [
        "# y = 2x for a matrix of two columns; the others pass through\n",
        placeholder("x", "DT_FLOAT", dims(-1, 2)),
        const("two", "tensor_shape { } float_val: 2"),
        node("y", "Mul", "x", "two", T=FLOAT),
        placeholder("s", "DT_STRING", ""),
        node("t", "Identity", "s", T="type: DT_STRING"),
        placeholder("i", "DT_INT32"),
        node("j", "Identity", "i", T="type: DT_INT32"),
        placeholder("b", "DT_BOOL"),
        node("c", "Identity", "b", T="type: DT_BOOL"),
        node("go", "NoOp", "^y"),
        # Before version 22, a shape without dimensions was unknown.
        "versions { producer: 22 }\n",
    ]
)


def chain(length: int) -> str:
    """n0 is fed, each other node negates the one before."""
    links = (node(f"n{i}", "Neg", f"n{i - 1}", T=FLOAT) for i in range(1, length))
    return placeholder("n0", shape="") + "".join(links)
