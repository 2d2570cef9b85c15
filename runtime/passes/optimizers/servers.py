"""The shares of parameter servers: which variable lives on which device (OSDI'16 section 4.4)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ....graphfmt.dtypes import DType
from ....graphfmt.shapes import Shape
from ....kernels.core.op_sets import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.graph import Graph, Node

# The ways to share variables out.
BY_BYTES = "bytes"
ROUND_ROBIN = "round-robin"
STRATEGIES = (BY_BYTES, ROUND_ROBIN)


def share_variables(graph: Graph, servers: Sequence[str], strategy: str = BY_BYTES) -> Mapping[str, str]:
    """The device of every variable that asks for none, by its name.

    Args:
        servers: the devices.
        strategy: ``round-robin`` takes the variables in the order of the file, as TensorFlow's
            ``replica_device_setter`` does; ``bytes`` gives the largest first, each to the server that has the fewest
            bytes.
    """
    free = [node for node in graph.nodes if node.op in VARIABLES and not node.device]
    if strategy == ROUND_ROBIN:
        return {node.name: servers[number % len(servers)] for number, node in enumerate(free)}
    load = dict.fromkeys(servers, 0)
    homes: dict[str, str] = {}
    # Sorting is stable, so that variables of one size stay in the order of the file.
    for node in sorted(free, key=size_of, reverse=True):
        home = min(servers, key=load.__getitem__)
        load[home] += size_of(node)
        homes[node.name] = home
    return homes


def size_of(variable: Node) -> int:
    """The bytes of a variable, unknown dimensions counting as 1."""
    shape, dtype = variable.attrs.get("shape"), variable.attrs.get("dtype")
    if not isinstance(shape, Shape) or not isinstance(dtype, DType):
        return 0
    return prod(1 if size is None else size for size in shape.dims or ()) * dtype.size
