"""Stages that share one tree or have none, beside stages with a workspace of their own."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import pytest

from runner.engine.specs import SourceMode
from runner.naming import ORIGINS
from runner.plan.model import Workspace
from tests.support.workspaces import WAYS, WORKDIR, Bench, bench, workspaces

SHARED, NONE = Workspace.SHARED, Workspace.NONE


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "dir").mkdir(parents=True)
    (root / "one").write_text("source one\n")
    (root / "dir" / "file").write_text("source file\n")
    return root


@pytest.fixture
def run(source: Path) -> Iterator[Bench]:
    with bench(source) as made:
        yield made


@pytest.fixture(params=WAYS)
def either(request: pytest.FixtureRequest, source: Path) -> Iterator[Bench]:
    with bench(source, overlays=request.param, home=WORKDIR) as made:
        yield made


def test_shared_stages_work_in_one_tree_and_others_stand_on_what_it_was(either: Bench, tmp_path: Path) -> None:
    run = either
    run.open("a", workspace=SHARED)
    run.open("b", workspace=SHARED)
    run.step("a", "echo a >>one; mkdir build; echo a >build/a; rm -r dir")
    run.step("b", "cat build/a; echo b >build/b")

    run.open("own", ["a"])
    run.step("a", "cat build/b; echo late >>one; echo late >build/late; rm build/a")
    assert run.step("own", "cat one; find . -type f | sort; echo own >>one; echo own >build/own") == (
        "source one\na\n./build/a\n./build/b\n./one\n"
    )
    assert run.step("a", "cat one; ls build") == "source one\na\nlate\nb\nlate\n"

    run.export(["a", "own", "b"], tmp_path / "target")
    files = {str(path.relative_to(tmp_path / "target")) for path in (tmp_path / "target").rglob("*") if path.is_file()}
    assert files == {"one", "build/b", "build/late", "build/own"}
    assert (tmp_path / "target" / "one").read_text() == "source one\na\nown\n"


def test_a_later_stage_sees_the_shared_tree_as_it_is_by_then_below_what_stands_on_it(run: Bench) -> None:
    run.stage(ORIGINS, "echo key >../secret; mkdir out; echo low >out/low")
    run.stage("a", "cat ../secret out/low; echo a >>one", [ORIGINS], workspace=SHARED)
    run.stage("own", "cat ../secret one; echo own >>one; mkdir made; echo own >made/own", [ORIGINS, "a"])
    run.step("a", "echo late >>one; mkdir made; echo a >made/a; echo home >../home")

    assert run.stage("top", "cat ../home one; ls made out", [ORIGINS, "a", "own"]) == (
        "home\nsource one\na\nown\nmade:\na\nown\n\nout:\nlow\n"
    )


def test_what_the_shared_tree_and_a_stage_beside_it_both_changed_is_told(run: Bench) -> None:
    run.stage("own", "echo own >one")
    run.stage("a", "echo shared >one; echo shared >../home", workspace=SHARED)
    run.stage("above", "echo above >../home", ["a"])

    conflicts = run.open("top", ["own", "a", "above"]).conflicts

    assert [(c.path, c.earlier, c.later) for c in conflicts] == [("/vela/src/one", "own", "the shared workspace")]
    assert run.step("top", "cat one ../home") == "shared\nabove\n"


def test_a_shared_tree_goes_on_in_later_rounds_and_in_a_new_process(run: Bench) -> None:
    run.stage("a", "echo a >one; echo h >../home", workspace=SHARED)
    run.workspaces.freeze(run.address("a"))
    assert run.open("again", address=replace(run.address("a"), round=2), workspace=SHARED).mounts == run.mounts["a"]
    run.open("own", ["a"])
    run.step("a", "echo later >one; echo later >../home")

    made = workspaces(run.engine)
    made.open_run(run.run)
    again = Bench(run.engine, made, run.run, below=run.below)

    assert again.open("a", workspace=SHARED).mounts == run.mounts["a"]
    assert again.open("own", ["a"]).mounts == run.mounts["own"]
    assert again.step("own", "cat one ../home") == "a\nh\n"
    assert again.stage("next", "cat one ../home", ["a"]) == "later\nlater\n"
    made.close()


def test_stages_that_open_the_shared_tree_at_the_same_time_get_one(either: Bench) -> None:
    run = either
    start = Barrier(4)

    def open_one(name: str) -> None:
        start.wait()
        run.open(name, workspace=SHARED)

    threads = [Thread(target=open_one, args=(f"s{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(run.mounts[f"s{number}"] == run.mounts["s0"] for number in range(4))
    run.step("s0", "echo x >mine")
    assert run.step("s3", "cat mine") == "x\n"


def test_the_root_of_the_shared_tree_stays_open_to_whoever_it_was_opened_for(run: Bench, source: Path) -> None:
    run.open("a", users=("1000",), workspace=SHARED)
    run.step("a", "chmod 770 .; chown 1000 .", user="0")
    run.open("b", users=("0",), workspace=SHARED)

    run.step("a", "touch mine ../mine", user="1000")
    assert run.step("b", "stat -c '%a %u' .") == "770 1000\n"


def test_a_source_that_belongs_to_a_user_gives_the_shared_root_to_all_who_need_it(source: Path) -> None:
    for path in (source, *source.rglob("*")):
        os.chown(path, 1234, 1234)
    with bench(source) as run:
        run.open("a", users=("1000",), workspace=SHARED)
        run.open("b", workspace=SHARED)

        run.step("a", "touch mine", user="1000")
        assert run.step("b", "stat -c '%a %u' .") == "777 1234\n"


def test_a_stage_without_a_workspace_mounts_nothing_and_leaves_nothing(run: Bench) -> None:
    run.stage("a", "echo a >one")
    opened = run.open("none", ["a"], workspace=NONE)
    run.workspaces.freeze(run.address("none"))
    run.open("top", ["a", "none"])

    assert (opened.mounts, opened.files) == ((), None)
    assert run.step("none", "pwd; ls -A") == "/vela/src\n"
    assert run.step("top", "cat one") == "a\n"


def test_a_shared_tree_without_a_source_is_shared_too() -> None:
    with bench(None) as run:
        run.stage("a", "echo a >one; echo h >../home", workspace=SHARED)
        run.stage("own", "cat ../home; echo own >>one", ["a"])
        run.step("a", "echo late >late")

        assert run.stage("top", "cat one late", ["a", "own"]) == "a\nown\nlate\n"


def test_a_bound_source_is_what_shared_stages_mount_too(source: Path) -> None:
    with bench(source, SourceMode.BIND) as run:
        run.stage("a", "echo a >>one; echo h >../home", workspace=SHARED)
        run.open("b", workspace=SHARED)
        run.open("own", ["a"])

        assert run.step("b", "cat ../home") == "h\n"
        assert run.step("own", "cat one ../home; echo own >../home") == "source one\na\nh\n"
        assert run.step("a", "cat ../home") == "h\n"
        assert (source / "one").read_text() == "source one\na\n"
