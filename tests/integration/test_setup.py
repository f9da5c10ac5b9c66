"""What sets a machine up: the engine and its packages. Engines that are started or killed here are private ones."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.private_engine import ENSURE_DOCKER, PrivateEngine, private_engine, run
from tests.support.scripts import SCRIPTS

pytestmark = pytest.mark.alone

NOBODY = 65534
ENSURE_PACKAGES = SCRIPTS / "ensure-packages"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[PrivateEngine]:
    with private_engine(tmp_path) as engine:
        yield engine
        if engine.answers():
            engine.end(signal.SIGKILL)  # it holds no container, and would take a second to end by itself


def test_an_engine_that_runs_is_found_in_less_than_a_tenth_of_a_second() -> None:
    seconds = []
    for _ in range(10):
        started = time.monotonic()
        assert run(ENSURE_DOCKER).returncode == 0
        seconds.append(time.monotonic() - started)

    assert min(seconds) < 0.1


def test_a_private_engine_leaves_the_network_of_the_machine_alone(engine: PrivateEngine) -> None:
    index = Path("/sys/class/net/docker0/ifindex")
    before = index.read_text()

    assert engine.ensure().returncode == 0

    assert index.read_text() == before, "the same bridge as before, not one made anew"


def test_an_engine_is_started_outlives_its_caller_and_is_not_started_twice(engine: PrivateEngine) -> None:
    done = engine.ensure()

    assert done.returncode == 0, done.stderr
    assert engine.answers()
    pid = int(engine.pidfile.read_text())
    assert os.getsid(pid) == pid, "dockerd leads a session of its own: no hang-up of a terminal reaches it"
    assert engine.ensure().returncode == 0
    assert int(engine.pidfile.read_text()) == pid


def test_an_engine_that_was_killed_is_started_again(engine: PrivateEngine) -> None:
    assert engine.ensure().returncode == 0
    engine.end(signal.SIGKILL)
    assert engine.pidfile.exists(), "a killed engine leaves its pid file"
    assert not engine.answers()

    done = engine.ensure()

    assert done.returncode == 0, done.stderr
    assert engine.answers()


def test_pid_files_that_name_a_process_of_somebody_else_do_not_stop_the_start(engine: PrivateEngine) -> None:
    with subprocess.Popen(["sleep", "100"]) as stranger:
        engine.containerd_pidfile.parent.mkdir(parents=True)
        engine.pidfile.write_text(str(stranger.pid))
        engine.containerd_pidfile.write_text(str(stranger.pid))

        done = engine.ensure()

        assert stranger.poll() is None, "the stranger is left alone"
        stranger.kill()
    assert done.returncode == 0, done.stderr
    assert engine.answers()


@pytest.mark.sampled
@pytest.mark.parametrize("content", ["", "not a number\n", "999999999\n"])
def test_pid_files_that_name_nobody_do_not_stop_the_start(engine: PrivateEngine, content: str) -> None:
    engine.pidfile.write_text(content)

    assert engine.ensure().returncode == 0
    assert engine.answers()


def test_an_engine_that_cannot_start_fails_at_once_with_the_end_of_its_log(engine: PrivateEngine) -> None:
    started = time.monotonic()
    done = engine.ensure(DOCKERD_ARGS="--no-such-option")

    assert done.returncode == 1
    assert "unknown flag: --no-such-option" in done.stderr
    assert str(engine.log) in done.stderr
    assert time.monotonic() - started < 10


def test_an_engine_that_does_not_serve_in_time_fails_with_the_end_of_its_log(engine: PrivateEngine) -> None:
    engine.log.write_text("what the engine said last\n")
    # A process is called what its file is called: this one is an engine that lives and never answers.
    (engine.folder / "dockerd").symlink_to("/bin/sleep")
    with subprocess.Popen([engine.folder / "dockerd", "100"]) as silent:
        engine.pidfile.write_text(str(silent.pid))
        done = engine.ensure(DOCKERD_WAIT="2")
        silent.kill()

    assert done.returncode == 1
    assert "what the engine said last" in done.stderr
    assert f"does not serve unix://{engine.folder}/d.sock" in done.stderr


def test_an_engine_elsewhere_is_only_looked_for(engine: PrivateEngine) -> None:
    done = engine.ensure(DOCKER_HOST="tcp://127.0.0.1:1")

    assert done.returncode == 1
    assert "no engine answers at DOCKER_HOST=tcp://127.0.0.1:1" in done.stderr
    assert not engine.pidfile.exists()


def test_without_root_it_says_what_root_must_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [ENSURE_DOCKER],
        env=os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "HOME": "/nonexistent"},
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "apt-get install docker.io" in done.stderr
    assert "usermod -aG docker" in done.stderr


def tools(folder: Path, *names: str) -> Path:
    """Make a folder that holds links to a few of this machine's programs, to stand for PATH."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(Path("/usr/bin") / name)
    return folder


def test_without_apt_it_names_what_to_install(tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", "bash", "env", "dirname", "timeout")

    done = run(ENSURE_DOCKER, PATH=str(path), DOCKER_HOST=f"unix://{tmp_path}/none.sock")

    assert done.returncode == 1
    assert "has no apt-get; install Docker Engine 20.10 or newer" in done.stderr


def test_packages_that_are_there_cost_nothing() -> None:
    started = time.monotonic()

    done = run(ENSURE_PACKAGES, "bash", "coreutils", "git")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - started < 1


APT = """#!/bin/sh
# Stands for apt-get on a machine without package lists: an install works only after an update.
echo "$*" >>"$CALLS"
case $1 in
  update) touch "$CALLS.lists" ;;
  install) [ -e "$CALLS.lists" ] || { echo "Unable to locate package" >&2; exit 100; } ;;
esac
[ "$1" != "$BROKEN" ]
"""


@pytest.fixture
def apt(tmp_path: Path) -> dict[str, str]:
    path = tools(tmp_path / "bin", "bash", "env", "dirname", "mktemp", "rm", "tail", "touch", "dpkg-query", "sh")
    (path / "apt-get").write_text(APT)
    (path / "apt-get").chmod(0o755)
    return {"PATH": str(path), "CALLS": str(tmp_path / "calls"), "BROKEN": ""}


def test_only_missing_packages_are_installed_and_absent_lists_are_fetched(apt: dict[str, str]) -> None:
    done = run(ENSURE_PACKAGES, "bash", "no-such-thing", **apt)

    assert done.returncode == 0
    assert done.stderr == "ensure-packages: installing no-such-thing\n"
    assert [call.split()[0] for call in Path(apt["CALLS"]).read_text().splitlines()] == ["install", "update", "install"]
    assert "bash" not in Path(apt["CALLS"]).read_text()


def test_a_package_that_cannot_be_had_is_an_error_with_what_apt_said(apt: dict[str, str]) -> None:
    done = run(ENSURE_PACKAGES, "no-such-thing", **(apt | {"BROKEN": "update"}))

    assert done.returncode == 1
    assert "Unable to locate package" in done.stderr
    assert "could not install no-such-thing" in done.stderr


def test_without_apt_the_missing_packages_are_named(tmp_path: Path) -> None:
    done = run(ENSURE_PACKAGES, "bash", "no-such-thing", PATH=str(tools(tmp_path / "bin", "bash", "env")))

    assert done.returncode == 1
    assert "install what Debian calls: bash no-such-thing" in done.stderr
