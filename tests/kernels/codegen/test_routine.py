"""Sequential code written as LLVM IR: arithmetic, memory, loops and conditions."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfg.kernels.codegen.llvm_engine import function_address
from tfg.kernels.codegen.routine import Routine

pytest.importorskip("llvmlite")


def call(code: Routine, *arguments: int) -> None:
    address = function_address(code.text(), code.name)
    assert address is not None
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(arguments))(address)(*arguments)


def digits_routine() -> Routine:
    """Stores the number of digits of each number of ``source`` in ``target``, and 0 for negative ones."""
    code = Routine("digits", ["source", "target", "count"])
    number = code.variable(0)
    with code.loop(lambda: number.value < code["count"]):
        value = code.variable(code.load(code["source"] + number.value * 8))
        digits = code.variable(0)
        with code.when(value.value > -1):
            digits.set(1)
            limit = code.variable(10)
            with code.loop(lambda: (limit.value <= value.value) & (digits.value < 18)):
                digits.set(digits.value + 1)
                limit.set(limit.value * 10)
        code.store(code["target"] + number.value, digits.value, 8)
        number.set(number.value + 1)
    return code


@given(st.lists(st.integers(-(1 << 62), 10**17)))
def test_loops_and_conditions(numbers: list[int]) -> None:
    source, target = np.array([*numbers, 0], np.int64), np.zeros(len(numbers) + 1, np.uint8)
    call(digits_routine(), source.ctypes.data, target.ctypes.data, len(numbers))
    assert target.tolist() == [*(0 if n < 0 else len(str(n)) for n in numbers), 0]


@given(*[st.integers(-(1 << 63), (1 << 63) - 1)] * 2)
def test_arithmetic_is_that_of_64_bits(a: int, b: int) -> None:
    code = Routine("arithmetic", ["a", "b", "out"])
    x, y = code["a"], code["b"]
    results = (x + y, x - y, x * y, x & y, x | y, x << 3, x >> 60)
    for place, result in enumerate(results):
        code.store(code["out"] + 8 * place, result)
    for place, holds in enumerate((x < y, x <= y, x > y, x.is_equal(y), x.differs(y), (x < y) | (x > y))):
        truth = code.variable(0)
        with code.when(holds):
            truth.set(1)
        code.store(code["out"] + 8 * (len(results) + place), truth.value)
    out = np.zeros(13, np.uint64)
    call(code, a, b, out.ctypes.data)
    unsigned = a % (1 << 64)
    expected = (a + b, a - b, a * b, a & b, a | b, a << 3, unsigned >> 60)
    assert out[:7].tolist() == [value % (1 << 64) for value in expected]
    assert out[7:].tolist() == [a < b, a <= b, a > b, a == b, a != b, a != b]


def test_numbers_of_fewer_bits_are_unsigned() -> None:
    code = Routine("narrow", ["source", "out"])
    code.store(code["out"], code.load(code["source"], 8) + code.load(code["source"] + 1, 32))
    out = np.zeros(1, np.int64)
    source = np.frombuffer(b"\xff\xff\xff\xff\xff", np.uint8)
    call(code, source.ctypes.data, out.ctypes.data)
    assert out[0] == 255 + (1 << 32) - 1
