"""``tfg ops``: lists the registered operations."""

from __future__ import annotations

import fnmatch
import textwrap
from typing import TYPE_CHECKING, Any

import click

from ..graphfmt.errors import Status, TfgError
from ..graphfmt.names import did_you_mean
from ..kernels.core import device_support, registry
from .common import completions
from .common.console import print_json, terminal_width
from .common.options import common_options

if TYPE_CHECKING:
    from ..kernels.core.registry import Op


@click.command("ops")
@click.argument("name", required=False, shell_complete=completions.operations)
@common_options
def command(name: str | None, as_json: bool, verbose: int) -> None:
    """List the registered operations; with NAME or a pattern such as 'Conv*', show signature, devices and gradient."""
    known = {op.name: op for op in registry.all_ops()}
    selected = [known[n] for n in fnmatch.filter(known, name)] if name else list(known.values())
    if not selected:
        assert name is not None
        hint = did_you_mean(name, known)
        raise TfgError(Status.NOT_FOUND, f"operation {name!r} is not registered", hint=hint)
    if as_json:
        print_json({"ops": [_fields(op) for op in selected]})
    elif name and len(selected) == 1:
        _print_op(selected[0])
    else:
        for op in selected:
            click.echo(op.name)


def _fields(op: Op) -> dict[str, Any]:
    signature = op.signature
    return {
        "name": op.name,
        "signature": str(signature),
        "inputs": [str(arg) for arg in signature.inputs],
        "attrs": [str(attr) for attr in signature.attrs],
        "outputs": [str(arg) for arg in signature.outputs],
        "devices": devices(op),
        "gradient": gradient(op),
        "stateful": op.stateful,
    }


def devices(op: Op) -> list[str]:
    """The device types that have a kernel for it."""
    if op.kernel_function is None and op.bind_function is None:
        return []
    return ["CPU", "GPU"] if device_support.supports(op) else ["CPU"]


def gradient(op: Op) -> str:
    """``yes``, ``zero`` where nothing flows back (as through a comparison), ``no`` where asking is an error."""
    if op.gradient_function is not None:
        return "yes"
    return "no" if op.differentiable else "zero"


def _wrapped(line: str) -> str:
    """Wraps a line of the table at 79 characters or the width of the terminal, continued under its second column."""
    return textwrap.fill(
        line, min(terminal_width() or 79, 79), subsequent_indent=" " * 15, break_long_words=False
    )


def _print_op(op: Op) -> None:
    signature = op.signature
    rows = [("inputs", signature.inputs), ("attrs", signature.attrs), ("outputs", signature.outputs)]
    click.echo(op.name)
    for title, items in rows:
        for position, item in enumerate(items):
            click.echo(_wrapped(f"  {title if position == 0 else '':8} {item}"))
    click.echo(f"  {'devices':8} {', '.join(devices(op)) or 'none'}")
    click.echo(f"  {'gradient':8} {gradient(op)}")
    if op.stateful:
        click.echo(f"  {'stateful':8} yes")
