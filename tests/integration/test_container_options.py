"""What a step may ask of its container beside its image: on the real engine, by what the step sees."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.engine.backend import Ending
from runner.errors import InfrastructureError
from runner.plan.model import Bind, Limits, Ulimit
from tests.support.attempts import DEBIAN, Stand, build_images

MEBI = 1 << 20


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    build_images()
    with Stand() as found:
        yield found


def written(stand: Stand, *commands: str, **options: object) -> list[str]:
    """Return what a step writes that may not fail, without the traces."""
    ending, recorder = stand.run_through(stand.step(*commands, **options))
    assert ending == Ending(exit_code=0), recorder.err
    return [line for line in recorder.out.decode().splitlines() if not line.startswith("$ ")]


@pytest.mark.parametrize(("given", "seen"), [("/deep/down", "/deep/down"), ("web/app", "/workspace/web/app")])
def test_a_step_begins_in_its_working_directory_which_is_made(stand: Stand, given: str, seen: str) -> None:
    assert written(stand, "pwd; ls -A", working_dir=given) == [seen]


def test_limits_are_those_of_the_kernel(stand: Stand) -> None:
    files = "memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max"
    limits = Limits(cpus=0.5, memory=64 * MEBI, pids=33)
    unified = "cat memory.max cpu.max pids.max | cut -d ' ' -f 1"
    seen = written(stand, f"cd /sys/fs/cgroup && if [ -e memory ]; then cat {files}; else {unified}; fi", limits=limits)

    assert seen == [str(64 * MEBI), "50000", "33"]


def test_a_step_that_is_killed_by_its_memory_limit_says_so(stand: Stand) -> None:
    greedy = "exec perl -e '$x = \"a\" x 200_000_000; print length $x'"
    spec = stand.step(greedy, image=DEBIAN, limits=Limits(memory=32 * MEBI))
    ending, _ = stand.run_through(spec)

    assert ending == Ending(exit_code=137, reason="it reached its memory limit of 32 MiB")


def test_a_limit_that_the_engine_does_not_take_is_its_sentence(stand: Stand) -> None:
    with pytest.raises(InfrastructureError, match="Minimum memory limit"):
        stand.prepare(stand.step("true", limits=Limits(memory=1000)))


def test_ulimits_are_those_of_the_shell(stand: Stand) -> None:
    limit = Ulimit(name="nofile", soft=123, hard=456)

    assert written(stand, "ulimit -Sn; ulimit -Hn", ulimits=(limit,)) == ["123", "456"]


def test_a_path_of_the_host_is_seen_and_written_only_if_it_may_be(stand: Stand, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the host\n")
    volumes = (
        Bind(source=str(tmp_path), target="/look"),
        Bind(source=str(tmp_path), target="/touch", read_only=False),
    )
    seen = written(stand, "cat /look/file", "touch /look/new 2>&1 || echo refused; touch /touch/made", volumes=volumes)

    assert (seen[0], seen[-1]) == ("of the host", "refused")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "made"]


def test_a_path_that_the_host_does_not_have_is_an_error_and_is_not_made(stand: Stand, tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    with pytest.raises(InfrastructureError, match=f"bind source path does not exist: {missing}"):
        stand.prepare(stand.step("true", volumes=(Bind(source=str(missing), target="/x"),)))
    assert not missing.exists()
