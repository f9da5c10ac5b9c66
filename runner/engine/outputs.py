"""Variables that steps leave for later ones, in four files of a directory that all steps of the run share.

As Vela has it (``executor/linux/outputs.go`` and ``internal/outputs`` of go-vela/worker): the lines of ``.env`` and
``masked.env`` are variables, those of ``base64.env`` and ``masked.base64.env`` too, with encoded values.
"""

import base64
import binascii
import threading
from collections.abc import Callable, Mapping

from runner.engine import envfile
from runner.engine.backend import Backend
from runner.engine.envfile import BadLineError
from runner.engine.events import Event, Notice
from runner.errors import InfrastructureError
from runner.naming import Address

_PLAIN, _MASKED = ".env", "masked.env"
_PLAIN_BASE64, _MASKED_BASE64 = "base64.env", "masked.base64.env"


def unmasked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return those files of which nothing is to be masked."""
    return {name: data for name, data in files.items() if name not in (_MASKED, _MASKED_BASE64)}


class Outputs:
    """What the steps of one run have left up to now, for the threads of all its stages.

    ``hide`` masks a value in everything that is shown from then on, and returns False for one that is too short.
    """

    def __init__(self, backend: Backend, hide: Callable[[str], bool], tell: Callable[[Event], None]) -> None:
        self._backend = backend
        self._hide = hide
        self._tell = tell
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def read(self, stage: Address) -> dict[str, str]:
        """Return the variables by name, as a step of an open stage finds them; empty values are left out.

        Those that are to be masked are hidden before this returns, and win over others of the same name. A file with a
        line that cannot be read counts as empty.

        Raises:
            InfrastructureError: the files cannot be read, or one is too large.
        """
        files = self._backend.outputs(stage)
        plain = {**self._parsed(files, _PLAIN), **_decoded(self._parsed(files, _PLAIN_BASE64))}
        masked = {**self._parsed(files, _MASKED), **_decoded(self._parsed(files, _MASKED_BASE64))}
        for name, value in masked.items():
            if value.strip() and not self._hide(value):
                self._tell_once(f"the output {name} is too short to be masked")
        return {**plain, **masked}

    def hide(self, stage: Address) -> None:
        """Hide what is to be masked of what the last step of a stage has left, which no step of it will read."""
        try:
            self.read(stage)
        except InfrastructureError as error:
            self._tell_once(f"outputs that are to be masked may be shown: {error.explained}")

    def _parsed(self, files: Mapping[str, bytes], name: str) -> dict[str, str]:
        text = files.get(name, b"").decode("utf-8", "surrogateescape")
        try:
            return envfile.parse(text, keep_empty=False)
        except BadLineError as error:
            self._tell_once(f"the outputs in {name} are not used: {error} ({error.hint})")
            return {}

    def _tell_once(self, text: str) -> None:
        with self._lock:
            if text in self._told:
                return
            self._told.add(text)
        self._tell(Notice(text))


def _decoded(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: _plain(value) for name, value in variables.items()}


def _plain(value: str) -> str:
    """Return what a value encodes; one that encodes nothing a variable can hold stays as it is."""
    try:
        data = base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        return value
    return value if b"\0" in data else data.decode("utf-8", "surrogateescape")
