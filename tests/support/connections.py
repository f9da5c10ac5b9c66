"""Connections to an engine that is the other end of a socket pair."""

import socket
import struct
from http.client import HTTPResponse
from types import SimpleNamespace
from typing import cast

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
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    answer = SimpleNamespace(fp=buffered, getheader=headers.get)
    return Connection(cast("HTTPResponse", answer), buffered.close), theirs
