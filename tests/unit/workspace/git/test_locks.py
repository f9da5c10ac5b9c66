import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from runner.errors import UnwantedError
from runner.workspace.git.locks import locked, take
from runner.workspace.git.trouble import Cause, GitError
from tests.support.fetching import watch

HOLD = "import fcntl,sys,time; f=open(sys.argv[1],'w'); fcntl.flock(f,fcntl.LOCK_EX); print(flush=True); time.sleep(60)"


def test_one_holds_a_lock_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path / "deep" / "lock", watch()):
        assert take(tmp_path / "deep" / "lock") is None
        assert take(tmp_path / "deep" / "lock", shared=True) is None

    file = take(tmp_path / "deep" / "lock")
    assert file is not None
    os.close(file)


def test_those_who_share_hold_it_together_and_nobody_else_does(tmp_path: Path) -> None:
    files = [take(tmp_path / "lock", shared=True) for _ in range(2)]

    assert take(tmp_path / "lock") is None
    for file in files:
        assert file is not None
        os.close(file)


def test_whoever_waits_gets_it_when_it_is_free(tmp_path: Path) -> None:
    file = take(tmp_path / "lock")
    assert file is not None
    threading.Timer(0.3, os.close, [file]).start()
    begun = time.monotonic()

    with locked(tmp_path / "lock", watch()):
        assert time.monotonic() - begun > 0.2


def test_the_dead_hold_no_lock(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "lock"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert take(tmp_path / "lock") is None
        other.kill()

    with locked(tmp_path / "lock", watch()):
        pass


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", watch()):
        with pytest.raises(GitError) as caught, locked(tmp_path / "lock", watch(total=0.2)):
            pass
        with pytest.raises(UnwantedError), locked(tmp_path / "lock", watch(wanted=lambda: False)):
            pass

    assert caught.value.cause is Cause.DEADLINE


def test_a_lock_whose_file_was_removed_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    opened = os.open

    def removed(*arguments: object, **options: object) -> int:
        file = opened(*arguments, **options)  # type: ignore[arg-type] # as whoever called it has them
        path.unlink()
        return file

    monkeypatch.setattr(os, "open", removed)
    assert take(path) is None
