"""Variables shared out over parameter servers."""

from __future__ import annotations

import tfg
from tfg.graphfmt.graph import Graph
from tfg.runtime.passes.optimizers.servers import BY_BYTES, ROUND_ROBIN, share_variables, size_of

SERVERS = [f"/job:ps/replica:0/task:{n}/device:CPU:0" for n in range(2)]


def variables(*sizes: int) -> Graph:
    g = tfg.GraphBuilder()
    for number, size in enumerate(sizes):
        g.VariableV2(shape=[size], dtype="float", name=f"v{number}")
    return g.graph()


def numbers(graph: Graph, strategy: str) -> list[int]:
    homes = share_variables(graph, SERVERS, strategy)
    return [SERVERS.index(homes[node.name]) for node in graph.nodes]


def test_in_turn() -> None:
    assert numbers(variables(9, 1, 1, 1), ROUND_ROBIN) == [0, 1, 0, 1]


def test_as_many_bytes_each() -> None:
    assert numbers(variables(1, 9, 4, 4), BY_BYTES) == [1, 0, 1, 1]


def test_variables_that_ask_for_a_device_stay_there() -> None:
    g = tfg.GraphBuilder()
    with g.device("/job:worker/task:0"):
        g.VarHandleOp(shape=[], dtype="float", name="own")
    g.VarHandleOp(shape=[None, 3], dtype="double", name="free")
    graph = g.graph()
    assert share_variables(graph, SERVERS) == {"free": SERVERS[0]}
    assert size_of(graph["free"]) == 24
