"""Trees beside the source on a real engine: seen where they belong, written by stages and never in place."""

import os
from pathlib import Path

import pytest

from runner.engine.specs import Placed
from runner.errors import WorkspaceError
from tests.support.workspaces import HOME, WAYS, WORKDIR, bench, photos


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """Return a directory of trees, each with a file that says which it is."""
    for name in ("source", "home", "tools", "deep"):
        (tmp_path / name / "dir").mkdir(parents=True)
        (tmp_path / name / "dir" / "name").write_text(f"{name}\n")
    return tmp_path


def placed(trees: Path, **targets: str) -> tuple[Placed, ...]:
    return tuple(Placed(path=trees / name, target=target) for name, target in targets.items())


@pytest.mark.parametrize("overlays", WAYS)
def test_stages_see_and_hand_on_every_tree_and_leave_the_directories_alone(trees: Path, *, overlays: bool) -> None:
    before = photos(trees)
    beside = placed(trees, home=HOME, tools=f"{HOME}/tools", deep=f"{HOME}/tools/sub/deep")
    with bench(trees / "source", overlays=overlays, beside=beside) as run:
        names = f"cat {HOME}/dir/name {HOME}/tools/dir/name {HOME}/tools/sub/deep/dir/name dir/name"
        assert run.stage("a", names) == "home\ntools\ndeep\nsource\n"
        run.step("a", f"echo new >{HOME}/tools/sub/deep/dir/new; rm {HOME}/dir/name; mv dir moved")
        export = trees / "exported"
        export.mkdir()

        seen = f"cat {HOME}/tools/sub/deep/dir/new moved/name; ls {HOME}/dir | wc -l"
        assert run.stage("b", seen, ["a"]) == "new\nsource\n0\n"
        run.export(["a"], export)

        assert [str(path.relative_to(export)) for path in sorted(export.rglob("*"))] == ["moved", "moved/name"]
    (export / "moved" / "name").unlink()
    (export / "moved").rmdir()
    export.rmdir()
    assert {path: photo for path, photo in photos(trees).items() if path != str(trees)} == {
        path: photo for path, photo in before.items() if path != str(trees)
    }


def test_stages_side_by_side_that_change_a_tree_are_told_of_it(trees: Path) -> None:
    with bench(None, beside=placed(trees, tools=f"{HOME}/tools", source=WORKDIR)) as run:
        for stage in ("a", "b"):
            run.stage(stage, f"echo {stage} >{HOME}/tools/dir/name; cat dir/name")
        opened = run.open("c", ["a", "b"])

        assert run.step("c", f"cat {HOME}/tools/dir/name") == "b\n"
    assert [(conflict.path, conflict.earlier, conflict.later) for conflict in opened.conflicts] == [
        (f"{HOME}/tools/dir/name", "a", "b")
    ]


def test_a_tree_that_the_engine_cannot_see_is_sent_to_it(trees: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(trees / "tools") + b"-\xff"))
    (trees / "tools").rename(odd)
    with bench(None, beside=(Placed(path=odd, target=f"{HOME}/tools"), *placed(trees, deep=f"{HOME}/deep"))) as run:
        assert run.stage("a", f"cat {HOME}/tools/dir/name {HOME}/deep/dir/name; rm -r {HOME}/tools/dir") == (
            "tools\ndeep\n"
        )
    assert (odd / "dir" / "name").exists()


def test_an_unprivileged_user_can_write_beside_the_source(trees: Path) -> None:
    with bench(None, beside=placed(trees, tools=f"{HOME}/tools")) as run:
        run.open("a", users=("1000:1000",))

        assert run.step("a", f"echo x >{HOME}/tools/new; cat {HOME}/tools/*new", user="1000:1000") == "x\n"


def test_a_tree_that_is_not_there_is_named(trees: Path) -> None:
    with pytest.raises(WorkspaceError, match="nowhere"), bench(None, beside=placed(trees, nowhere=f"{HOME}/x")):
        pass
