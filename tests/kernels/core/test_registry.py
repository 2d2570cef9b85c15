"""Every declared operation against TensorFlow's declaration of it, in ``tests/data/op-signatures.txt``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tfg.graphfmt import signatures
from tfg.graphfmt.signatures import Attr, OpSignature
from tfg.kernels.core import index, make_index, registry
from tfg.kernels.core.registry import Op

DATA = Path(__file__).parents[2] / "data"
# The public operations, and those that TensorFlow's own passes write into graphs.
FACTS = (DATA / "op-signatures.txt", DATA / "internal-op-signatures.txt")

# Operations that have no gradient here yet, though TensorFlow has one.
WITHOUT_GRADIENT = frozenset({"SparseMatrixSparseMatMul"})

# Operations that must not be merged or folded here, though TensorFlow does not mark them: their runs have effects.
ALSO_STATEFUL = frozenset({"Abort", "For"})


@cache
def lines() -> dict[str, str]:
    """What the file says of every operation."""
    text = "".join(path.read_text() for path in FACTS)
    stated = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line[: line.index("(")]: line for line in stated}


def facts(name: str) -> tuple[OpSignature, frozenset[str]]:
    """An operation's signature and flags."""
    text, _, flags = lines()[name].partition("  # ")
    return signatures.parse(text), frozenset(flags.split(", "))


def declared() -> list[Op]:
    known = set(registry.families())
    return [op for op in registry.all_ops() if op.family in known]


def comparable(attr: Attr) -> Any:
    return attr.kind, frozenset(attr.allowed), attr.minimum, attr.default


def differences(op: Op) -> Iterator[str]:
    """What an operation declares otherwise than TensorFlow."""
    if op.name not in lines():
        yield "there is no such operation"
        return
    expected, flags = facts(op.name)
    if op.signature.inputs != expected.inputs:
        yield f"inputs {op.signature.inputs}, not {expected.inputs}"
    if op.signature.outputs != expected.outputs:
        yield f"outputs {op.signature.outputs}, not {expected.outputs}"
    mine = {name: comparable(attr) for name, attr in op.signature.attr_index.items()}
    theirs = {name: comparable(attr) for name, attr in expected.attr_index.items()}
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            yield f"attr {name} is {mine.get(name)}, not {theirs.get(name)}"
    if op.stateful != ("stateful" in flags or op.name in ALSO_STATEFUL):
        yield f"stateful is {op.stateful}"
    if op.commutative != ("commutative" in flags) and len(expected.inputs) == 2:
        yield f"commutative is {op.commutative}"
    if op.differentiable == ("no gradient" in flags):
        yield f"differentiable is {op.differentiable}"
    lacks = "gradient" in flags and op.gradient_function is None
    if lacks != (op.name in WITHOUT_GRADIENT):
        yield "it has no gradient" if lacks else "it has a gradient now"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "family" in metafunc.fixturenames:
        metafunc.parametrize("family", registry.families())


def test_declarations(family: str) -> None:
    ops = [op for op in declared() if op.family == family]
    found = [f"{op.name}: {difference}" for op in ops for difference in differences(op)]
    assert not found, "\n".join(found)


def test_kernels_fit_their_signatures(family: str) -> None:
    for op in declared():
        if op.family == family:
            op.check()


def test_every_operation_can_run(family: str) -> None:
    missing = [
        op.name
        for op in declared()
        if op.family == family and op.kernel_function is None and op.bind_function is None
    ]
    assert not missing


def test_index() -> None:
    """Run ``python -m tfg.kernels.core.make_index`` where this fails."""
    assert Path(index.__file__).read_text() == make_index.text()
