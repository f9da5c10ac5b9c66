"""Secrets are replaced before bytes touch a disk, a terminal or a browser, wherever a chunk happens to end."""

from collections.abc import Callable

from runner.logs.forms import encoded, forms
from runner.logs.needles import Needles

MASK = b"***"
SHORTEST = 4
"""A shorter value is not masked: it would tear holes into ordinary text."""


class Mask:
    """The secrets of a run: a set that only grows, shared by all threads and all streams.

    ``learned`` is called with each secret that is to be hidden, in the thread that has come upon it.
    """

    def __init__(self, learned: Callable[[bytes], None] | None = None) -> None:
        self._needles = Needles()
        self._learned = learned

    def add(self, value: bytes) -> bool:
        """Mask ``value`` from now on, just as it is.

        Returns False for a value of 1 to 3 bytes, which is not masked, so that the caller can warn. An empty value is
        nothing to mask.
        """
        if len(value) < SHORTEST:
            return not value
        self._needles.add([value])
        return True

    def hide(self, secret: bytes) -> bool:
        """Mask a secret from now on, in every form in which it may be printed; parts of its base64 as ``Needles.add``.

        Returns False for a secret of 1 to 3 bytes, not counted the white space around it. Nothing but white space is
        nothing to mask.
        """
        core = secret.strip()
        if len(core) < SHORTEST:
            return not core
        if self._learned is not None:
            self._learned(secret)
        self._needles.add({secret, core, *forms(core)}, encoded(core))
        return True

    def redact(self, text: str) -> str:
        """Return a whole text with its secrets replaced: for messages, events and JSON."""
        try:
            data, errors = text.encode("utf-8", "surrogateescape"), "surrogateescape"
        except UnicodeEncodeError:  # half a surrogate pair, as JSON can spell it
            data, errors = text.encode("utf-8", "surrogatepass"), "surrogatepass"
        shown, _ = self.replace(data, final=True)
        return text if shown is data else shown.decode("utf-8", errors)

    def replace(self, data: bytes, *, final: bool) -> tuple[bytes, bytes]:
        """Return what can be shown of ``data``, and the end of it that may become a secret, as ``Needles.replace``."""
        return self._needles.replace(data, MASK, final=final)


class Masker:
    """Masks one stream. Whatever the chunks, the same bytes come out; one thread at a time."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._held = b""

    @property
    def ends_a_line(self) -> bool:
        """Whether the end of a line is among what is held back."""
        return b"\n" in self._held

    def feed(self, data: bytes) -> bytes:
        """Return what can be shown by now.

        Held back is only an end that may still become a secret: less than the longest one, or than base64 of it with
        the white space in it.
        """
        shown, self._held = self._mask.replace(self._held + data if self._held else data, final=False)
        return shown

    def finish(self) -> bytes:
        """Return what was held back: the stream has ended, and it has become no longer secret."""
        held, self._held = self._held, b""
        return self._mask.replace(held, final=True)[0]

    def cut(self) -> bytes:
        """Return what was held back when the bytes that follow are lost.

        They may have completed a secret, so that its beginning is masked as well.
        """
        held, self._held = self._held, b""
        return MASK if len(held) >= SHORTEST else held
