"""Sets of dtypes that many signatures allow, in TensorFlow's order."""

from __future__ import annotations

# tensorflow/core/framework: "numbertype" and "realnumbertype", and what elementwise operations take.
NUMBERS = (
    "{float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, "
    "quint16, uint16, complex128, half, uint32, uint64}"
)
REAL_NUMBERS = "{float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"
FLOATS = "{bfloat16, half, float, double}"
HALF_FIRST_FLOATS = "{half, bfloat16, float, double}"
FLOATS_AND_COMPLEX = "{bfloat16, half, float, double, complex64, complex128}"
INDEX = "{int32, int64}"

# What the arithmetic kernels know: every number but the quantized ones, and its parts.
INTEGERS = "{int8, int16, int32, int64, uint8, uint16, uint32, uint64}"
ARITHMETIC = (
    "{bfloat16, half, float, double, uint8, int8, uint16, int16, int32, uint32, uint64, int64, "
    "complex64, complex128}"
)
SIGNED = "{bfloat16, half, float, double, int8, int16, int32, int64, complex64, complex128}"
