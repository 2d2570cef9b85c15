"""How a step uses the session's state: which nodes change it, and which must see it at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt import dtypes
from ...kernels.core.op_sets import SAVERS
from ..execution.state_lock import Access

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...graphfmt.graph import Node
    from ...kernels.functions.library import Library
    from .typed_graph import TypedNode

# Stateful operations that leave everything in the session as it was; some read or write files.
_READERS = SAVERS | frozenset(
    {"VarHandleOp", "Variable", "VariableV2", "ReadVariableOp", "VarIsInitializedOp", "ResourceGather"}
    | {"ResourceGatherNd", "CheckNumerics", "CheckNumericsV2", "Assert", "Print", "PrintV2", "Timestamp"}
    | {"IsVariableInitialized", "VariableShape"}
    | {"DisableCopyOnRead", "MergeV2Checkpoints", "Restore", "RestoreSlice", "RestoreV2"}
)

# Operations on resources that end with the step.
_STEP_LOCAL = ("Stack", "TensorArray", "TemporaryVariable", "DestroyTemporaryVariable")


def changes_state(typed: TypedNode) -> bool:
    """True if a node may leave the session's state other than it was."""
    if typed.op.name in _READERS or typed.op.name.startswith(_STEP_LOCAL):
        return False
    return typed.op.stateful or any(t.is_ref or t is dtypes.resource for t in typed.bound.input_types)


def step_access(nodes: Iterable[Node], library: Library | None, *, changes: bool) -> Access:
    """The access of a step that runs these nodes: exclusive if one of them, or a function that they call, writes
    variables to a file; else that of a step that changes the state, or does not."""
    listed = list(nodes)
    if library.uses(listed, SAVERS) if library is not None else any(n.op in SAVERS for n in listed):
        return Access.ALONE
    return Access.CHANGE if changes else Access.READ
