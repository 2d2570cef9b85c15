"""Attribute values. The Python type of a value determines the field of its AttrValue:

=============  =====================  ==========================
AttrValue      Python                 signature's kind
=============  =====================  ==========================
``s``          bytes                  ``string``
``i``          int                    ``int``
``f``          float                  ``float``
``b``          bool                   ``bool``
``type``       DType                  ``type``
``shape``      Shape                  ``shape``
``tensor``     TensorValue            ``tensor``
``func``       Function               ``func``
``placeholder``  Placeholder          bound by the caller of a function
``list``       tuple of one of these  ``list(…)``
=============  =====================  ==========================

None is an AttrValue without a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .dtypes import DType
from .shapes import Shape
from .tensors import TensorValue

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Function:
    """A NameAttrList: a function of the library by name, with the attributes of the call."""

    name: str
    attrs: Mapping[str, AttrValue] = field(default_factory=dict[str, "AttrValue"])


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The name of an attribute of a function, replaced by its value at each call."""

    name: str


Scalar = bytes | int | float | bool | DType | Shape | TensorValue | Function | Placeholder
AttrValue = Scalar | tuple[Scalar, ...] | None


def kind_of(value: AttrValue) -> str:
    """Returns the kind of a value as in signatures: ``int``, ``list(shape)``; ``empty`` for None."""
    if value is None:
        return "empty"
    if isinstance(value, tuple):
        # No operation takes a list of several kinds, but a file may contain one.
        return f"list({'|'.join(dict.fromkeys(map(kind_of, value)))})"
    return _KINDS[type(value)]


_KINDS: dict[type, str] = {
    bytes: "string",
    int: "int",
    float: "float",
    bool: "bool",
    DType: "type",
    Shape: "shape",
    TensorValue: "tensor",
    Function: "func",
    Placeholder: "placeholder",
}
