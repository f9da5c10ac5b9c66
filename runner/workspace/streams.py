"""Pieces of bytes, as they arrive, as a file to read from."""

from collections.abc import Iterable
from io import RawIOBase


class Pieces(RawIOBase):
    """Reads one piece after the other; wrap it in ``BufferedReader`` for reads of any size."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub wants any buffer; BufferedReader gives this one
        """Fill the buffer with what there is; 0 at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)  # a slice of one is no copy: a piece may have 100 MB
        taken = min(len(buffer), len(self._rest))
        buffer[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken
