"""Command lines that run a graph or a signature on made-up values."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.dtypes import DType
    from ...graphfmt.shapes import Shape
    from ...runtime.example_step import ExampleStep
    from ...runtime.saved_models.signatures import SignatureCall

# What stands for the checkpoint in a line that needs one.
CHECKPOINT = "CKPT"


def example_line(path: str, step: ExampleStep) -> str:
    """Returns a command line that runs a step; it has the word ``CKPT`` if the step needs a checkpoint."""
    parts = ["tfg run", shlex.quote(path)]
    if step.needs_checkpoint:
        parts.append(f"--restore {CHECKPOINT}")
    else:
        parts += [f"--init {shlex.quote(name)}" for name in step.init]
    parts += [_feed(entry.name, entry.dtype, entry.shape) for entry in step.feeds]
    parts += [f"--fetch {shlex.quote(name)}" for name in step.fetches]
    parts += [f"--target {shlex.quote(name)}" for name in step.targets]
    return " ".join(parts)


def signature_line(
    path: str, call: SignatureCall, *, tags: Sequence[str] | None = None, init: Sequence[str] = ()
) -> str:
    """Returns a command line that runs a signature; a tensor with several keys is fed by the first."""
    tensors = {tensor.name: tensor for tensor in reversed(list(call.inputs.values()))}
    inputs = [t for t in call.inputs.values() if tensors[t.name] is t and t.info.dtype.name not in _NO_VALUES]
    parts = ["tfg run", shlex.quote(path), "--signature", shlex.quote(call.name)]
    if tags:
        parts.append(f"--tags {shlex.quote(','.join(tags))}")
    parts += [f"--init {shlex.quote(name)}" for name in init]
    parts += [_feed(tensor.key, tensor.info.dtype, tensor.info.shape) for tensor in inputs]
    return " ".join(parts)


_NO_VALUES = ("resource", "variant")


def _feed(name: str, dtype: DType | None, shape: Shape) -> str:
    return f"--feed {shlex.quote(f'{name}={_made_up(dtype, shape)}')}"


def _made_up(dtype: DType | None, shape: Shape) -> str:
    """Returns the text of a value that most graphs accept: random numbers, integers that are valid as indices."""
    if dtype is not None and dtype.name == "string" and all(d in (None, 1) for d in shape.dims or ()):
        rank = shape.rank or 0
        return "[" * rank + '"text"' + "]" * rank
    kind = "ones" if dtype is not None and dtype.is_integer else "random"
    return kind if shape.rank is not None else f"{kind}:1"
