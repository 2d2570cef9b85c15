"""The keys under which the parts of a step exchange tensors (framework/rendezvous.cc states the form)."""

from __future__ import annotations

from typing import NamedTuple

from ....graphfmt.errors import invalid

# The frame and iteration of whatever is in no loop.
ROOT_ITERATION = "0:0"

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_64_BITS = (1 << 64) - 1


class Key(NamedTuple):
    """A rendezvous key taken apart; ``incarnation`` is that of the source, without a sign, ``iteration`` is
    ``frame_id:iter_id``."""

    source: str
    incarnation: int
    target: str
    tensor: str
    iteration: str


def make_key(source: str, incarnation: int, target: str, tensor: str, iteration: str = ROOT_ITERATION) -> str:
    """``src_device;hex(incarnation);dst_device;tensor_name;frame_id:iter_id``, the incarnation, which attributes
    of nodes hold as a signed number, in 16 digits."""
    return f"{source};{incarnation & _64_BITS:016x};{target};{tensor};{iteration}"


def parse_key(text: str) -> Key:
    """Takes a key apart. Raises INVALID_ARGUMENT unless it has exactly five parts, none of them empty, of which
    the second is a hexadecimal number."""
    parts = text.split(";")
    if len(parts) != 5 or not all(parts):
        raise invalid(f"Invalid rendezvous key: {text!r}")
    source, incarnation, target, tensor, iteration = parts
    if not set(incarnation) <= _HEXADECIMAL:
        raise invalid(f"Invalid rendezvous key: {text!r}, as {incarnation!r} is no hexadecimal number")
    return Key(source, int(incarnation, 16), target, tensor, iteration)
