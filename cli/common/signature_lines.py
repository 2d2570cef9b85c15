"""Signatures in ``tfg show``: inputs, outputs, and a command line that runs each."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from ...runtime.saved_models import signatures
from .console import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.metagraph import MetaGraph
    from ...runtime.saved_models.signatures import SignatureCall, SignatureTensor


def select_signatures(meta: MetaGraph, name: str | None) -> list[SignatureCall]:
    """Returns all signatures, or the named one. Raises NOT_FOUND."""
    return signatures.calls(meta) if name is None else [signatures.find(meta, name)]


def signature_fields(path: str, calls: Sequence[SignatureCall]) -> dict[str, Any]:
    """Returns the signatures' fields in ``--json``, by name.

    Each has ``method``, ``inputs`` and ``outputs`` (by key: ``tensor``, ``dtype``, ``shape``) and ``run``, a command
    line that runs it.
    """
    return {
        call.name: {
            "method": call.method,
            "inputs": {tensor.key: _tensor_fields(tensor) for tensor in call.inputs.values()},
            "outputs": {tensor.key: _tensor_fields(tensor) for tensor in call.outputs.values()},
            "run": run_line(path, call),
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


def print_signatures(path: str, calls: Sequence[SignatureCall]) -> None:
    """Prints each signature: its inputs, its outputs, and a command line that runs it."""
    for call in calls:
        click.echo(f"\nsignature {plain(call.name)}:")
        rows = [("in", tensor) for tensor in call.inputs.values()]
        rows += [("out", tensor) for tensor in call.outputs.values()]
        key_width = max((len(plain(tensor.key)) for _, tensor in rows), default=0)
        types = [f"{tensor.info.dtype.name}{tensor.info.shape}" for _, tensor in rows]
        type_width = max(map(len, types), default=0)
        for (direction, tensor), kind in zip(rows, types):
            key = plain(tensor.key).ljust(key_width)
            click.echo(f"  {direction:3}  {key}  {kind.ljust(type_width)}  {plain(tensor.name)}".rstrip())
        click.echo(f"  {plain(run_line(path, call))}")


def run_line(path: str, call: SignatureCall) -> str:
    """Returns a command line that runs a signature with generated feeds."""
    feeds = [f"--feed {shlex.quote(f'{t.key}={_generated_feed(t)}')}" for t in call.inputs.values()]
    return " ".join(["tfg run", shlex.quote(path), "--signature", shlex.quote(call.name), *feeds])


def _generated_feed(tensor: SignatureTensor) -> str:
    rank = tensor.info.shape.rank
    if tensor.info.dtype.name == "string":
        return "[" * (rank or 0) + '"text"' + "]" * (rank or 0)
    return "random" if rank is not None else "random:1"
