"""HTTP over a Unix socket, by the standard library alone: for what is to begin soon."""

import socket
from http.client import HTTPConnection


class UnixConnection(HTTPConnection):
    """A connection to who listens at ``path``; each of its reads and writes may take ``seconds``."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost")
        self._path = path
        self._seconds = seconds

    def connect(self) -> None:
        """Connect, and be ready to send."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._seconds)
        self.sock.connect(self._path)
