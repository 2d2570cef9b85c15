"""The transport over sockets: values arrive in order, and strangers are refused."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import pytest
from tfg.runtime.cluster.transport import Parcel, Peer

zmq = pytest.importorskip("zmq")

from tfg.runtime.cluster.zmq_transport import ZmqTransport  # noqa: E402


@contextmanager
def two() -> Iterator[tuple[ZmqTransport, ZmqTransport, SimpleQueue[Any]]]:
    """Two connected tasks, and what arrives at the second."""
    arrived: SimpleQueue[Any] = SimpleQueue()
    one = ZmqTransport("127.0.0.1", lambda step, parcels: None)
    other = ZmqTransport("127.0.0.1", lambda step, parcels: arrived.put((step, parcels)))
    peers = {"one": one.peer, "other": other.peer}
    for transport in (one, other):
        transport.connect(peers)
    try:
        yield one, other, arrived
    finally:
        one.close()
        other.close()


def test_values_arrive_in_the_order_in_which_they_were_sent() -> None:
    with two() as (one, _, arrived):
        for step in range(50):
            one.send(
                "other", step, [Parcel("small", np.float32(step)), Parcel("large", np.full(50_000, step))]
            )
        for step in range(50):
            number, (small, large) = arrived.get(timeout=10)
            assert (number, small.value, large.value.max()) == (step, step, step)


def test_a_stranger_is_refused() -> None:
    with two() as (one, other, arrived):
        stranger = ZmqTransport("127.0.0.1", lambda step, parcels: None)
        stranger.connect({"other": other.peer})
        stranger.send("other", 1, [Parcel("a", np.float32(1))])
        with socket.create_connection(address(other.peer)) as raw:
            raw.sendall(b"\0" * 1000)
        with pytest.raises(Empty):
            arrived.get(timeout=0.5)
        one.send("other", 2, [])
        assert arrived.get(timeout=10) == (2, [])
        stranger.close()


def test_a_task_that_is_told_of_its_peers_first_is_not_refused_by_them() -> None:
    """The handshake of one that connects before the other knows its key would be refused for ever."""
    arrived: SimpleQueue[Any] = SimpleQueue()
    one = ZmqTransport("127.0.0.1", lambda step, parcels: None)
    other = ZmqTransport("127.0.0.1", lambda step, parcels: arrived.put((step, parcels)))
    one.connect({"one": one.peer, "other": other.peer})
    time.sleep(0.3)
    other.connect({"one": one.peer, "other": other.peer})
    one.send("other", 7, [])
    assert arrived.get(timeout=10) == (7, [])
    one.close()
    other.close()


def test_it_listens_at_its_own_address_alone() -> None:
    with two() as (one, _, _):
        assert address(one.peer)[0] == "127.0.0.1"


def address(peer: Peer) -> tuple[str, int]:
    host, _, port = peer.address.removeprefix("tcp://").rpartition(":")
    return host, int(port)
