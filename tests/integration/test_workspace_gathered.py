"""What the branches of a fork have changed, as a stage behind it sees it: by overlay and by copy."""

import time
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from docker.types import Mount

from runner import naming
from runner.engine.specs import Gathered, SourceMode
from runner.errors import WorkspaceError
from runner.plan.model import Workspace
from tests.support.workspaces import WAYS, WORKDIR, Bench, bench, workspaces

MANY = 200


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    for name in ("dir/deep/file", "dist/old", "dist/sub/old", "build/new", "build/sub/new"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"source {name}\n")
    (root / "one").write_text("source one\n")
    return root


@pytest.fixture(params=WAYS)
def run(request: pytest.FixtureRequest, source: Path) -> Iterator[Bench]:
    with bench(source, overlays=request.param, home=WORKDIR) as made:
        yield made


@pytest.fixture
def overlaid(source: Path) -> Iterator[Bench]:
    with bench(source, home=WORKDIR) as made:
        yield made


def gathered(run: Bench, path: str, *names: str) -> Gathered:
    return Gathered(path=path, layers=tuple(map(run.address, names)))


def show(run: Bench, name: str, path: str = ".") -> list[str]:
    """Return the paths below a directory, those of directories with a slash."""
    script = f"cd {path}; find . -mindepth 1 -type d -exec echo {{}}/ \\;; find . -mindepth 1 ! -type d"
    return sorted(line.removeprefix("./") for line in run.step(name, script).splitlines())


def test_each_branch_has_a_directory_with_what_it_has_changed_and_not_what_it_deleted(run: Bench) -> None:
    run.stage("below", "echo below >below; echo below >one")
    run.stage("e0", "echo 0 >one; echo 0 >dir/deep/mine; rm dist/old; mkdir -p out; echo 0 >out/0", ["below"])
    run.stage("e1", "echo 1 >one; rm -r dir; ln -s one link; mkdir out; echo 1 >out/0", ["below"])
    run.stage("e2", ":", ["below"])

    branches = tuple(gathered(run, f"branches/each/{number}", f"e{number}") for number in range(3))
    run.open("join", ["below"], gathered=branches)

    assert show(run, "join", "branches") == [
        *("each/", "each/0/", "each/0/dir/", "each/0/dir/deep/", "each/0/dir/deep/mine", "each/0/one"),
        *("each/0/out/", "each/0/out/0", "each/1/", "each/1/link", "each/1/one", "each/1/out/", "each/1/out/0"),
        "each/2/",
    ]
    read = "cat one below dir/deep/file branches/each/*/one branches/each/*/out/0; readlink branches/each/1/link"
    assert run.step("join", read) == "below\nbelow\nsource dir/deep/file\n0\n1\n0\n1\none\n"


def test_a_later_stage_of_a_branch_wins_and_hides_what_it_has_deleted(run: Bench) -> None:
    run.stage(
        "a", "mkdir -p made/sub gone kept; echo a >made/a; echo a >made/sub/x; echo a >f; echo a >g; touch gone/y"
    )
    run.stage(
        "b",
        "rm -r made gone; mkdir -p made; echo b >made/b; echo b >f; rm g; mkdir g; touch g/in; echo b >kept/z",
        ["a"],
    )
    run.stage("c", "rm kept/z; echo c >one; rm -r g; echo c >g", ["a", "b"])

    run.open("join", gathered=(gathered(run, "each", "a", "b", "c"),))

    assert show(run, "join", "each") == ["f", "g", "kept/", "made/", "made/b", "one"]
    assert run.step("join", "cd each; cat f g made/b one") == "b\nc\nb\nc\n"


def test_what_stages_of_a_branch_have_changed_side_by_side_becomes_one(run: Bench) -> None:
    run.stage("a", "mkdir out; echo a >out/a; echo a >both; touch first")
    run.stage("b", "mkdir new; echo b >new/b; echo b >out/b; echo b >both; rm first", ["a"])
    run.stage("c", "mkdir new; echo c >new/c; echo c >out/c; echo c >both; echo c >dir/deep/c", ["a"])

    run.open("join", gathered=(gathered(run, "each", "a", "b", "c"),))

    assert show(run, "join", "each") == [
        *("both", "dir/", "dir/deep/", "dir/deep/c", "new/", "new/b", "new/c", "out/", "out/a", "out/b", "out/c"),
    ]
    assert run.step("join", "cat each/both") == "c\n"


def test_directories_that_a_branch_has_renamed_are_there_as_a_whole(run: Bench) -> None:
    run.stage("a", "mv dir moved; rm -r dist; mv build dist; mkdir -p x/y; touch x/y/z")
    run.stage("b", "mv x w; mv dist/sub w/sub; mv moved w/y/again", ["a"])

    branches = (gathered(run, "first", "a"), gathered(run, "both", "a", "b"))
    run.open("join", gathered=branches)

    assert show(run, "join", "first") == [
        *("dist/", "dist/new", "dist/sub/", "dist/sub/new", "moved/", "moved/deep/", "moved/deep/file"),
        *("x/", "x/y/", "x/y/z"),
    ]
    assert show(run, "join", "both") == [
        *("dist/", "dist/new", "w/", "w/sub/", "w/sub/new", "w/y/", "w/y/again/", "w/y/again/deep/"),
        *("w/y/again/deep/file", "w/y/z"),
    ]
    assert run.step("join", "cat both/w/y/again/deep/file both/w/sub/new") == (
        "source dir/deep/file\nsource build/sub/new\n"
    )


def test_owners_and_modes_are_kept_and_those_who_work_there_may_write(run: Bench) -> None:
    run.stage(
        "a", "mkdir d; echo x >d/f; chown 7:8 d d/f; chmod 2750 d; chmod 640 d/f; touch -d @86400 d/f; ln -s f d/l"
    )
    run.open("join", gathered=(gathered(run, "each/0", "a"),), users=("1000",))

    told = "cd each/0; stat -c '%a %u %g' . d d/f; stat -c %Y d/f; readlink d/l; touch mine"
    assert run.step("join", told, user="0") == "777 0 0\n2750 7 8\n640 7 8\n86400\nf\n"
    run.step("join", "touch each/0/too", user="1000")


def test_stages_that_stand_on_a_join_see_what_it_has_gathered_and_it_is_exported(run: Bench, tmp_path: Path) -> None:
    run.stage("a", "echo a >one")
    run.stage("join", "rm each/0/one; touch each/0/other", gathered=(gathered(run, "each/0", "a"),))
    run.open("after", ["join"])
    run.open("outer", gathered=(gathered(run, "outer", "join"),))

    assert show(run, "after", "each") == ["0/", "0/other"]
    assert show(run, "outer", "outer") == ["each/", "each/0/", "each/0/other"]
    run.export(["join"], tmp_path / "target")
    assert [path.name for path in (tmp_path / "target" / "each").rglob("*") if path.is_file()] == ["other"]


def test_what_was_gathered_is_not_gathered_again_by_whoever_comes_later(run: Bench) -> None:
    run.stage("a", "echo a >one")
    branches = (gathered(run, "each/0", "a"),)
    run.stage("join", "rm each/0/one; echo mine >each/0/mine", gathered=branches)
    later = workspaces(run.engine)
    later.open_run(run.run)

    Bench(run.engine, later, run.run, below=run.below).open("join", gathered=branches)

    assert show(run, "join", "each") == ["0/", "0/mine"]
    later.close()
    run.open("again", address=replace(run.address("join"), round=2), gathered=branches)
    assert show(run, "again", "each") == ["0/", "0/one"]


def test_what_was_cut_off_is_gathered_again_over_what_is_there(run: Bench) -> None:
    run.stage("a", "mkdir d; echo a >d/f; echo a >g; ln -s d l")
    branches = (gathered(run, "each/0", "a"),)
    run.stage("join", "cd each/0; echo half >d/f; rm g; mkdir g; rm l", gathered=branches)
    run.engine.api.remove_volume(naming.layer(run.address("join"), "g"))
    later = workspaces(run.engine)
    later.open_run(run.run)

    Bench(run.engine, later, run.run, below=run.below).open("join", gathered=branches)

    assert show(run, "join", "each/0") == ["d/", "d/f", "g", "l"]
    assert run.step("join", "cat each/0/d/f each/0/g") == "a\na\n"
    later.close()


def test_what_the_source_has_in_the_way_gives_way(run: Bench, source: Path) -> None:
    (source / "each").symlink_to("dir")
    (source / "other").write_text("a file\n")
    (source / "third" / "0").mkdir(parents=True)
    (source / "third" / "0" / "mine").write_text("the source's\n")
    (source / "third").chmod(0o711)
    run.stage("a", "echo a >one")
    run.open("join", gathered=tuple(gathered(run, f"{name}/0", "a") for name in ("each", "other", "third")))

    assert run.step("join", "cat each/0/one other/0/one third/0/mine third/0/one; ls dir; stat -c %a third") == (
        "a\na\nthe source's\na\ndeep\n711\n"
    )


def test_a_frozen_stage_of_a_branch_shows_what_it_had_left_by_then(run: Bench) -> None:
    run.stage("a", "echo early >one; rm -r dir; mkdir new; touch new/early")
    run.workspaces.freeze(run.address("a"))
    run.step("a", "echo late >one; touch new/late")

    run.open("join", gathered=(gathered(run, "each", "a"),))

    assert show(run, "join", "each") == ["new/", "new/early", "one"]
    assert run.step("join", "cat each/one") == "early\n"


def test_without_anything_below_the_tree_of_a_branch_is_all_its_own() -> None:
    with bench(None) as run:
        run.stage("a", "mkdir d; echo a >d/f; echo home >../home")
        run.stage("b", "rm d/f; touch d/g", ["a"])
        run.open("join", gathered=(gathered(run, "each/0", "a", "b"), gathered(run, "each/1", "never")))

        assert show(run, "join") == ["each/", "each/0/", "each/0/d/", "each/0/d/g", "each/1/"]


def test_stages_that_work_in_one_tree_have_nothing_gathered(overlaid: Bench, source: Path) -> None:
    run = overlaid
    run.stage("a", "echo a >one", workspace=Workspace.SHARED)
    run.stage("b", "echo b >two")
    branches = (gathered(run, "each/0", "a"), gathered(run, "each/1", "b"))

    run.open("shared", gathered=branches, workspace=Workspace.SHARED)
    run.open("none", gathered=branches, workspace=Workspace.NONE)
    run.open("own", gathered=branches)

    assert run.step("shared", "[ ! -e each ]; cat one") == "a\n"
    assert show(run, "own", "each") == ["0/", "1/", "1/two"]
    with bench(source, SourceMode.BIND) as bound:
        bound.stage("a", "echo a >two")
        bound.open("join", gathered=(gathered(bound, "each/0", "a"),))
        assert run.step("own", "ls").splitlines() == ["build", "dir", "dist", "each", "one", "two"]
        assert not (source / "each").exists()


def test_branches_of_a_run_that_was_kept_are_gathered_in_another_as_long_as_they_are_there(
    overlaid: Bench, source: Path
) -> None:
    run = overlaid
    run.stage("a", "echo a >>one; mv dir moved")
    with bench(source, home=WORKDIR) as other:
        layers = (run.address("a"), other.address("b"))
        other.open("b", layers=layers[:1])
        other.step("b", "echo b >>one; rm -r moved/deep")
        other.open("join", gathered=(Gathered(path="each/0", layers=layers),))
        assert other.step("join", "cat each/0/one") == "source one\na\nb\n"
        assert show(other, "join", "each/0") == ["moved/", "one"]

        for kind in ("w", "wu", "ww"):
            run.engine.api.remove_volume(naming.layer(run.address("a"), kind))

        gone = (Gathered(path="each/0", layers=(run.address("a"),)),)
        with pytest.raises(WorkspaceError, match=r"stage a of run .* is not there any more"):
            other.open("late", gathered=gone)


def _moved(mount: Mount, target: str) -> Mount:
    moved = copy(mount)
    moved["Target"] = target
    return moved


def _time(run: Bench, name: str, branches: Sequence[Gathered]) -> float:
    begun = time.monotonic()
    run.open(name, gathered=tuple(branches))
    return time.monotonic() - begun


@pytest.mark.sampled
def test_two_hundred_branches_are_gathered_in_seconds_and_empty_ones_sooner(overlaid: Bench) -> None:
    run = overlaid
    names = [f"e{number}" for number in range(MANY)]
    for name in names:
        run.open(name)
    branches = [gathered(run, f"branches/each/{number}", name) for number, name in enumerate(names)]
    empty = _time(run, "empty", branches)
    run.mounts["writer"] = tuple(_moved(run.mounts[name][-1], f"/e/{number}") for number, name in enumerate(names))
    run.step("writer", "for d in /e/*; do mkdir $d/out; for f in 1 2 3; do echo $d >$d/out/$f; done; done")

    took = _time(run, "join", branches)

    assert run.step("join", "find branches -type f | wc -l; cat branches/each/17/out/2").split() == ["600", "/e/17"]
    assert (empty, took) < (15.0, 20.0), f"{empty:.1f} s for empty ones, {took:.1f} s"
