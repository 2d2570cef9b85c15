"""The access of a step to the session's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...kernels.core.op_sets import SAVERS
from ..execution.state_lock import Access

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...graphfmt.graph import Node
    from ...kernels.functions.library import Library


def step_access(nodes: Iterable[Node], library: Library | None, *, changes: bool) -> Access:
    """The access of a step that runs these nodes: ALONE if one of them, or a function that they call, writes variables
    to a file; else CHANGE or READ."""
    listed = list(nodes)
    if library.uses(listed, SAVERS) if library is not None else any(n.op in SAVERS for n in listed):
        return Access.ALONE
    return Access.CHANGE if changes else Access.READ
