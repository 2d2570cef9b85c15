"""Signatures in ``tfg show``: inputs, outputs, and a command line that runs each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...runtime.saved_models import signatures
from .console import plain
from .tables import print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...graphfmt.metagraph import MetaGraph
    from ...runtime.saved_models.signatures import SignatureCall, SignatureTensor

    RunLine = Callable[[SignatureCall], str]


def select_signatures(meta: MetaGraph, name: str | None) -> list[SignatureCall]:
    """Returns all signatures, or the named one. Raises NOT_FOUND."""
    return signatures.calls(meta) if name is None else [signatures.find(meta, name)]


def signature_fields(calls: Sequence[SignatureCall], run_line: RunLine) -> dict[str, Any]:
    """Returns the signatures' fields in ``--json``, by name.

    Each has ``method``, ``inputs`` and ``outputs`` (by key: ``tensor``, ``dtype``, ``shape``) and ``run``, a command
    line that runs it.
    """
    return {
        call.name: {
            "method": call.method,
            "inputs": {tensor.key: _tensor_fields(tensor) for tensor in call.inputs.values()},
            "outputs": {tensor.key: _tensor_fields(tensor) for tensor in call.outputs.values()},
            "run": run_line(call),
        }
        for call in calls
    }


def _tensor_fields(tensor: SignatureTensor) -> dict[str, Any]:
    dims = tensor.info.shape.dims
    return {
        "tensor": tensor.name,
        "dtype": tensor.info.dtype.name,
        "shape": None if dims is None else list(dims),
    }


def print_signatures(calls: Sequence[SignatureCall], run_line: RunLine) -> None:
    """Prints each signature: its inputs, its outputs, and a command line that runs it."""
    for call in calls:
        click.echo(f"\nsignature {plain(call.name)}:")
        tensors = [("in", tensor) for tensor in call.inputs.values()]
        tensors += [("out", tensor) for tensor in call.outputs.values()]
        print_table(
            [
                (direction, tensor.key, f"{tensor.info.dtype.name}{tensor.info.shape}", tensor.name)
                for direction, tensor in tensors
            ]
        )
        click.echo(f"  {plain(run_line(call))}")
