"""The traits of operations that passes and devices ask for; every declaration states its own (``registry``)."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple


class Role(Enum):
    """The part that an operation plays in a graph, beyond computing its outputs."""

    COMPUTATION = auto()
    CONSTANT = auto()
    # Output: the input, unchanged.
    IDENTITY = auto()
    # Must be fed; may be fed.
    PLACEHOLDER = auto()
    PLACEHOLDER_WITH_DEFAULT = auto()
    # Output: a reference to the variable; a resource handle of it.
    REFERENCE_VARIABLE = auto()
    RESOURCE_VARIABLE = auto()
    # Gives a variable its value, the second input; reads the value behind a handle.
    ASSIGNMENT = auto()
    VARIABLE_READ = auto()
    # Output: true if the variable has a value.
    INITIALIZATION_QUERY = auto()
    # Gives an iterator its dataset, which is not part of the state: it must run again after a restore.
    ITERATOR_INITIALIZER = auto()
    # The five operations of TensorFlow's dataflow control flow, and the one that runs even if its inputs are dead.
    SWITCH = auto()
    MERGE = auto()
    ENTER = auto()
    EXIT = auto()
    NEXT_ITERATION = auto()
    CONTROL_TRIGGER = auto()
    # Write variables to a checkpoint, and must see them all as of one moment; read one; merge its parts.
    SAVER = auto()
    RESTORER = auto()
    CHECKPOINT_MERGER = auto()
    # The two ends of an edge between the parts of a partitioned graph.
    SEND = auto()
    RECV = auto()


# The roles that decide which nodes run, or in which iteration of a loop.
CONTROL_FLOW = frozenset({Role.SWITCH, Role.MERGE, Role.ENTER, Role.EXIT, Role.NEXT_ITERATION})


class StateAccess(Enum):
    """The effect of an operation on the state of its session."""

    # Leaves the state alone; effects are elsewhere (files, a terminal) if the operation is stateful.
    NONE = auto()
    # Names or reads resources.
    READS = auto()
    # Makes or changes resources that end with the step.
    PER_STEP = auto()
    CHANGES = auto()


class Effects(NamedTuple):
    """The effects of an operation outside of its session.

    Attributes:
        reads_files: names of the arguments, or of the attributes, that name the files it reads; an attribute does so
            where it is written ``file://PATH``.
        writes_files: those of the files that it writes or deletes.
        prints: it writes text for the user.
        aborts: it ends the step, whatever its inputs.
        uses_network: it exchanges values with other processes.
        reads_environment: it reads what the computer is or does, such as its clock.
    """

    reads_files: tuple[str, ...] = ()
    writes_files: tuple[str, ...] = ()
    prints: bool = False
    aborts: bool = False
    uses_network: bool = False
    reads_environment: bool = False

    @property
    def touches_files(self) -> bool:
        """True if it reads or writes files."""
        return bool(self.reads_files or self.writes_files)


NO_EFFECTS = Effects()


class GpuSupport(Enum):
    """The condition on which the kernels of an operation run on a GPU (the dtypes must allow it too)."""

    # Never: the kernels work with numpy alone.
    NONE = auto()
    # If the operation is a plain function of tensors: neither stateful nor asynchronous, without step context.
    TENSORS = auto()
    # Always, references and resource handles included.
    STATE = auto()


class BodyExecution(Enum):
    """The stateful nodes of a called function that run although no result needs them, as in TensorFlow."""

    ALL = auto()
    # None: TensorFlow prunes the body to what its results need.
    PRUNED = auto()
    # None if the call has the attribute ``_lower_using_switch_merge``: its body becomes a part of the caller's graph.
    LOWERED = auto()


class CallForm(NamedTuple):
    """The way in which an operation calls functions of the library.

    Attributes:
        functions: attributes that name the functions.
        first: index of the input that is the first argument.
        types: attribute with the dtypes of the inputs from ``first`` on.
        results: attribute with the dtypes of the results.
        repeats: True if the results are the arguments of the next call.
        shift: number of leading arguments that are not inputs (the loop counter of For).
        body: the stateful nodes that run.
    """

    functions: tuple[str, ...]
    first: int
    types: str
    results: str
    repeats: bool = False
    shift: int = 0
    body: BodyExecution = BodyExecution.ALL
