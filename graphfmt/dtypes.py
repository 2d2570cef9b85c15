"""TensorFlow's data types: number, name, numpy type, and the reference variants (number + 100).

bfloat16, the 8-bit floats and the 4-bit integers are types of ml_dtypes, which is imported on first use, so that
graphs without them start faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

REF_OFFSET = 100

# name, number, numpy type ("ml:" marks ml_dtypes)
_TABLE = (
    ("float", 1, "float32"),
    ("double", 2, "float64"),
    ("int32", 3, "int32"),
    ("uint8", 4, "uint8"),
    ("int16", 5, "int16"),
    ("int8", 6, "int8"),
    ("string", 7, "object"),
    ("complex64", 8, "complex64"),
    ("int64", 9, "int64"),
    ("bool", 10, "bool"),
    ("qint8", 11, "int8"),
    ("quint8", 12, "uint8"),
    ("qint32", 13, "int32"),
    ("bfloat16", 14, "ml:bfloat16"),
    ("qint16", 15, "int16"),
    ("quint16", 16, "uint16"),
    ("uint16", 17, "uint16"),
    ("complex128", 18, "complex128"),
    ("half", 19, "float16"),
    ("resource", 20, "object"),
    ("variant", 21, "object"),
    ("uint32", 22, "uint32"),
    ("uint64", 23, "uint64"),
    ("float8_e5m2", 24, "ml:float8_e5m2"),
    ("float8_e4m3fn", 25, "ml:float8_e4m3fn"),
    ("float8_e4m3fnuz", 26, "ml:float8_e4m3fnuz"),
    ("float8_e4m3b11fnuz", 27, "ml:float8_e4m3b11fnuz"),
    ("float8_e5m2fnuz", 28, "ml:float8_e5m2fnuz"),
    ("int4", 29, "ml:int4"),
    ("uint4", 30, "ml:uint4"),
    ("int2", 31, "ml:int2"),
    ("uint2", 32, "ml:uint2"),
    ("float4_e2m1fn", 33, "ml:float4_e2m1fn"),
)

_FLOATING = frozenset({"float", "double", "half", "bfloat16"})
_COMPLEX = frozenset({"complex64", "complex128"})
_OPAQUE = frozenset({"string", "resource", "variant"})


@dataclass(frozen=True, eq=False)
class DType:
    """A TensorFlow data type. There is one object per type; compare with ``is`` or ``==``."""

    name: str
    number: int
    numpy_name: str

    @cached_property
    def numpy(self) -> np.dtype[Any]:
        """The numpy type of an array of this dtype (object for strings, resources and variants)."""
        if not self.numpy_name.startswith("ml:"):
            return np.dtype(self.numpy_name)
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, self.numpy_name[3:]))

    @cached_property
    def enum_name(self) -> str:
        """The name in the DataType enum, such as ``DT_FLOAT`` or ``DT_FLOAT_REF``."""
        return "DT_" + (self.base.name.upper() + "_REF" if self.is_ref else self.name.upper())

    @property
    def is_ref(self) -> bool:
        return self.number > REF_OFFSET

    @cached_property
    def base(self) -> DType:
        """The type that a reference type refers to; any other type is its own base."""
        return BY_NUMBER[self.number - REF_OFFSET] if self.is_ref else self

    @cached_property
    def ref(self) -> DType:
        return self if self.is_ref else BY_NUMBER[self.number + REF_OFFSET]

    @cached_property
    def is_floating(self) -> bool:
        """Real floating point, the 8-bit and 4-bit floats included (as TensorFlow's DataTypeIsFloating)."""
        return self.base.name in _FLOATING or self.base.name.startswith("float")

    @cached_property
    def is_complex(self) -> bool:
        return self.base.name in _COMPLEX

    @cached_property
    def is_integer(self) -> bool:
        return self.base.name.lstrip("u").startswith("int")

    @cached_property
    def is_quantized(self) -> bool:
        return self.base.name.lstrip("qu") != self.base.name and self.base.name.startswith("q")

    @cached_property
    def is_opaque(self) -> bool:
        """Strings, resources and variants: numpy holds them as Python objects."""
        return self.base.name in _OPAQUE

    @cached_property
    def is_differentiable(self) -> bool:
        """Gradients flow through floating point and complex tensors only."""
        return self.is_floating or self.is_complex

    @property
    def size(self) -> int:
        """Bytes per element in memory; object arrays count their pointers."""
        return self.numpy.itemsize

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, tuple[int]]:
        return of_number, (self.number,)


def _all() -> tuple[DType, ...]:
    plain = [DType(*row) for row in _TABLE]
    refs = [DType(t.name + "_ref", t.number + REF_OFFSET, t.numpy_name) for t in plain]
    return tuple(plain + refs)


DTYPES: tuple[DType, ...] = _all()
BY_NUMBER: Mapping[int, DType] = {t.number: t for t in DTYPES}
BY_NAME: Mapping[str, DType] = {t.name: t for t in DTYPES}
BY_ENUM_NAME: Mapping[str, DType] = {t.enum_name: t for t in DTYPES}

float32 = BY_NAME["float"]
float64 = BY_NAME["double"]
float16 = BY_NAME["half"]
bfloat16 = BY_NAME["bfloat16"]
int8 = BY_NAME["int8"]
int16 = BY_NAME["int16"]
int32 = BY_NAME["int32"]
int64 = BY_NAME["int64"]
uint8 = BY_NAME["uint8"]
uint16 = BY_NAME["uint16"]
uint32 = BY_NAME["uint32"]
uint64 = BY_NAME["uint64"]
bool_ = BY_NAME["bool"]
string = BY_NAME["string"]
complex64 = BY_NAME["complex64"]
complex128 = BY_NAME["complex128"]
resource = BY_NAME["resource"]
variant = BY_NAME["variant"]

# The dtype of each numpy type; for those of quantized types too, the plain one (int8, not qint8).
_FROM_NUMPY: dict[str, DType] = {
    t.numpy_name.removeprefix("ml:"): t
    for t in reversed(DTYPES)
    if not t.is_ref and not t.is_opaque and not t.name.startswith("q")
}


def of_numpy(numpy_type: Any) -> DType:
    """Returns the dtype of a numpy type; object and bytes arrays are strings. Raises INVALID_ARGUMENT."""
    kind = np.dtype(numpy_type)
    dtype = _FROM_NUMPY.get(kind.name)
    if dtype is not None:
        return dtype
    if kind.kind in "OSU":
        return string
    raise invalid(f"no TensorFlow dtype for numpy type {kind}")


def parse(name: str) -> DType:
    """Returns a dtype by short name (``float``), enum name (``DT_FLOAT``) or numpy name (``float32``).

    Raises INVALID_ARGUMENT.
    """
    dtype = BY_NAME.get(name) or BY_ENUM_NAME.get(name) or _FROM_NUMPY.get(name)
    if dtype is None:
        raise invalid(f"unknown dtype {name!r}")
    return dtype


# DT_INVALID: the type in a message that sets none. No tensor and no operation has it.
INVALID = DType("invalid", 0, "void")


def of_number(number: int) -> DType:
    """Returns the dtype of a number in the DataType enum, INVALID for 0. Raises INVALID_ARGUMENT."""
    dtype = BY_NUMBER.get(number)
    if dtype is None and number:
        raise invalid(f"{number} is not a DataType")
    return dtype or INVALID
