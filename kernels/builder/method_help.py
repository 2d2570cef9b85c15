"""Signatures and docstrings of the methods of a GraphBuilder that add operations: what ``help(g.MatMul)`` shows."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...graphfmt.signatures import MISSING

if TYPE_CHECKING:
    from ..core.registry import Op


def describe_method(method: Any, op: Op) -> None:
    """Gives a method the name, the signature and the docstring of an operation."""
    method.__name__ = method.__qualname__ = op.name
    method.__signature__, method.__doc__ = _help_of(op)


@lru_cache(1024)
def _help_of(op: Op) -> tuple[inspect.Signature, str]:
    kinds = inspect.Parameter
    inputs = [
        kinds(arg.name, kinds.POSITIONAL_ONLY) for arg in op.signature.inputs if arg.name.isidentifier()
    ]
    given = {arg.name for arg in op.signature.inputs} | {"name"}
    attrs = [
        kinds(attr.name, kinds.KEYWORD_ONLY, default=... if attr.default is MISSING else attr.default)
        for attr in op.signature.attrs
        if attr.name not in given
    ]
    name = kinds("name", kinds.KEYWORD_ONLY, default=None)
    is_declared = op.text.startswith(f"{op.name}(")
    text = (
        f"Adds a node of the operation {op.text}."
        if is_declared
        else f"Adds a call of the function {op.name}."
    )
    return inspect.Signature([*inputs, *attrs, name]), text
