"""What the engine says while it pulls an image, added up over its layers."""

from collections.abc import Callable
from dataclasses import dataclass

from runner.clock import Clock, SystemClock
from runner.engine.backend import PullProgress
from runner.errors import InfrastructureError
from runner.records import record

REPORT_SECONDS = 0.1
_MOST_CHARACTERS = 1000

_LAYER_PHASES = (
    "Pulling fs layer",
    "Waiting",
    "Downloading",
    "Verifying Checksum",
    "Download complete",
    "Extracting",
    "Pull complete",
    "Already exists",
)
_DOWNLOADED = _LAYER_PHASES[3:]
_TELLING = ("Downloading", "Extracting")
_RETRYING = "Retrying in"
_SUMMARY = "Status: "


@record
class Message:
    """One message of the stream; ``error`` is not empty when the pull has failed."""

    status: str = ""
    layer: str = ""
    current: int = 0
    total: int = 0
    error: str = ""

    @classmethod
    def read(cls, raw: object) -> "Message":
        """Read the JSON form, of which the engine's API document promises little.

        Raises:
            InfrastructureError: it is not a JSON object.
        """
        if not isinstance(raw, dict):
            raise InfrastructureError(f"pulling an image: the engine sent {printable(repr(raw))}, which is no message")
        detail, failure = raw.get("progressDetail"), raw.get("errorDetail")
        current, total = (detail.get("current"), detail.get("total")) if isinstance(detail, dict) else (0, 0)
        words = failure.get("message") if isinstance(failure, dict) else None
        return cls(
            status=printable(str(raw.get("status") or "")),
            layer=str(raw.get("id") or ""),
            current=current if isinstance(current, int) else 0,
            total=total if isinstance(total, int) else 0,
            error=printable(str(words or raw.get("error") or "")),
        )


@dataclass(kw_only=True)
class _Layer:
    phase: str = ""
    current: int = 0
    total: int = 0


class PullState:
    """Adds messages up. Knows what is news: a stalled pull may go on talking."""

    def __init__(self, image: str) -> None:
        self._image = image
        self._layers: dict[str, _Layer] = {}
        self._text = "asking the registry"
        self._furthest: dict[tuple[str, str], int] = {}

    def take(self, message: Message) -> bool:
        """Take a message; return whether it shows progress: a new phase of a layer, or more bytes than ever."""
        if message.status.startswith(_RETRYING):
            self._text = message.status
            return False
        if message.status in _LAYER_PHASES:
            self._take_layer(message)
        elif message.status.startswith(_SUMMARY):
            self._text = message.status.removeprefix(_SUMMARY)
        place = (message.layer, message.status)
        if message.current <= self._furthest.get(place, -1):
            return False
        self._furthest[place] = message.current
        return True

    def _take_layer(self, message: Message) -> None:
        layer = self._layers.setdefault(message.layer, _Layer())
        layer.phase = message.status
        layer.total = max(layer.total, message.total)
        if layer.phase == "Downloading":
            layer.current = max(layer.current, message.current)
        elif layer.phase in _DOWNLOADED:
            layer.current = layer.total
        phases = {each.phase for each in self._layers.values()}
        self._text = next((phase for phase in _TELLING if phase in phases), message.status)

    @property
    def progress(self) -> PullProgress:
        """How far it has come, over the layers whose size is known."""
        return PullProgress(
            image=self._image,
            text=self._text,
            current=sum(layer.current for layer in self._layers.values()),
            total=sum(layer.total for layer in self._layers.values()),
        )


class Throttle:
    """Hands on at most one report every ``REPORT_SECONDS``, and those that say something new or must be seen."""

    def __init__(self, report: Callable[[PullProgress], None], clock: Clock | None = None) -> None:
        self._report = report
        self._clock = clock or SystemClock()
        self._next = self._clock.monotonic()
        self._text = ""

    def __call__(self, progress: PullProgress, *, at_once: bool = False) -> None:
        """Report, or drop what comes too soon after the last."""
        now = self._clock.monotonic()
        if at_once or now >= self._next or progress.text != self._text:
            self._next, self._text = now + REPORT_SECONDS, progress.text
            self._report(progress)


def printable(text: str) -> str:
    """Return a registry's words as one bounded line without control characters: they go to terminals."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _MOST_CHARACTERS else line[:_MOST_CHARACTERS] + "…"
