"""The interfaces through which kernels reach the step that they run in; the runtime implements them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...graphfmt.dtypes import DType
    from ...graphfmt.tensors import Array
    from .facts import Fact

R = TypeVar("R", bound="Resource")


class Resource(Protocol):
    """Anything that outlives a step: a variable, a generator, a queue.

    ``kind`` is its type's name in state files; ``save`` gives its whole state as arrays, which never change
    afterwards (a file may be written from them much later), and ``load`` takes it back, so that a session can
    go on bit for bit. That is all that a new kind of resource has to do to be in checkpoints.
    """

    kind: str

    def save(self) -> dict[str, Array]: ...

    def load(self, state: dict[str, Array]) -> None: ...


class Describable(Protocol):
    """A resource that nodes wait for."""

    def describe(self) -> str:
        """Returns a description for people: kind, name, how full it is."""
        ...


class Pending(NamedTuple):
    """An attempt that waits, returned by an asynchronous kernel: the way to give it up, and what it waits for."""

    cancel: Callable[[], object]
    resource: Describable


class Rendezvous(Protocol):
    """The exchange of values between the parts of a step on several devices, by key."""

    def send(self, key: str, value: Any, is_dead: bool) -> None:
        """Puts a value, or a dead one, under a key. Never waits."""
        ...

    def receive(self, key: str, done: Callable[[Any], None]) -> None:
        """Calls ``done`` with the value under a key, DEAD or a TfgError when there is one, from any thread."""
        ...


class StepContext(Protocol):
    """The step as its kernels see it. ``depth`` counts the functions that it is within; ``iteration`` is the
    ``frame_id:iter_id`` with which the keys of its rendezvous end, ``0:0`` outside of all loops."""

    step_id: int
    depth: int
    iteration: str

    @property
    def rendezvous(self) -> Rendezvous: ...

    def resource(self, container: str, name: str, kind: type[R], make: Callable[[], R]) -> R:
        """Returns the resource under (container, kind, name), made on first use. Raises INVALID_ARGUMENT if that name
        belongs to a resource of another type."""
        ...

    def log(self, text: str) -> None:
        """Writes a line of output for the user (Print, PrintV2)."""
        ...

    def check_cancelled(self) -> None:
        """Raises CANCELLED or DEADLINE_EXCEEDED if the step must stop."""
        ...


class Callee(Protocol):
    """A function of the library, as a kernel calls it: with the step and one value per argument, for one
    value per result."""

    def __call__(self, ctx: Any, /, *values: Any) -> Sequence[Any]: ...

    def given(self, facts: Sequence[Fact]) -> Callee:
        """Returns the function specialized for arguments with these facts."""
        ...

    def repeat(
        self, ctx: Any, body: Any, state: Sequence[Any], is_true: Callable[[Any], bool]
    ) -> Sequence[Any]:
        """Calls ``body`` on the state, for the next state, as long as this function's only result is true."""
        ...

    def infer(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Returns the facts of the results for arguments with these facts."""
        ...

    def is_passed_on(self, position: int) -> bool:
        """True if the result at a position is the argument at that position, unchanged."""
        ...

    def gradient(self, inputs: Sequence[DType], outputs: Sequence[DType]) -> Callee:
        """Returns the function from the arguments and the gradients of the results to the gradients of the arguments.
        Raises INVALID_ARGUMENT if its types are others."""
        ...


Value = Any
