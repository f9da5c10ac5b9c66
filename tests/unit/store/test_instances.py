import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.errors import InfrastructureError
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
