"""The summary that ``tfg checkpoint`` and ``tfg restore`` print at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.names import counted
from ...graphfmt.shapes import Shape
from ...graphfmt.units import human_bytes
from .console import note, plain, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...runtime.checkpointing.checkpoint_files import Checkpoint
    from ...runtime.checkpointing.restoring import Match, TensorSource

_MAX_NAMES = 8


def print_summary(
    output: str, checkpoint: Checkpoint, match: Match, *, step: int | None, as_json: bool
) -> None:
    """Prints tensors, bytes and step, then variables without a value and unused tensors, on standard error.

    As JSON: ``file``, ``count``, ``bytes``, ``step``, ``missing`` and ``unused``.
    """
    size = sum(map(_bytes, match.taken.values()))
    missing = [variable.full_name for variable in match.missing]
    if as_json and output != "-":
        counts = {"file": output, "count": len(match.taken), "bytes": size, "step": step}
        print_json({**counts, "missing": missing, "unused": list(match.unused)})
        return
    at_step = "" if step is None else f", step {step}"
    note(f"{plain(output)}: {counted(len(match.taken), 'tensor')}, {human_bytes(size)}{at_step}")
    if missing:
        note(f"variables without a value: {_shorten(missing)}")
    if match.unused:
        note(f"tensors of {plain(checkpoint.path)} that the graph does not use: {_shorten(match.unused)}")


def _bytes(source: TensorSource) -> int:
    return 0 if source.dtype.is_opaque else source.dtype.size * (Shape(source.shape).size or 0)


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return plain(", ".join(names[:_MAX_NAMES])) + (f" and {more} more" if more > 0 else "")
