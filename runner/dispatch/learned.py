"""The secrets that the steps of a run have told while it ran: a later driver of it must mask them, too."""

import base64
import binascii
import os
import threading
from pathlib import Path

from runner import diagnostics
from runner.errors import StoreError
from runner.store.sealing import Vault


class Learned:
    """A file of one run: a sealed secret in each line. ``known`` are secrets that it need not hold."""

    def __init__(self, path: Path, vault: Vault, run: str, known: frozenset[bytes]) -> None:
        self._path = path
        self._vault = vault
        self._purpose = f"learned:{run}"
        self._known = set(known)
        self._lock = threading.Lock()

    def read(self) -> list[bytes]:
        """Return the secrets of earlier drivers; a last line that was cut off is none.

        Raises:
            StoreError: they are damaged, or sealed with another key.
        """
        if not self._path.exists():
            return []
        written = self._path.read_bytes()
        whole = written[: written.rfind(b"\n") + 1]
        if len(whole) < len(written):
            os.truncate(self._path, len(whole))  # what is added next would be a part of that line
        found = [self._opened(line) for line in whole.splitlines()]
        self._known.update(found)
        return found

    def _opened(self, line: bytes) -> bytes:
        try:
            sealed = base64.b64decode(line, validate=True)
        except binascii.Error as error:
            raise StoreError(f"{self._path} is damaged", hint="without this file the run goes on") from error
        return self._vault.reveal(sealed, self._purpose).encode("utf-8", "surrogateescape")

    def add(self, secret: bytes) -> None:
        """Keep a secret, if it is new; what cannot be kept is told, as the steps cannot wait for it."""
        with self._lock:
            if secret in self._known:
                return
            self._known.add(secret)
            sealed = self._vault.seal(secret.decode("utf-8", "surrogateescape"), self._purpose)
            try:
                with self._path.open("ab") as file:
                    file.write(base64.b64encode(sealed) + b"\n")
            except OSError as error:
                diagnostics.warn("a secret that a step has told is masked by this process only", error=error.strerror)
