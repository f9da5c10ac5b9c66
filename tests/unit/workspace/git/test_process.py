import os
import sys
import time
from pathlib import Path

import git
import pytest

from runner.errors import UnwantedError, WorkspaceError
from runner.workspace.git.credentials import Access
from runner.workspace.git.process import Git, Watch, require
from runner.workspace.git.trouble import Cause, GitError
from tests.support.fetching import watch


def _run(directory: Path, script: str, *, network: bool = False, by: Watch | None = None) -> str:
    """Run a script of sh as git runs one."""
    return Git(directory=directory, watch=by or watch())("-c", f"alias.try=!{script}", "try", network=network)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split()[2] not in "ZX"
    except FileNotFoundError:
        return False


def _gone(file: Path) -> bool:
    """Say whether the process that wrote its number there ends soon."""
    end = time.monotonic() + 5
    pid = int(file.read_text(encoding="ascii"))
    while _alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not _alive(pid)


def test_a_command_returns_what_it_prints(tmp_path: Path) -> None:
    assert _run(tmp_path, "printf 'a\\n\\377\\n'") == "a\n\udcff"


def test_a_command_that_fails_raises_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"^fatal: it is broken$") as caught:
        _run(tmp_path, "echo progress >&2; echo fatal: it is broken >&2; exit 3")

    assert caught.value.cause is Cause.OTHER


def test_a_failure_can_be_an_answer(tmp_path: Path) -> None:
    here = Git(directory=tmp_path, watch=watch())

    assert here.succeeds("-c", "alias.try=!true", "try")
    assert not here.succeeds("-c", "alias.try=!false", "try")


def test_being_late_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(GitError, match=r"took longer than 0\.2 s"):
        Git(directory=tmp_path, watch=watch(total=0.2)).succeeds("-c", "alias.try=!sleep 30", "try")


def test_no_message_shows_a_secret(tmp_path: Path) -> None:
    here = Git(directory=tmp_path, watch=watch(), access=Access(secrets=("hunter2",)))

    with pytest.raises(GitError, match=r"fatal: \*\*\* of https://h/r"):
        here("-c", "alias.try=!echo 'fatal: hunter2 of https://ada:pw@h/r' >&2; false", "try")


def test_git_sees_only_what_it_needs_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "GIT_DIR",
        "GIT_SSH_COMMAND",
        "GIT_TRACE",
        "GIT_CONFIG_PARAMETERS",
        "LD_LIBRARY_PATH",
        "RUNNER_SECRET",
    ):
        monkeypatch.setenv(name, "/somewhere")
    monkeypatch.setenv("GIT_ASKPASS", "/bin/evil")
    monkeypatch.setenv("LC_ALL", "xx")
    monkeypatch.setenv("https_proxy", "http://proxy")

    seen = dict(line.partition("=")[::2] for line in _run(tmp_path, "env").splitlines() if "=" in line)

    assert "/somewhere" not in seen.values()
    assert (seen["GIT_ASKPASS"], seen["GIT_TERMINAL_PROMPT"], seen["LC_ALL"]) == ("", "0", "C")
    assert seen["https_proxy"] == "http://proxy"


def test_no_configuration_of_the_user_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".gitconfig").write_text("[alias]\n  mine = !true\n", encoding="ascii")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    with pytest.raises(GitError):
        Git(directory=tmp_path, watch=watch())("mine")


def test_a_repository_around_ours_does_not_count(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    Git(directory=tmp_path, watch=watch())("init", "--quiet")

    assert Git(directory=tmp_path, watch=watch()).succeeds("rev-parse", "--git-dir")
    assert not Git(directory=inner, watch=watch()).succeeds("rev-parse", "--git-dir")


def test_only_the_allowed_protocols_are_spoken(tmp_path: Path) -> None:
    with pytest.raises(GitError) as caught:
        Git(directory=tmp_path, watch=watch(), protocols=("https",))("ls-remote", "--", str(tmp_path))

    assert caught.value.cause is Cause.PROTOCOL


def test_what_git_writes_can_be_read_by_any_user(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        _run(tmp_path, f"touch {tmp_path}/file")
    finally:
        os.umask(before)

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("script", ["sleep 60", "trap '' TERM; sleep 60; sleep 60"])
def test_silence_on_the_network_ends_git_and_all_that_it_started(tmp_path: Path, script: str) -> None:
    begun = time.monotonic()

    with pytest.raises(GitError, match=r"nothing came for 0.3 s") as caught:
        _run(tmp_path, f"echo $$ >{tmp_path}/pid; {script}", network=True, by=watch(stall=0.3))

    assert caught.value.cause is Cause.STALL
    assert time.monotonic() - begun < 10
    assert _gone(tmp_path / "pid")


def test_whoever_goes_on_speaking_is_not_silent(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6; do sleep 0.2; echo $i >&2; done; echo done"

    assert _run(tmp_path, script, network=True, by=watch(stall=0.8)) == "done"


def test_work_on_this_machine_may_be_silent(tmp_path: Path) -> None:
    assert _run(tmp_path, "sleep 0.5; echo done", by=watch(stall=0.1)) == "done"


def test_what_is_not_wanted_any_more_ends(tmp_path: Path) -> None:
    file = tmp_path / "pid"

    with pytest.raises(UnwantedError):
        _run(tmp_path, f"echo $$ >{file}; sleep 60", by=watch(wanted=lambda: not file.exists()))

    assert _gone(file)


def test_nothing_starts_that_is_not_wanted(tmp_path: Path) -> None:
    with pytest.raises(UnwantedError):
        _run(tmp_path, f"touch {tmp_path}/started", by=watch(wanted=lambda: False))

    assert not (tmp_path / "started").exists()


def test_waiting_ends_when_it_is_not_wanted() -> None:
    begun = time.monotonic()

    with pytest.raises(UnwantedError):
        watch(wanted=lambda: time.monotonic() < begun + 0.2).sleep(30)

    assert time.monotonic() - begun < 5


def test_what_runs_on_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()

    assert _run(tmp_path, f"sleep 20 & echo $! >{tmp_path}/pid; echo done") == "done"

    os.kill(int((tmp_path / "pid").read_text(encoding="ascii")), 9)
    assert time.monotonic() - begun < 10


def test_a_lock_that_is_held_stays_held_by_git(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("wb") as lock:
        here = Git(directory=tmp_path, watch=watch(), held=(lock.fileno(),))
        assert here("-c", f"alias.try=!readlink /proc/$$/fd/{lock.fileno()}", "try") == lock.name


def test_without_the_git_command_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "git", None)

    with pytest.raises(WorkspaceError, match="without the git command"):
        require()


def test_a_git_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git.Git, "version_info", (2, 30, 9))

    with pytest.raises(WorkspaceError, match=r"git 2\.30\.9 is too old") as caught:
        require()

    assert caught.value.hint == "install git 2.31 or newer"


def test_the_git_of_this_machine_will_do() -> None:
    require()
