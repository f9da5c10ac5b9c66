"""The other runners as data: the files that their commands name are there, and the work in them is the same."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from runner.dialects.text import to_plan
from runner.plan.trigger import Trigger
from tests.bench.peers import DOCKER, OURS, PEERS, Job, Peer, found
from tests.bench.pipelines import LINE


def words(value: object) -> Iterator[str]:
    """Yield every string in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from words(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from words(item)


@pytest.mark.parametrize("peer", [OURS, *PEERS], ids=lambda peer: peer.name)
def test_the_file_of_each_job_is_written(peer: Peer) -> None:
    for job, command in peer.commands.items():
        assert set(command) & set(peer.files), job


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_all_use_the_image_that_is_there_and_the_same_commands(peer: Peer) -> None:
    expected = {Job.SEQUENTIAL: "true", Job.PARALLEL: "true", Job.LOG: "head -n 1000000"}
    for job, command in peer.commands.items():
        (name,) = set(command) & set(peer.files)
        said = list(words(peer.files[name]))
        assert sum(expected[job] in word for word in said) == (1 if job is Job.LOG else 10) or peer.name == "act"
        assert any("busybox:local" in word for word in (*said, *command))


def test_act_has_ten_steps_of_an_image_of_their_own_or_ten_jobs() -> None:
    (act,) = (peer for peer in PEERS if peer.name == "act")

    assert json.dumps(act.files["sequential.yml"]).count("docker://busybox:local") == 10
    assert json.dumps(act.files["parallel.yml"]).count('"run": "true"') == 10


def test_no_runner_finds_the_line_in_the_text_of_its_script() -> None:
    for peer in (OURS, *PEERS):
        assert LINE not in json.dumps(peer.files), peer.name


def test_our_files_are_pipelines_of_as_many_steps() -> None:
    counts = {}
    for name, document in OURS.files.items():
        plan = to_plan(json.dumps(document).encode(), name, Trigger(), strict=True)
        counts[name] = [len(stage.steps) for stage in plan.stages]

    assert counts == {"sequential.yml": [10], "parallel.yml": [1] * 10, "log.yml": [1]}


def test_plain_docker_does_every_job() -> None:
    assert set(DOCKER.commands) == set(Job) == set(OURS.commands)


def test_those_are_found_whose_program_is_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gcil", "drone"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.fspath(tmp_path))

    assert [peer.name for peer in found()] == ["gitlabci-local", "drone"]
