"""The two framings in which the engine sends a container's output: frames of a stream, chunks of HTTP."""

import struct
from collections.abc import Iterator

from runner.engine.backend import STDERR, STDOUT
from runner.errors import InfrastructureError

_HEADER = struct.Struct(">BxxxL")
_SYSTEM_ERROR = 3  # what the engine itself has to say (moby, pkg/stdcopy)
_STREAMS = {0: STDOUT, STDOUT: STDOUT, STDERR: STDERR, _SYSTEM_ERROR: STDERR}
_LONGEST_SIZE_LINE = 64


class Frames:
    """Takes the multiplexed stream apart: headers of 8 bytes (stream, length), each before its payload.

    Works on pieces of any size: a payload is handed on as it comes, not when its frame is complete.
    """

    def __init__(self) -> None:
        self._header = b""
        self._stream = STDOUT
        self._left = 0

    def feed(self, data: memoryview | bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, bytes) in their order; neighbours of one stream come as one.

        Raises:
            InfrastructureError: these are no frames.
        """
        view = memoryview(data)
        parts: list[memoryview] = []
        current = self._stream
        at, size = 0, len(view)
        while at < size:
            if self._left:
                if self._stream != current and parts:
                    yield current, b"".join(parts)
                    parts = []
                current = self._stream
                end = min(size, at + self._left)
                parts.append(view[at:end])
                self._left -= end - at
                at = end
            else:
                at = self._read_header(view, at)
        if parts:
            yield current, b"".join(parts)

    def _read_header(self, view: memoryview, at: int) -> int:
        if self._header or len(view) - at < _HEADER.size:
            end = at + _HEADER.size - len(self._header)
            self._header += bytes(view[at:end])
            if len(self._header) < _HEADER.size:
                return len(view)
            kind, self._left = _HEADER.unpack(self._header)
            self._header = b""
        else:
            kind, self._left = _HEADER.unpack_from(view, at)
            end = at + _HEADER.size
        if kind not in _STREAMS:
            raise InfrastructureError(f"the engine sent no frame but {kind}: is something between us that changes it?")
        self._stream = _STREAMS[kind]
        return end


class Chunks:
    """Takes HTTP's chunked coding off a body. ``ended`` is true after the last chunk."""

    def __init__(self) -> None:
        self.ended = False
        self._line = b""
        self._left = 0
        self._inside = False

    def feed(self, data: memoryview | bytes) -> Iterator[memoryview]:
        """Yield the pieces of the body that ``data`` holds.

        Raises:
            InfrastructureError: these are no chunks.
        """
        view = memoryview(data)
        at = 0
        while at < len(view) and not self.ended:
            if self._left:
                end = min(len(view), at + self._left)
                yield view[at:end]
                self._left -= end - at
                at = end
            else:
                at = self._read_size(view, at)

    def _read_size(self, view: memoryview, at: int) -> int:
        piece, newline, _ = bytes(view[at : at + _LONGEST_SIZE_LINE]).partition(b"\n")
        self._line += piece + newline
        if newline:
            self._take_line(self._line.strip())
            self._line = b""
        elif len(self._line) > _LONGEST_SIZE_LINE:
            raise InfrastructureError("the engine sent a chunk without a size")
        return at + len(piece) + len(newline)

    def _take_line(self, line: bytes) -> None:
        if self._inside and not line:
            self._inside = False  # the line end after a chunk
            return
        try:
            self._left = int(line.split(b";")[0], 16)
        except ValueError as error:
            raise InfrastructureError(f"the engine sent a chunk of size {line!r}") from error
        self._inside = True
        self.ended = self._left == 0
