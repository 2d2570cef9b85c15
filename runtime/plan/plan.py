"""Plans: what a session keeps per signature (feeds, fetches, targets), so that the second step of a kind costs its
kernels alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...graphfmt.graph import Endpoint, Graph
    from ...kernels.core.failed_calls import FailedCall
    from ..execution.state_lock import Access
    from ..execution.step import Step
    from .feeds import Feed


class Plan(Protocol):
    """A plan for the steps of one signature. ``graph`` has the nodes that it needs; ``changes_state`` tells whether it
    changes the session's state, ``access`` which other steps may run meanwhile."""

    @property
    def graph(self) -> Graph: ...

    @property
    def feeds(self) -> tuple[Feed, ...]: ...

    @property
    def fetches(self) -> tuple[Endpoint, ...]: ...

    @property
    def changes_state(self) -> bool: ...

    @property
    def access(self) -> Access: ...

    def execute(self, step: Step, values: Sequence[Any]) -> Sequence[Any]:
        """Runs a step on the values of the feeds, one each, and returns those of the fetches. Raises what kernels
        raise."""
        ...

    def failed_call(self, error: BaseException) -> FailedCall | None:
        """The node at which a step failed, and its inputs, where the exception's traceback tells."""
        ...
