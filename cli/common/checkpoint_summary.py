"""What ``tfg checkpoint`` and ``tfg restore`` say when they are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.names import counted
from ...graphfmt.shapes import Shape
from ...runtime.summary import human_bytes
from .console import note, plain, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...runtime.checkpointing.checkpoint_files import Checkpoint
    from ...runtime.checkpointing.restoring import Match, TensorSource

_MOST_NAMES = 8


def tell(output: str, checkpoint: Checkpoint, found: Match, *, step: int | None, as_json: bool) -> None:
    """One line on standard error, and one more for variables without a value and for tensors that nobody
    takes. As JSON: ``count`` tensors of so many ``bytes``, ``step``, ``missing`` and ``unused``."""
    size = sum(map(_bytes, found.taken.values()))
    missing = [variable.full_name for variable in found.missing]
    if as_json and output != "-":
        counts = {"file": output, "count": len(found.taken), "bytes": size, "step": step}
        print_json({**counts, "missing": missing, "unused": list(found.unused)})
        return
    at_step = "" if step is None else f", step {step}"
    note(f"{plain(output)}: {counted(len(found.taken), 'tensor')}, {human_bytes(size)}{at_step}")
    if missing:
        note(f"without a value: {_some(missing)}")
    if found.unused:
        note(f"not in the graph, and left out: {_some(found.unused)} of {plain(checkpoint.path)}")


def _bytes(source: TensorSource) -> int:
    return 0 if source.dtype.is_opaque else source.dtype.size * (Shape(source.shape).size or 0)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return plain(", ".join(names[:_MOST_NAMES])) + (f" and {more} more" if more > 0 else "")
