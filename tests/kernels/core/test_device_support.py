"""What is said of operations for a GPU is said of operations that there are."""

from __future__ import annotations

import pytest
from tfg.graphfmt import dtypes
from tfg.kernels.core import device_support, registry

NAMED = (
    device_support._GIVE_SIZES
    | device_support._MADE_ON_HOST
    | device_support._EXPAND
    | device_support._OPS_ON_CPU_ONLY
)
FAMILIES = device_support._FAMILIES_MADE_ON_HOST | device_support._ON_CPU_ONLY | device_support._WITH_STATE


def test_operations_families_and_arguments_exist() -> None:
    assert {op.name for op in registry.all_ops()} >= NAMED
    assert set(registry.families()) >= FAMILIES
    arguments = {arg.name for op in registry.all_ops() for arg in op.signature.inputs}
    assert arguments >= device_support._SIZES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            (name, True)
            for name in ("MatMul", "Conv2D", "Merge", "VarHandleOp", "ResourceApplyAdam", "Const")
        ),
        *((name, False) for name in ("StringJoin", "SaveV2", "StatelessWhile", "PartitionedCall", "Lu")),
    ],
)
def test_what_a_gpu_runs(name: str, expected: bool) -> None:
    assert device_support.supports(registry.get(name)) is expected


@pytest.mark.parametrize("name", ["float", "half", "double", "int8", "uint64", "bool", "complex64"])
def test_what_its_memory_holds(name: str) -> None:
    assert device_support.is_on_gpu(dtypes.BY_NAME[name])


@pytest.mark.parametrize("name", ["string", "resource", "variant", "bfloat16", "qint8", "float8_e5m2"])
def test_what_its_memory_does_not_hold(name: str) -> None:
    assert not device_support.is_on_gpu(dtypes.BY_NAME[name])
