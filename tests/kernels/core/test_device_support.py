"""Traits of operations on a GPU."""

from __future__ import annotations

from collections import defaultdict

import pytest
from tfg.graphfmt import dtypes
from tfg.kernels.core import device_support, registry


def test_every_host_input_of_a_family_is_an_argument_in_it() -> None:
    stated: dict[str, frozenset[str]] = {}
    arguments: dict[str, set[str]] = defaultdict(set)
    for op in registry.all_ops():
        stated[op.family] = op.host_inputs
        arguments[op.family] |= {arg.name for arg in op.signature.inputs}
    assert not {
        family: names - arguments[family] for family, names in stated.items() if names - arguments[family]
    }


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
