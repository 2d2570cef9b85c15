"""The transport over ZeroMQ sockets: encrypted, and authenticated by CURVE keys that the engine hands out.

Each task binds one socket on which it receives, and connects one to each other task. A sender whose key is not that of
a known task is refused in the handshake, before any byte of its messages is looked at.
"""

from __future__ import annotations

import contextlib
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from ...graphfmt.errors import Status, TfgError
from .messages import decode, encode
from .transport import Peer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .transport import Arrived, Parcel

# Frames of fewer bytes are copied into the message, which costs less than keeping track of their memory.
_SMALL = 1 << 16
# Milliseconds between the heartbeats of a connection, and after which a silent one is dropped and made anew.
_HEARTBEAT, _SILENCE = 1000, 2500
# Milliseconds after which the receiving thread looks whether it is to end.
_PATIENCE = 250


class ZmqTransport:
    """Implements ``Transport``. ``host`` is the address to receive at; only that one is bound to."""

    def __init__(self, host: str, arrived: Arrived) -> None:
        import zmq
        from zmq.auth.thread import ThreadAuthenticator

        self._arrived = arrived
        self._context = zmq.Context()
        self._public, self._secret = zmq.curve_keypair()
        self._known: set[bytes] = set()
        self._authenticator = ThreadAuthenticator(self._context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback("*", credentials_provider=self)
        self._inbox: Any = self._context.socket(zmq.PULL)
        self._secure(self._inbox)
        self._inbox.curve_server = True
        self._inbox.rcvtimeo = _PATIENCE
        port = self._inbox.bind_to_random_port(f"tcp://{host}")
        self._peer = Peer(f"tcp://{host}:{port}", self._public)
        self._is_closed = Event()
        self._lock = Lock()
        self._peers: dict[str, Peer] = {}
        self._outgoing: dict[str, tuple[Any, Lock]] = {}
        self._thread = Thread(target=self._receive, name="tfg-transport", daemon=True)
        self._thread.start()

    def _secure(self, socket: Any) -> None:
        import zmq

        socket.curve_publickey, socket.curve_secretkey = self._public, self._secret
        socket.linger = 0
        socket.sndhwm = socket.rcvhwm = 0
        socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _SILENCE)

    def callback(self, domain: str, key: bytes) -> bool:
        """Tells whether a sender with this public key may connect; called by the authenticator."""
        return key in self._known

    @property
    def peer(self) -> Peer:
        return self._peer

    def connect(self, peers: Mapping[str, Peer]) -> None:
        self._known.update(peer.public_key for peer in peers.values())
        self._peers.update(peers)

    def _connection(self, task: str) -> tuple[Any, Lock]:
        """The socket to a task, and the lock under which it is used.

        It is connected with the first value, when every task has been told the keys of all: a handshake that is refused
        is never tried again.
        """
        import zmq

        with self._lock:
            if task not in self._outgoing:
                peer = self._peers[task]
                socket: Any = self._context.socket(zmq.PUSH)
                self._secure(socket)
                socket.curve_serverkey = peer.public_key
                socket.connect(peer.address)
                self._outgoing[task] = (socket, Lock())
            return self._outgoing[task]

    def send(self, task: str, step: int, parcels: Sequence[Parcel]) -> None:
        import zmq

        frames = encode(step, parcels)
        socket, lock = self._connection(task)
        try:
            with lock, contextlib.suppress(zmq.ContextTerminated):
                for frame in frames[:-1]:
                    socket.send(frame, zmq.SNDMORE | zmq.DONTWAIT, copy=len(frame) < _SMALL)
                socket.send(frames[-1], zmq.DONTWAIT, copy=len(frames[-1]) < _SMALL)
        except zmq.Again:
            raise TfgError(Status.UNAVAILABLE, f"{task} refuses the connection of this task") from None

    def _receive(self) -> None:
        import zmq

        while not self._is_closed.is_set():
            try:
                frames = self._inbox.recv_multipart(copy=False)
            except zmq.Again:
                continue
            # A malformed message has no step that could be told of it; its receiver is aborted by the sender's failure.
            with contextlib.suppress(TfgError):
                self._arrived(*decode([frame.buffer for frame in frames]))
        self._inbox.close()

    def close(self) -> None:
        with self._lock:
            outgoing, self._outgoing = self._outgoing, {}
        for socket, lock in outgoing.values():
            with lock:
                socket.close()
        # A socket is closed by the thread that uses it.
        self._is_closed.set()
        self._thread.join()
        self._authenticator.stop()
        self._context.term()
