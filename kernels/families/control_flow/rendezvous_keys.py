"""Rendezvous keys, under which the devices of a step exchange tensors, in the format of TensorFlow's
framework/rendezvous.cc."""

from __future__ import annotations

from typing import NamedTuple

from ....graphfmt.errors import invalid

# The frame and iteration of nodes outside of loops.
ROOT_ITERATION = "0:0"

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_64_BITS = (1 << 64) - 1


class Key(NamedTuple):
    """The fields of a rendezvous key. ``incarnation`` is the source device's, unsigned; ``iteration`` is
    ``frame_id:iter_id``."""

    source: str
    incarnation: int
    target: str
    tensor: str
    iteration: str


def make_key(source: str, incarnation: int, target: str, tensor: str, iteration: str = ROOT_ITERATION) -> str:
    """Returns ``src_device;hex(incarnation);dst_device;tensor_name;frame_id:iter_id``. The incarnation, signed in
    the attributes of nodes, is written in 16 hexadecimal digits."""
    return f"{source};{incarnation & _64_BITS:016x};{target};{tensor};{iteration}"


def parse_key(text: str) -> Key:
    """Parses a key. Raises INVALID_ARGUMENT unless it has exactly five non-empty fields, the second of them a
    hexadecimal number."""
    parts = text.split(";")
    if len(parts) != 5 or not all(parts):
        raise invalid(f"Invalid rendezvous key: {text!r}")
    source, incarnation, target, tensor, iteration = parts
    if not set(incarnation) <= _HEXADECIMAL:
        raise invalid(f"Invalid rendezvous key: {text!r}: {incarnation!r} is not a hexadecimal number")
    return Key(source, int(incarnation, 16), target, tensor, iteration)
