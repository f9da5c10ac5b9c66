"""Workspaces from their making to their end: found again after a crash, flattened, removed; and what they cost."""

import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from runner import naming
from runner.backends.docker.client import Engine
from runner.backends.docker.helper import Helpers
from runner.backends.docker.volumes import remove_volumes
from runner.errors import InfrastructureError, WorkspaceError
from runner.workspace import layers
from tests.support.workspaces import INSTANCE, SANDBOX, WAYS, Bench, bench, left_behind, workspaces


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    root.mkdir()
    (root / "one").write_text("source one\n")
    return root


def reborn(run: Bench, *, overlays: bool = True) -> Bench:
    """Return the same run in the hands of a process that knows nothing but its addresses."""
    again = workspaces(run.engine, overlays=overlays)
    again.open_run(run.run)
    return Bench(run.engine, again, run.run, below=run.below)


@pytest.mark.parametrize("overlays", WAYS)
def test_a_new_process_adopts_what_is_there(source: Path, *, overlays: bool) -> None:
    with bench(source, overlays=overlays) as run:
        run.stage("a", "echo a >one; echo a >../out")
        run.stage("b", "echo b >>one", ["a"])

        again = reborn(run)
        assert again.workspaces.copies(run.run.id) is not overlays
        assert again.open("b", ["a"]).mounts == run.mounts["b"]
        assert again.step("b", "cat one ../out") == "a\nb\na\n"
        assert again.stage("c", "cat one", ["a", "b"]) == "a\nb\n"
        again.workspaces.close()


def test_a_tree_of_which_only_a_part_was_made_is_completed(source: Path) -> None:
    with bench(source) as run:
        run.open("a")
        run.engine.api.remove_volume(naming.layer(run.address("a"), "w"))
        run.engine.api.remove_volume(naming.layer(run.address("a"), "ww"))

        assert run.stage("a", "cat one") == "source one\n"


def test_half_a_copy_is_thrown_away(source: Path) -> None:
    with bench(source, overlays=False) as run:
        run.stage("a", "echo stale >one")
        run.engine.api.remove_volume(naming.layer(run.address("a"), "wcd"))

        assert run.stage("a", "cat one") == "source one\n"


def test_a_volume_that_has_the_name_but_other_options_is_never_used(source: Path) -> None:
    with bench(source) as run:
        labels = naming.labels(INSTANCE, naming.Address("other"), "workspace")
        name = naming.layer(run.address("a"), "w")
        run.engine.api.create_volume(name, labels=labels)
        try:
            with pytest.raises(WorkspaceError, match="exists already"):
                run.open("a")
        finally:
            run.engine.api.remove_volume(name)


def test_an_engine_that_cannot_mount_overlays_gets_copies(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_WRITABLE", "no_such_option=on")
    with bench(source) as run:
        assert run.workspaces.copies(run.run.id)
        run.stage("a", "echo a >one")

        assert run.stage("b", "cat one", ["a"]) == "a\n"


def test_more_layers_than_a_mount_takes_are_flattened(source: Path) -> None:
    with bench(source) as run:
        names = [f"stage-{number}" for number in range(90)]
        for name in names:
            run.open(name)
        for name in (names[0], names[44], names[-1]):
            run.step(name, f"echo {name} >>one; touch {name}")
        run.step(names[50], "rm one")

        assert run.stage("last", "cat one; ls", names) == "source one\nstage-89\none\nstage-0\nstage-44\nstage-89\n"
        assert any(name.startswith(f"r{run.run.id}m") for name in left_behind(run.engine, run.run.id))


def test_a_flattened_stage_can_be_needed_and_exported(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "LIMIT", 500)
    with bench(source) as run:
        names: list[str] = []
        for number in range(8):
            run.stage(f"s{number}", f"echo {number} >>one; touch f{number}; rm -f f{number - 2}", names)
            names.append(f"s{number}")
        run.export(names, tmp_path / "target")

    assert (tmp_path / "target" / "one").read_text() == "source one\n" + "".join(f"{n}\n" for n in range(8))
    assert sorted(path.name for path in (tmp_path / "target").iterdir()) == ["f6", "f7", "one"]


def test_a_path_that_is_too_long_for_any_mount_is_an_error(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "LIMIT", 100)
    with pytest.raises(WorkspaceError, match="too long"), bench(source):
        pass


def test_a_run_that_is_still_in_use_is_left_whole_and_named_until_it_is_free(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.backends.docker.workspaces.remove_volumes", partial(remove_volumes, seconds=0.3))
    with bench(source) as run:
        run.open("a")
        with run.container("a", "true"):
            volume = naming.layer(run.address("a"), "w")
            before = [name for name in left_behind(run.engine, run.run.id) if name.endswith(("u", "w"))]
            with pytest.raises(InfrastructureError, match=f"left behind: {volume} .*in use"):
                run.workspaces.close_run(run.run, keep=False)

            assert set(before) <= set(left_behind(run.engine, run.run.id))


def test_a_kept_run_keeps_its_files(source: Path) -> None:
    with bench(source) as run:
        run.stage("a", "echo a >one")
        run.workspaces.close_run(run.run, keep=True)

        assert run.step("a", "cat one") == "a\n"


def test_closing_a_run_that_never_was_does_nothing(source: Path) -> None:
    made = workspaces(Engine())
    with bench(source) as run:
        made.close_run(run.run, keep=False)
        made.close_run(run.run, keep=False)
    made.close()


def test_a_stage_of_a_run_that_is_not_open_is_an_error(source: Path) -> None:
    with bench(source) as run:
        run.workspaces.close_run(run.run, keep=False)
        with pytest.raises(InfrastructureError, match="is not open"):
            run.open("a")


def test_helper_containers_of_a_process_that_died_are_removed(source: Path) -> None:
    with bench(source) as run:
        held = Helpers(run.engine, INSTANCE, SANDBOX).container(run.run.id, run.open("a").mounts, ("sleep", "100"))
        container = held.__enter__()  # and never left, as when the process is killed
        run.engine.api.start(container)

    assert left_behind(run.engine, run.run.id) == []
    held.__exit__(None, None, None)


@pytest.fixture
def many_files(tmp_path: Path) -> Path:
    root = tmp_path / "many"
    for directory in range(250):
        below = root / f"d{directory}"
        below.mkdir(parents=True)
        for number in range(200):
            (below / f"f{number}").write_bytes(b"x" * 100)
    return root


def test_a_workspace_over_fifty_thousand_files_costs_a_fraction_of_a_copy(many_files: Path, tmp_path: Path) -> None:
    begun = time.perf_counter()
    subprocess.run(["cp", "-a", many_files, tmp_path / "copy"], check=True)
    copied = time.perf_counter() - begun
    opens = []
    with bench(many_files) as run:
        for number in range(3):
            begun = time.perf_counter()
            run.open(f"stage{number}")
            opens.append(time.perf_counter() - begun)

        assert run.step("stage0", "find . -type f | wc -l") == "50000\n"
    ratio = statistics.median(opens) / copied
    sys.stdout.write(f"workspace {statistics.median(opens):.4f} s, ratio to cp -a {ratio:.4f}\n")
    assert ratio <= 0.05
