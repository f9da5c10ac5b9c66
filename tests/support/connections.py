"""Connections to an engine that is the other end of a socket pair."""

import socket
import struct
from types import SimpleNamespace
from typing import Any, cast

import requests

from runner.backends.docker.attach import Connection


def frame(stream: int, payload: bytes) -> bytes:
    """Return a frame of the multiplexed stream."""
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def connection_pair(*, chunked: bool = False, ahead: bytes = b"") -> tuple[Connection, socket.socket]:
    """Return our end and the engine's; ``ahead`` is what our HTTP library has read too far."""
    ours, theirs = socket.socketpair()
    buffered = ours.makefile("rb")
    if ahead:
        theirs.sendall(b"\n" + ahead)
        buffered.readline()
    response: Any = SimpleNamespace(
        raw=SimpleNamespace(_fp=SimpleNamespace(fp=buffered)),
        headers={"Transfer-Encoding": "chunked"} if chunked else {},
        close=buffered.close,
    )
    return Connection(cast("requests.Response", response)), theirs
