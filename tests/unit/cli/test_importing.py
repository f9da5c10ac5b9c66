import gc
import signal

import pytest

from runner.cli.importing import importing


def test_ctrl_c_just_ends_us_while_something_is_imported() -> None:
    before = signal.getsignal(signal.SIGINT)

    with importing():
        inside = signal.getsignal(signal.SIGINT)

    assert (inside, signal.getsignal(signal.SIGINT)) == (signal.SIG_DFL, before)


def test_nothing_is_collected_meanwhile_and_what_stays_is_not_looked_through_again() -> None:
    gc.unfreeze()
    kept: list[list[object]] = []

    with importing():
        inside = gc.isenabled()
        kept.extend([] for _ in range(1000))

    try:
        assert (inside, gc.isenabled()) == (False, True)
        assert gc.get_freeze_count() >= len(kept)
    finally:
        gc.unfreeze()


def test_an_import_that_fails_leaves_everything_as_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)

    with pytest.raises(ImportError), importing():
        raise ImportError

    assert (gc.isenabled(), signal.getsignal(signal.SIGINT)) == (True, before)
