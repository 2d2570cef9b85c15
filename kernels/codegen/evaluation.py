"""Computes expressions with numpy: the reference for compiled loops, and what takes arrays of unforeseen shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .expression import Apply, Input, Literal, in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .expression import Expression


def evaluate(outputs: Sequence[Expression], inputs: Sequence[Any]) -> list[Any]:
    """The values of expressions of these inputs, which broadcast."""
    values: dict[Expression, Any] = {}
    for one in in_order(outputs):
        if isinstance(one, Input):
            values[one] = inputs[one.index]
        elif isinstance(one, Literal):
            values[one] = one.dtype.type(one.value)
        elif isinstance(one, Apply):
            arguments = [values[a] for a in one.arguments]
            if one.function == "cast":
                values[one] = np.asarray(arguments[0]).astype(one.dtype)
            else:
                values[one] = getattr(np, one.function)(*arguments)
    return [np.asarray(values[output]) for output in outputs]
