"""The state of random streams between steps: a resource per node, or a variable.

A stream is a Philox counter and key. One group is four 32-bit words.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from ....graphfmt.errors import invalid
from ...numeric.philox import Philox

if TYPE_CHECKING:
    from ....graphfmt.tensors import Array
    from ...core.context import StepContext
    from ..state.variables import Variable

# Groups by which a stream is advanced per output, for every distribution (TensorFlow's kReservedSamplesPerOutput).
PER_OUTPUT = 256

_MASK64 = 2**64 - 1
_STATE_SIZE = 3
_PHILOX = 1
_THREEFRY = 2
_AUTO = 3


class NodeGenerator:
    """The stream of a node with attributes ``seed`` and ``seed2``. If both are 0, the stream is seeded from the
    operating system's entropy and differs in every session."""

    kind = "Philox"
    __slots__ = ("_lock", "_next")

    def __init__(self, seed: int, seed2: int) -> None:
        if seed == 0 and seed2 == 0:
            seed, seed2 = (int.from_bytes(os.urandom(8), "little") for _ in range(2))
        self._next = Philox.from_seeds(seed, seed2)
        self._lock = Lock()

    def reserve(self, groups: int) -> Philox:
        """Returns the stream at its present position, and advances it by this number of groups."""
        with self._lock:
            found = self._next
            self._next = found.skip(groups)
        return found

    def save(self) -> dict[str, Array]:
        with self._lock:
            return {"state": to_state(self._next)}

    def load(self, state: dict[str, Array]) -> None:
        with self._lock:
            self._next = from_state(state["state"])


def reserve_node_stream(ctx: StepContext, node_name: str, seed: int, seed2: int, groups: int) -> Philox:
    """Reserves ``groups`` groups of a node's stream, which is created on first use."""
    generator = ctx.resource("", node_name, NodeGenerator, lambda: NodeGenerator(seed, seed2))
    return generator.reserve(groups)


def to_state(generator: Philox) -> Array:
    """Returns counter and key as three int64, the counter's lower half first, as TensorFlow stores them."""
    parts = (generator.counter & _MASK64, generator.counter >> 64, generator.key)
    return np.array(parts, np.uint64).view(np.int64)


def from_state(state: Array) -> Philox:
    low, high, key = (int(x) & _MASK64 for x in state[:_STATE_SIZE])
    return Philox(key, high << 64 | low)


def reserve_from_variable(variable: Variable, algorithm: int, groups: int, *, tagged: bool = False) -> Philox:
    """Reserves ``groups`` groups of the stream whose state a variable holds, and advances the state.

    ``tagged`` state begins with the number of the algorithm.

    Raises INVALID_ARGUMENT for a malformed state, and FAILED_PRECONDITION for an uninitialized variable.
    """
    with variable.lock:
        value = variable.writable()
        if value.dtype != np.int64 or value.ndim != 1:
            raise invalid(
                f"the state of a generator must be a vector of int64, but variable {variable.name!r} is "
                f"{value.dtype} of shape {list(value.shape)}"
            )
        first = 0
        if tagged:
            if value.size < 1:
                raise invalid(
                    f"the state of a generator must not be empty, but variable {variable.name!r} is"
                )
            first, algorithm = 1, int(value[0])
        check_algorithm(algorithm)
        if value.size < first + _STATE_SIZE:
            raise invalid(
                f"the state of a Philox generator has at least {first + _STATE_SIZE} elements, but variable "
                f"{variable.name!r} has {value.size}"
            )
        found = from_state(value[first:])
        value[first : first + _STATE_SIZE] = to_state(found.skip(groups))
    return found


def check_algorithm(algorithm: int) -> None:
    """Raises INVALID_ARGUMENT unless this is the number of Philox or of automatic selection."""
    if algorithm not in (_PHILOX, _AUTO):
        raise invalid(f"Unsupported algorithm id: {algorithm}")


def stream_from_key_counter(key: Array, counter: Array, algorithm: Array) -> Philox:
    """Returns the stream of a stateless operation from its inputs key [1], counter [2 or more] and alg. Raises
    INVALID_ARGUMENT for other shapes or algorithms."""
    if algorithm.ndim != 0:
        raise invalid(f"alg must be a scalar, but has shape {list(algorithm.shape)}")
    number = int(algorithm)
    if key.shape != (1,):
        raise invalid(f"key must have shape [1], but has shape {list(key.shape)}")
    least = 1 if number == _THREEFRY else 2
    if counter.ndim != 1 or counter.size < least:
        raise invalid(
            f"counter must be a vector of at least {least} elements, but has shape {list(counter.shape)}"
        )
    check_algorithm(number)
    return Philox(int(key[0]), int(counter[1]) << 64 | int(counter[0]))
