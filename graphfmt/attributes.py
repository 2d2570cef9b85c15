"""Attribute values. Python's own types say which kind an AttrValue is:

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

None stands for an AttrValue in which nothing is set.
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
    """A function of the library by name, with the attributes it is called with (NameAttrList)."""

    name: str
    attrs: Mapping[str, AttrValue] = field(default_factory=dict[str, "AttrValue"])


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The name of a function's attribute, to be replaced by its value where the function is called."""

    name: str


Scalar = bytes | int | float | bool | DType | Shape | TensorValue | Function | Placeholder
AttrValue = Scalar | tuple[Scalar, ...] | None


def kind_of(value: AttrValue) -> str:
    """The name of a value's kind as signatures write it: ``int``, ``list(shape)``, ``empty`` and so on."""
    if value is None:
        return "empty"
    if isinstance(value, tuple):
        # A list of several kinds is no list that an operation takes, but a file may hold one.
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
