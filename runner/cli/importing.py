"""How imports are made that a user waits for."""

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing(*, begun: bool = False) -> Iterator[None]:
    """Import until the end of the block: what Ctrl-C and the collector of garbage do in between is less.

    Where nothing has ``begun`` that would have to be ended, Ctrl-C just ends us, without a traceback out of an import.
    And what is imported stays: looking through it for garbage, now or later, takes a seventh of the start of a run.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not begun and handler is not signal.SIG_IGN:  # as a script has it for what runs in its background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        signal.signal(signal.SIGINT, handler)
