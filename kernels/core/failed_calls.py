"""Errors of kernels. A kernel that fails on values that its shape function refuses has been given invalid inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...graphfmt.errors import Status, TfgError
from ...graphfmt.shapes import Shape
from . import registry
from .facts import MAX_ELEMENTS, Fact, constant_fact
from .failures import UnexpectedError, as_tfg_error
from .inference import infer_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.dtypes import DType
    from ...graphfmt.graph import Node
    from ..functions.library import Library


class FailedCall(NamedTuple):
    """A node whose kernel raised an exception, and the values of its inputs, None if they are not known."""

    node: Node
    values: Sequence[Any] | None

    def error(self, exception: Exception, library: Library | None = None) -> TfgError:
        """Returns the exception as an error with a status.

        Shape functions check what is known before a graph runs. If an exception is unexpected, the shape function is
        called again with the shapes and values of the inputs, and its error is returned if it refuses them.
        """
        error = as_tfg_error(exception, self.node)
        if not isinstance(error, UnexpectedError) or self.values is None:
            return error
        return (
            _refusal(self.node, self.values, library)
            or _missing_kernel(self.node, exception, library)
            or error
        )


def _refusal(node: Node, values: Sequence[Any], library: Library | None) -> TfgError | None:
    """Returns the error of the shape function for these input values, or None if it accepts them."""
    op = registry.get(node.op, library)
    bound = op.signature.bind(node)
    try:
        infer_node(op, node, bound, list(map(fact_of_value, values, bound.input_types)), library)
    except UnexpectedError:
        return None
    except TfgError as error:
        return error
    return None


def _missing_kernel(node: Node, exception: Exception, library: Library | None) -> TfgError | None:
    """Returns an error for a computation that its dtypes do not have, such as the product of strings."""
    if not isinstance(exception, TypeError):
        return None
    types = registry.get(node.op, library).signature.bind(node).input_types
    strange = [dtype.name for dtype in types if dtype.base.name in ("string", "bool")]
    if not strange and "ufunc" not in str(exception):
        return None
    names = ", ".join(dict.fromkeys(strange or [dtype.name for dtype in types]))
    return TfgError(Status.UNIMPLEMENTED, f"operation {node.op} has no kernel for {names}")


def fact_of_value(value: Any, dtype: DType) -> Fact:
    """Returns the fact of an input value: its shape, and its elements if they are few."""
    if not isinstance(value, np.ndarray | np.generic):
        shape = getattr(value, "shape", None)
        return Fact(dtype, Shape(tuple(shape)) if isinstance(shape, tuple) else Shape())
    array = np.asarray(value)
    return constant_fact(array, dtype) if array.size <= MAX_ELEMENTS else Fact(dtype, Shape(array.shape))
