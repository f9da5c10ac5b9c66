"""Runs that are over and whose volumes were kept: opened again, stood on by others, and what happens without them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from docker import APIClient
from docker.errors import APIError

from runner import naming
from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.sweep import Sweep
from runner.engine.specs import Release, RunSpec, Source, StageSpec, StepSpec
from runner.errors import InfrastructureError, WorkspaceError
from runner.naming import Address, new_run_id
from runner.plan.model import Workspace
from runner.settings import DockerSettings
from tests.support.attempts import BUSYBOX, Recorder, wait_for
from tests.support.backends import Desk, DockerPlace

DEFAULT, NET_RAW, MKNOD = 0xA80425FB, 1 << 13, 1 << 27
"""The capabilities that Docker gives to a container, and two of them."""

WAYS = (pytest.param(True, id="overlay"), pytest.param(False, id="copy", marks=pytest.mark.sampled))


class Place(DockerPlace):
    """An engine on which a daemon works."""

    def __init__(self, *, overlays: bool) -> None:
        super().__init__()
        self._settings = DockerSettings().of_daemon()
        self._overlays = overlays

    def client(self) -> DockerBackend:
        """Return a new process."""
        client = DockerBackend(self._engine, self._settings, self._instance, overlays=self._overlays)
        self._clients.append(client)
        return client


@pytest.fixture(scope="module", params=WAYS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    found = Place(overlays=request.param)
    yield found
    found.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    (tmp_path / "given").write_text("source\n", encoding="utf-8")
    return tmp_path


class Run:
    """One run, each of whose stages has one step."""

    def __init__(self, place: Place, source: Path) -> None:
        self.backend = place.client()
        self.spec = RunSpec(id=new_run_id(), home="/vela", workdir="/vela/src", source=Source(path=source))
        self.backend.open_run(self.spec)

    def at(self, stage: str) -> Address:
        return Address(self.spec.id, stage)

    def open(self, stage: str, *layers: Address, workspace: Workspace = Workspace.OWN) -> Address:
        self.backend.open_stage(StageSpec(address=self.at(stage), layers=layers, workspace=workspace), lambda _: None)
        return self.at(stage)

    def step(self, stage: Address, script: str) -> str:
        """Run a script, and return what it printed; it must succeed."""
        recorder = Recorder()
        address = replace(stage, step=f"step-{new_run_id()}")
        self.backend.prepare(StepSpec(address=address, image=BUSYBOX, commands=(script,)))
        self.backend.follow(address, recorder, recorder.wake)
        self.backend.release(address, Release())
        while (ending := self.backend.conclude(address)) is None:
            assert recorder.woken.wait(30)
            recorder.woken.clear()
        self.backend.discard(address)
        assert ending.exit_code == 0, (ending, recorder.out, recorder.err)
        return recorder.out.decode().partition("\n")[2]

    def stage(self, name: str, script: str, *layers: Address, workspace: Workspace = Workspace.OWN) -> str:
        stage = self.open(name, *layers, workspace=workspace)
        printed = self.step(stage, script)
        self.backend.close_stage(stage, needed=True)
        return printed

    def close(self, *, keep: bool = False) -> None:
        self.backend.close_run(self.spec, keep=keep)


@contextmanager
def kept(place: Place, source: Path) -> Iterator[Run]:
    """Let a run have been, with two stages, the second of which stands on the first."""
    run = Run(place, source)
    run.stage("one", "set_env key value; echo 1 >a; rm given; mkdir both; touch both/one")
    run.stage("two", "echo 2 >b; touch both/two", run.at("one"))
    run.close(keep=True)
    yield run
    run.close()
    assert place.left(run.spec.id) == ()


def removed(api: APIClient, volume: str) -> bool:
    """Remove a volume, unless a container on its way out holds it still."""
    try:
        api.remove_volume(volume)
    except APIError:
        return False
    return True


def kinds(place: Place, run: Run) -> set[str]:
    return {remnant.split()[0] for remnant in place.left(run.spec.id)}


def test_a_person_finds_a_kept_stage_as_it_was_left_and_may_write_there(place: Place, source: Path) -> None:
    with kept(place, source) as run:
        before = place.left(run.spec.id)
        run.backend.open_run(run.spec)
        stage = run.open("two", run.at("one"))
        keys, typing = os.pipe()
        os.write(typing, b"cat a b; ls given; get_env key; echo by hand >c; exit\n")
        desk = Desk(keys)
        spec = StepSpec(address=replace(stage, step="x"), image=BUSYBOX, commands=("true",))
        run.backend.shell(spec, Release(), desk)
        os.close(keys)
        os.close(typing)
        run.backend.close_stage(stage, needed=False)
        run.close(keep=True)

        assert b"1\r\n2\r\n" in desk.shown
        assert b"No such file" in desk.shown
        assert b"value\r\n" in desk.shown
        assert sorted(place.left(run.spec.id)) == sorted(before)
        assert kinds(place, run) == {"volume"}
        run.backend.open_run(run.spec)
        assert run.step(run.open("two", run.at("one")), "cat c") == "by hand\n"


def test_a_rerun_stands_on_the_layers_of_the_run_before_and_leaves_them_as_they_are(place: Place, source: Path) -> None:
    with kept(place, source) as old:
        run = Run(place, source)
        look = "cat a b; ls both; test ! -e given; echo 3 >a"
        assert run.stage("three", look, old.at("one"), old.at("two")) == "1\n2\none\ntwo\n"
        assert run.stage("four", "cat a b", old.at("one"), old.at("two"), run.at("three")) == "3\n2\n"
        target = source / "exported"
        target.mkdir()
        run.backend.export(run.spec, (old.at("one"), old.at("two"), run.at("three")), target, wanted=lambda: True)
        run.close()

        assert {path.name: path.read_text() for path in target.iterdir() if path.is_file()} == {"a": "3\n", "b": "2\n"}
        assert place.left(run.spec.id) == ()
        assert kinds(place, old) == {"volume"}
        again = Run(place, source)
        assert again.stage("three", "cat a b", old.at("one"), old.at("two")) == "1\n2\n"
        again.close()


def test_layers_of_two_runs_that_do_not_stand_on_each_other_are_merged_with_their_conflicts(
    place: Place, source: Path
) -> None:
    with kept(place, source) as old:
        run = Run(place, source)
        run.stage("side", "echo other >a; mkdir both; touch both/side")
        address, layers = run.at("over"), (old.at("one"), run.at("side"))
        run.backend.open_stage(StageSpec(address=address, layers=layers, beside=(layers,)), lambda _: None)

        assert run.step(address, "cat a; ls both") == "other\none\nside\n"
        conflicts = run.backend.close_stage(address, needed=False)
        assert [(conflict.path, conflict.earlier, conflict.later) for conflict in conflicts] == [
            ("/vela/src/a", "one", "side")
        ]
        run.close()


def test_a_rerun_stands_on_the_shared_tree_of_the_run_before(place: Place, source: Path) -> None:
    old = Run(place, source)
    old.stage("one", "echo 1 >a", workspace=Workspace.SHARED)
    old.stage("two", "echo 2 >b", workspace=Workspace.SHARED)
    old.close(keep=True)
    run = Run(place, source)

    assert run.stage("own", "cat a b", old.at("one")) == "1\n2\n"
    assert run.stage("shared", "cat a b; echo 3 >c", old.at("one"), workspace=Workspace.SHARED) == "1\n2\n"
    assert run.stage("next", "cat c", workspace=Workspace.SHARED) == "3\n"
    run.close()
    old.close()
    assert place.left(old.spec.id) == ()


def test_a_layer_that_was_removed_from_outside_is_missed(place: Place, source: Path) -> None:
    with kept(place, source) as old:
        run = Run(place, source)
        run.stage("first", "true")
        api = place._engine.api
        for at in (old.at("one"), run.at("first")):
            prefix = naming.layer(at, "w")
            names = [name for name in (line.split()[1] for line in place.left(at.run)) if name.startswith(prefix)]
            for name in sorted(names, key=lambda name: name != prefix):
                wait_for(lambda name=name: removed(api, name))  # type: ignore[misc]  # mypy cannot infer it
            with pytest.raises(WorkspaceError, match=f"what stage {at.stage} of run {at.run} has left is not there"):
                run.open("over", at)
        run.close()


def test_a_volume_that_is_removed_under_an_open_stage_is_not_replaced_by_an_empty_one(
    place: Place, source: Path
) -> None:
    run = Run(place, source)
    stage = run.open("one")
    run.step(stage, "echo 1 >a")
    home = naming.layer(stage, "h")
    name = next(line.split()[1] for line in place.left(run.spec.id) if line.split()[1] in (home + "u", home + "c"))
    wait_for(lambda: removed(place._engine.api, name))

    with pytest.raises(InfrastructureError, match="a-volume-that-was-removed-from-outside"):
        run.step(stage, "cat a")
    run.close()
    assert place.left(run.spec.id) == ()


def test_sizes_of_what_is_kept_are_told_by_run(place: Place, source: Path) -> None:
    run = Run(place, source)
    run.stage("big", "head -c 3000000 /dev/zero >zeros")
    run.close(keep=True)
    sizes = Sweep(place._engine).volumes_of(place._instance.id)

    assert 3_000_000 <= sizes[run.spec.id] < 4_000_000
    run.close()


def test_the_steps_of_a_daemon_gain_nothing_and_have_no_raw_sockets(place: Place, source: Path) -> None:
    run = Run(place, source)
    stage = run.open("one")

    found = run.step(stage, "grep -E 'NoNewPrivs|CapBnd' /proc/self/status")
    assert found == f"CapBnd:\t{DEFAULT & ~NET_RAW & ~MKNOD:016x}\nNoNewPrivs:\t1\n"
    run.close()
