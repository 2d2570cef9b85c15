"""What ``tfg show`` says of signatures: their inputs and outputs, and the line that calls each."""

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


def chosen(meta: MetaGraph, name: str | None) -> list[SignatureCall]:
    """The signatures to tell of: all, or the one of that name. Raises NOT_FOUND."""
    return signatures.calls(meta) if name is None else [signatures.find(meta, name)]


def fields(path: str, calls: Sequence[SignatureCall]) -> dict[str, Any]:
    """As JSON: by name, ``method``, ``inputs`` and ``outputs`` (by key: ``tensor``, ``dtype``, ``shape``) and
    ``run``, a line that calls it."""
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
    for call in calls:
        click.echo(f"\nsignature {plain(call.name)}:")
        rows = [("in", tensor) for tensor in call.inputs.values()]
        rows += [("out", tensor) for tensor in call.outputs.values()]
        widest = max((len(plain(tensor.key)) for _, tensor in rows), default=0)
        typed = [f"{tensor.info.dtype.name}{tensor.info.shape}" for _, tensor in rows]
        broadest = max(map(len, typed), default=0)
        for (way, tensor), what in zip(rows, typed):
            key = plain(tensor.key).ljust(widest)
            click.echo(f"  {way:3}  {key}  {what.ljust(broadest)}  {plain(tensor.name)}".rstrip())
        click.echo(f"  {plain(run_line(path, call))}")


def run_line(path: str, call: SignatureCall) -> str:
    """A command that calls a signature, with made-up values."""
    feeds = [f"--feed {shlex.quote(f'{t.key}={_made_up(t)}')}" for t in call.inputs.values()]
    return " ".join(["tfg run", shlex.quote(path), "--signature", shlex.quote(call.name), *feeds])


def _made_up(tensor: SignatureTensor) -> str:
    rank = tensor.info.shape.rank
    if tensor.info.dtype.name == "string":
        return "[" * (rank or 0) + '"text"' + "]" * (rank or 0)
    return "random" if rank is not None else "random:1"
