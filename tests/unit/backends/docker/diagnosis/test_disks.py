import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.backends.docker.diagnosis.check import Verdict
from runner.backends.docker.diagnosis.disks import engine_room, reclaimable, room
from tests.support.stub_engine import StubEngine, answer, refuse, silence, stub_engine

MIB, GIB = 1024**2, 1024**3


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as engine:
        yield engine


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Be a disk, with room as the test says."""
    found = SimpleNamespace(f_bavail=3 * GIB // 4096, f_frsize=4096, f_favail=1_000_000, f_files=2_000_000)
    monkeypatch.setattr(os, "statvfs", lambda _: found)
    return found


def test_a_disk_with_room_is_well(disk: SimpleNamespace, tmp_path: Path) -> None:
    check = room("disk", tmp_path, "free some")

    assert (check.verdict, check.found) == (Verdict.OK, f"3.0 GiB free at {tmp_path}, 1,000,000 inodes")


def test_a_directory_that_is_not_there_yet_is_on_the_disk_of_the_one_above(tmp_path: Path) -> None:
    assert f" free at {tmp_path}" in room("disk", tmp_path / "not" / "yet", "free some").found


@pytest.mark.parametrize(
    ("free", "files", "verdict"),
    [
        (2 * GIB, 50_000, Verdict.OK),
        (2 * GIB - 4096, 50_000, Verdict.NOTE),
        (2 * GIB, 49_999, Verdict.NOTE),
        (256 * MIB, 1_000, Verdict.NOTE),
        (256 * MIB - 4096, 50_000, Verdict.BAD),
        (2 * GIB, 999, Verdict.BAD),
    ],
)
def test_a_disk_is_weak_when_bytes_or_inodes_run_out_and_bad_when_they_have(
    free: int, files: int, verdict: Verdict, disk: SimpleNamespace, tmp_path: Path
) -> None:
    disk.f_bavail, disk.f_favail = free // 4096, files

    check = room("disk", tmp_path, "free some")

    assert check.verdict is verdict
    assert check.advice == ("" if verdict is Verdict.OK else "free some")


def test_a_file_system_that_counts_no_inodes_has_enough(disk: SimpleNamespace, tmp_path: Path) -> None:
    disk.f_files = disk.f_favail = 0

    check = room("disk", tmp_path, "free some")

    assert (check.verdict, check.found) == (Verdict.OK, f"3.0 GiB free at {tmp_path}")


def test_a_disk_that_cannot_be_asked_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "statvfs", broken)

    check = room("disk", tmp_path, "mend it")

    assert (check.verdict, check.found) == (Verdict.BAD, f"{tmp_path}: Input/output error")


def test_the_engines_disk_is_looked_at_only_on_this_machine(tmp_path: Path) -> None:
    here, gone, away = (
        engine_room(root, near=near).found
        for root, near in ((str(tmp_path), True), (f"{tmp_path}/none", True), (str(tmp_path), False))
    )

    assert f" free at {tmp_path}" in here
    assert gone == f"{tmp_path}/none is not on this machine, so not looked at"
    assert away == f"{tmp_path} is not on this machine, so not looked at"


OLD: dict[str, Any] = {
    "LayersSize": 10 * MIB,
    "Images": [
        {"Containers": 1, "Size": 6 * MIB, "SharedSize": 2 * MIB},
        {"Containers": 0, "Size": 8 * MIB, "SharedSize": 2 * MIB},
        {"Containers": 2, "Size": 1 * MIB, "SharedSize": -1},
    ],
    "Volumes": [
        {"UsageData": {"RefCount": 0, "Size": 3 * MIB}},
        {"UsageData": {"RefCount": 1, "Size": 9 * MIB}},
        {"UsageData": {"RefCount": 0, "Size": -1}},
        {"UsageData": None},
    ],
    "BuildCache": [
        {"InUse": False, "Shared": False, "Size": 7 * MIB},
        {"InUse": True, "Shared": False, "Size": 9 * MIB},
        {"InUse": False, "Shared": True, "Size": 9 * MIB},
    ],
}
NEW = {
    "ImageUsage": {"TotalCount": 3, "Reclaimable": 5 * MIB},
    "VolumeUsage": {"Reclaimable": 3 * MIB},
    "BuildCacheUsage": {"Reclaimable": 7 * MIB},
    "ContainerUsage": {},
}


@pytest.mark.parametrize("usage", [OLD, NEW, {**OLD, **NEW}], ids=["before API 1.52", "since 1.53", "API 1.52"])
def test_what_is_in_no_use_is_counted_as_docker_does(usage: dict[str, Any], stub: StubEngine) -> None:
    stub.script["/system/df"] = [answer(usage)]

    check = reclaimable(stub.engine())

    assert check.verdict is Verdict.OK
    assert check.found.startswith("images 5.0 MiB, volumes 3.0 MiB, build cache 7.0 MiB in no use; ")


@pytest.mark.parametrize("usage", [{}, {"Images": None, "LayersSize": 0}, {"ImageUsage": {}, "VolumeUsage": None}])
def test_an_engine_without_anything_has_nothing_to_free(usage: dict[str, Any], stub: StubEngine) -> None:
    stub.script["/system/df"] = [answer(usage)]

    assert reclaimable(stub.engine()).found == "nothing: all there is, is in use"


def test_an_engine_that_has_to_count_for_long_is_not_waited_for(stub: StubEngine) -> None:
    stub.script["/system/df"] = [silence]
    begun = time.monotonic()

    check = reclaimable(stub.engine())

    assert time.monotonic() - begun < 3
    assert check.verdict is Verdict.OK
    assert check.found == "not known: asking for the disk usage: the engine did not answer in time"


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (refuse(500, "a disk usage operation is already running"), "a disk usage operation is already running"),
        (answer({"Images": [{"Size": 1}]}), "makes no sense (KeyError: 'Containers')"),
        (answer([]), "makes no sense (AttributeError"),
    ],
)
def test_an_engine_that_does_not_tell_is_no_trouble(behaviour: Any, why: str, stub: StubEngine) -> None:  # noqa: ANN401
    stub.script["/system/df"] = [behaviour]

    check = reclaimable(stub.engine())

    assert check.verdict is Verdict.OK
    assert why in check.found
