import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.errors import DaemonRunningError, ExitCode, InfrastructureError
from runner.store import instances

OTHER_PROCESS = """
import sys
from pathlib import Path
from runner.store import instances

with instances.live(Path(sys.argv[1]), "exec") as instance:
    if sys.argv[2:]:
        instances.keep(instance)
    print(instance.lock, flush=True)
    sys.stdin.read()
"""


OTHER_DAEMON = """
import sys
from pathlib import Path
from runner.store import instances

with instances.daemon(Path(sys.argv[1])) as daemon:
    print(daemon.id, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def masked() -> Iterator[None]:
    """Give the process its umask back."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@contextmanager
def _other_process(state: Path, *keep: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Let another process be an instance; yield it and its lock."""
    command = [sys.executable, "-c", OTHER_PROCESS, str(state), *keep]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().decode().strip()
        process.kill()


def test_an_instance_tells_what_it_is(tmp_path: Path) -> None:
    with instances.live(tmp_path, instances.KIND_EXEC) as instance:
        assert (instance.kind, instance.host, instance.owner) == ("exec", socket.gethostname(), str(os.getuid()))
        assert Path(instance.lock) == tmp_path / "instances" / f"{instance.id}.lock"


def test_the_lock_is_an_absolute_path_and_nobody_elses_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with instances.live(Path("state"), instances.KIND_EXEC) as instance:
        lock = Path(instance.lock)
        assert lock.is_absolute()
        assert lock.stat().st_mode & 0o777 == 0o600
        assert lock.parent.stat().st_mode & 0o777 == 0o700


def test_two_instances_of_one_process_are_two(tmp_path: Path) -> None:
    with instances.live(tmp_path, "exec") as one, instances.live(tmp_path, "exec") as two:
        assert one.id != two.id
        assert not instances.dead(one.lock)
        assert not instances.dead(two.lock)


def test_an_instance_lives_until_its_end_and_leaves_no_file(tmp_path: Path) -> None:
    with instances.live(tmp_path, "exec") as instance:
        assert not instances.dead(instance.lock)

    assert instances.dead(instance.lock)
    assert list((tmp_path / "instances").iterdir()) == []


def test_an_instance_that_ends_by_an_error_is_dead(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broken") as caught, instances.live(tmp_path, "exec") as instance:
        raise RuntimeError("broken", instance.lock)

    assert instances.dead(caught.value.args[1])


def test_to_ask_whether_it_lives_does_not_kill_it(tmp_path: Path) -> None:
    with instances.live(tmp_path, "exec") as instance:
        assert [instances.dead(instance.lock) for _ in range(3)] == [False, False, False]


def test_another_process_lives_until_it_is_killed(tmp_path: Path) -> None:
    with _other_process(tmp_path) as (process, lock):
        assert not instances.dead(lock)

        process.send_signal(signal.SIGKILL)
        process.wait()

        assert Path(lock).exists()
        assert instances.dead(lock)


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    with instances.live(tmp_path, "exec") as instance:
        listing = subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, check=True)

    assert b"/dev/null" in listing.stdout or b"pipe:" in listing.stdout
    assert instance.lock.encode() not in listing.stdout


def test_without_a_path_nothing_is_known_and_it_counts_as_alive() -> None:
    assert not instances.dead("")


@pytest.mark.parametrize("what", ["directory", "below a file", "loop"])
def test_a_label_that_names_no_lock_of_ours_counts_as_alive(tmp_path: Path, what: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    path = {"directory": tmp_path, "below a file": tmp_path / "file" / "lock", "loop": tmp_path / "loop"}[what]

    assert not instances.dead(str(path))


def test_an_instance_that_keeps_something_leaves_a_note_of_it(tmp_path: Path) -> None:
    with instances.live(tmp_path, "exec") as instance:
        assert not instances.keeps(instance.lock)
        instances.keep(instance)
        assert instances.keeps(instance.lock)
        assert not instances.dead(instance.lock), "the note must not give up the lock"

    assert instances.dead(instance.lock)
    assert instances.keeps(instance.lock)


def test_the_note_survives_kill_9(tmp_path: Path) -> None:
    with _other_process(tmp_path, "keep") as (process, lock):
        process.send_signal(signal.SIGKILL)
        process.wait()

        assert instances.dead(lock)
        assert instances.keeps(lock)


def test_what_has_been_forgotten_is_dead_and_keeps_nothing(tmp_path: Path) -> None:
    with instances.live(tmp_path, "exec") as instance:
        instances.keep(instance)

    instances.forget(instance.lock)
    instances.forget(instance.lock)

    assert instances.dead(instance.lock)
    assert not instances.keeps(instance.lock)
    assert not Path(instance.lock).exists()


def test_a_state_directory_that_cannot_be_written_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "instances").touch()

    with (
        pytest.raises(InfrastructureError, match=f"cannot lock {tmp_path}/instances/.*") as caught,
        instances.live(tmp_path, "exec"),
    ):
        pass

    assert caught.value.hint == "RUNNER_STATE_DIR names another place"


def test_a_note_that_cannot_be_written_is_the_machines_trouble(tmp_path: Path) -> None:
    with instances.live(tmp_path, "exec") as instance:
        Path(instance.lock).unlink()
        Path(instance.lock).mkdir()
        with pytest.raises(InfrastructureError, match=f"cannot write {instance.lock}: Is a directory"):
            instances.keep(instance)
        Path(instance.lock).rmdir()


@pytest.mark.parametrize("name", ["/home/me/thesis.txt", "/home/me/instances/notes", "/etc/passwd", ""])
def test_a_label_that_names_no_lock_file_of_ours_is_no_sign_of_death(name: str) -> None:
    assert not instances.dead(name)


@pytest.mark.usefixtures("masked")
def test_a_daemon_is_the_same_instance_each_time_and_another_directory_is_another(tmp_path: Path) -> None:
    with instances.daemon(tmp_path / "data") as first:
        assert (first.kind, first.host, first.owner) == ("daemon", socket.gethostname(), str(os.getuid()))
        assert first.lock == str(tmp_path / "data" / "lock")
    with instances.daemon(tmp_path / "data") as again, instances.daemon(tmp_path / "other") as other:
        assert again == first
        assert other.id != first.id


@pytest.mark.usefixtures("masked")
def test_what_a_daemon_makes_is_nobody_elses_business(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    with instances.daemon(data):
        (data / "later").touch()

    assert [path.stat().st_mode & 0o077 for path in (data, *data.iterdir())] == [0, 0, 0, 0]


@pytest.mark.usefixtures("masked")
def test_a_second_daemon_of_a_directory_is_told_which_process_has_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OTHER_DAEMON, str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        name = process.stdout.readline().decode().strip()
        for make in (True, False):
            with (
                pytest.raises(DaemonRunningError, match=rf"\(process {process.pid}\)") as caught,
                instances.daemon(tmp_path / "data", make=make),
            ):
                pass
            assert caught.value.exit_code is ExitCode.INFRASTRUCTURE
            assert "RUNNER_DATA_DIR" in caught.value.hint
        process.send_signal(signal.SIGKILL)

    with instances.daemon(tmp_path / "data") as successor:
        assert successor.id == name


@pytest.mark.usefixtures("masked")
@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_data_directory_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with (
        pytest.raises(InfrastructureError, match="can be written by other users") as caught,
        instances.daemon(tmp_path),
    ):
        pass
    tmp_path.chmod(0o700)

    assert caught.value.hint == f"chmod go-w {tmp_path}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("masked")
def test_a_data_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(InfrastructureError, match="belongs to another user"), instances.daemon(tmp_path):
        pass


@pytest.mark.usefixtures("masked")
@pytest.mark.parametrize("content", ["", "not a name", "0123456789ab0"])
def test_a_name_that_is_none_is_refused_and_not_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "instance").write_text(content)
    with pytest.raises(InfrastructureError, match="does not hold the name"), instances.daemon(tmp_path):
        pass

    assert (tmp_path / "instance").read_text() == content


@pytest.mark.usefixtures("masked")
def test_nothing_is_made_for_somebody_who_only_looks(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for data in (tmp_path / "missing", tmp_path, tmp_path / "file"):
        with pytest.raises(InfrastructureError), instances.daemon(data, make=False):
            pass

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("masked")
def test_a_daemons_lock_is_no_sign_of_death_for_exec(tmp_path: Path) -> None:
    with instances.daemon(tmp_path / "data") as daemon:
        pass

    assert not instances.dead(daemon.lock)
