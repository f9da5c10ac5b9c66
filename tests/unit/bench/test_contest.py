"""All runners at the same work: in turn, with the lines that came, and without those that fail."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bench.contest import arrived, entries, prepared
from tests.bench.peers import Job, Peer
from tests.bench.pipelines import LINE
from tests.bench.running import BenchError, Finished, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(folder=tmp_path)


def a_peer(name: str, *jobs: Job) -> Peer:
    return Peer(name=name, commands={job: (name, job) for job in jobs or tuple(Job)}, files={"a.yml": {"image": name}})


class Stopwatch:
    """Runs nothing: each run takes as many seconds as there were runs before it, and prints ``text``."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.calls: list[tuple[str, ...]] = []
        self.failing: set[str] = set()

    def __call__(self, command: Sequence[str], place: Place) -> Finished:
        self.calls.append(tuple(command))
        if command[0] in self.failing:
            raise BenchError("exit 1\nno such image")
        printed = place.folder / "stdout"
        printed.write_text(self.text)
        return Finished(seconds=float(len(self.calls)), printed=printed)


def test_runners_take_turns_at_each_job(place: Place) -> None:
    watch = Stopwatch()

    found = list(entries([a_peer("a"), a_peer("b")], 2, place, watch))

    assert watch.calls == [(name, job) for job in Job for _ in range(2) for name in ("a", "b")]
    assert [(entry.job, entry.peer, entry.seconds) for entry in found[:3]] == [
        (Job.SEQUENTIAL, "a", (1.0, 3.0)),
        (Job.SEQUENTIAL, "b", (2.0, 4.0)),
        (Job.PARALLEL, "a", (5.0, 7.0)),
    ]


def test_a_runner_is_not_asked_for_what_it_cannot_do(place: Place) -> None:
    found = list(entries([a_peer("a", Job.LOG)], 1, place, Stopwatch()))

    assert [entry.job for entry in found] == [Job.LOG]


def test_a_runner_that_fails_is_told_and_not_asked_again_for_that_job(place: Place) -> None:
    watch = Stopwatch()
    watch.failing = {"bad"}

    found = list(entries([a_peer("bad"), a_peer("good")], 3, place, watch))

    assert [call[0] for call in watch.calls].count("bad") == len(Job)
    assert [entry.failure for entry in found] == ["exit 1\nno such image", ""] * 3
    assert [len(entry.seconds) for entry in found] == [0, 3] * 3


def test_lines_are_counted_for_the_log_only_and_the_fewest_count(place: Place) -> None:
    watch = Stopwatch(f"{LINE}\n" * 5)

    def less_each_time(command: Sequence[str], place: Place) -> Finished:
        if command[1] == Job.LOG:
            watch.text = watch.text[len(LINE) + 1 :]
        return watch(command, place)

    found = {entry.job: entry.lines for entry in entries([a_peer("a")], 2, place, less_each_time)}

    assert found == {Job.SEQUENTIAL: None, Job.PARALLEL: None, Job.LOG: 3}


def test_lines_count_behind_prefixes_but_not_in_traces_or_when_they_are_cut(tmp_path: Path) -> None:
    printed = tmp_path / "stdout"
    printed.write_text(
        f"{LINE}\n[log.yml/job0]   | {LINE}\nlog > {LINE}\r\n+ yes {LINE}\n$ yes $(printf '%099d' 7)\n{LINE[:-1]}\n\n"
    )

    assert arrived(printed) == 3


def test_each_runner_has_a_repository_of_its_own_with_its_files_in_a_commit(place: Place) -> None:
    here = prepared(a_peer("docker run"), place).folder

    asked = subprocess.run(
        ("git", "status", "--short", "--branch"), cwd=here, check=True, capture_output=True, text=True
    )
    assert asked.stdout == "## main\n"
    assert (here / "a.yml").read_text() == '{"image": "docker run"}'
    assert here.parent == place.folder / "peers"
