"""Rows of operations that run one after the other on one resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def in_order(g: Any, *makers: Callable[[], Any]) -> list[Any]:
    """Adds nodes each of which waits for the one before; returns their outputs. The last must have one."""
    outputs: list[Any] = []
    before: list[Any] = []
    for make in makers:
        with g.control_dependencies(before):
            made = make()
        before = list(made) if isinstance(made, list | tuple) else [made]
        # An operation without outputs is its name.
        outputs += [tensor for tensor in before if not isinstance(tensor, str)]
    return outputs
