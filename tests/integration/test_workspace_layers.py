"""What a stage sees, by overlay and by copy: the same claims hold for both."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.workspaces import DEBIAN, WAYS, WORKDIR, Bench, bench, photos

NASTY = "a b,c:d\\e\nf"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / NASTY
    (root / "dir" / "deep").mkdir(parents=True)
    (root / "one").write_text("source one\n")
    (root / "two").write_text("source two\n")
    (root / "dir" / "file").write_text("source file\n")
    (root / "dir" / "deep" / "file").write_text("source deep file\n")
    (root / NASTY).write_text("nasty\n")
    (root / "link").symlink_to("dir/file")
    (root / "tool").write_text("#!/bin/sh\n")
    (root / "tool").chmod(0o751)
    os.utime(root / "two", ns=(1_600_000_000_123_456_789,) * 2)
    return root


@pytest.fixture(params=WAYS)
def run(request: pytest.FixtureRequest, source: Path) -> Iterator[Bench]:
    with bench(source, overlays=request.param) as made:
        assert made.workspaces.copies(made.run.id) is not request.param
        yield made


def files(run: Bench, name: str) -> list[str]:
    """Return the paths that a stage sees in the working directory."""
    return sorted(run.step(name, "find . -mindepth 1 -print0").split("\0")[:-1])


def test_a_first_stage_sees_the_source_as_it_is(run: Bench) -> None:
    run.open("a")

    assert files(run, "a") == sorted(
        [f"./{NASTY}", "./dir", "./dir/deep", "./dir/deep/file", "./dir/file", "./link", "./one", "./tool", "./two"]
    )
    assert run.step("a", "cat one link dir/deep/file; stat -c %a tool") == (
        "source one\nsource file\nsource deep file\n751\n"
    )


def test_a_stage_sees_the_union_of_what_it_needs_and_the_later_one_wins(run: Bench) -> None:
    run.stage("a", "echo a >one; echo a >only-a; echo a >dir/file; mkdir -p new/sub; echo a >new/sub/f")
    run.stage("b", "echo b >one; echo b >only-b; mkdir new; echo b >new/g; chmod 700 tool")

    run.open("ab", ["a", "b"])
    run.open("ba", ["b", "a"])

    show = "cat one only-a only-b dir/file two new/sub/f new/g; stat -c %a tool"
    assert run.step("ab", show) == "b\na\nb\na\nsource two\na\nb\n700\n"
    assert run.step("ba", show) == "a\na\nb\na\nsource two\na\nb\n700\n"


def test_what_a_needed_stage_deleted_is_gone(run: Bench) -> None:
    run.stage("a", "rm -r dir one; ln -sfn two link")
    run.stage("b", "rm two")
    run.open("c", ["a", "b"])

    assert files(run, "c") == sorted([f"./{NASTY}", "./link", "./tool"])
    assert run.step("c", "readlink link") == "two\n"


def test_a_later_stage_revives_what_an_earlier_one_deleted(run: Bench) -> None:
    run.stage("a", "rm -r dir")
    run.stage("b", "echo b >dir/file")
    run.open("c", ["a", "b"])

    assert run.step("c", "find dir -type f; cat dir/file") == "dir/file\nb\n"


def test_a_file_that_became_a_directory_and_back_is_what_the_last_stage_made_it(run: Bench) -> None:
    run.stage("a", "rm one; mkdir one; echo a >one/inside; rm -r dir; echo a >dir; rm link; mkdir link; echo x >link/y")
    run.stage("b", "rm -r one; echo b >one; rm dir; mkdir dir; echo b >dir/again; rm -r link; ln -s one link", ["a"])
    run.open("c", ["a", "b"])

    assert run.step("c", "cat one dir/again link; find dir link") == "b\nb\nb\ndir\ndir/again\nlink\n"


def test_a_directory_that_one_stage_replaced_by_a_link_is_not_written_through_by_the_other(run: Bench) -> None:
    run.stage("a", "rm -r dir; mkdir elsewhere; echo kept >elsewhere/file; ln -s elsewhere dir")
    run.stage("b", "echo b >dir/file; rm dir/deep/file")
    run.open("c", ["a", "b"])

    assert run.step("c", "cat elsewhere/file dir/file; [ -d dir ]; [ ! -L dir ]; [ ! -e dir/deep/file ]") == "kept\nb\n"


def test_stages_side_by_side_never_see_each_others_files(run: Bench) -> None:
    run.open("a")
    run.open("b")
    run.step("a", "echo a >one; rm two; echo a >from-a")
    run.step("b", "[ -e two ]; [ ! -e from-a ]; echo b >from-b; cat one")

    assert run.step("b", "cat one two") == "source one\nsource two\n"
    assert "./from-b" not in files(run, "a")


def test_layers_pile_up_over_a_chain_of_stages(run: Bench) -> None:
    names: list[str] = []
    for name in ("a", "b", "c", "d"):
        run.stage(name, f"echo {name} >>trail; rm -f mark-*; touch mark-{name}", names)
        names.append(name)

    assert run.step("d", "cat trail; ls mark-*") == "a\nb\nc\nd\nmark-d\n"


def test_the_directory_around_the_source_is_handed_on_too(run: Bench) -> None:
    run.stage("a", "mkdir ../bin; echo tool >../bin/tool; [ ! -e ../one ]")
    run.open("b", ["a"])
    run.open("apart")

    assert run.step("b", "cat ../bin/tool") == "tool\n"
    assert run.step("apart", "ls -A ..") == "src\n"


def test_a_round_of_a_stage_begins_with_an_empty_layer(run: Bench) -> None:
    run.stage("a", "touch half-done")
    run.open("again", address=replace(run.address("a"), round=2))

    assert "./half-done" not in files(run, "again")


def test_directories_that_stages_made_side_by_side_become_one(run: Bench) -> None:
    run.stage("a", "mkdir -p build/x; echo a >build/a; echo a >build/x/a; mkdir tmp; echo a >tmp/a; mv tmp build/moved")
    run.stage("b", "mkdir -p build/x; echo b >build/b; chmod 700 build; mkdir tmp; echo b >tmp/b; mv tmp build/moved")
    run.stage("c", "mkdir build; echo c >build/c; rm -r dir; mkdir dir; echo c >dir/c; mkdir ../out; touch ../out/c")
    run.stage("d", "echo d >build/d; mkdir -p build/y; mkdir ../out; touch ../out/d; echo d >dir/d", ["a", "b"])
    run.open("all", ["a", "b", "d", "c"])

    assert run.step("all", "find build ../out -type f | sort; stat -c %a build") == (
        "../out/c\n../out/d\nbuild/a\nbuild/b\nbuild/c\nbuild/d\nbuild/moved/a\nbuild/moved/b\nbuild/x/a\n755\n"
    )


def test_a_directory_that_was_deleted_and_made_again_shows_nothing_of_before(run: Bench) -> None:
    run.stage("a", "rm -r dir; mkdir dir; echo a >dir/new")
    run.stage("b", "mkdir other")
    run.open("c", ["a", "b"])

    assert run.step("c", "find dir | sort") == "dir\ndir/new\n"


def test_names_with_anything_but_nul_are_carried_on(run: Bench) -> None:
    names = ("-rf", "a\nb", " lead", "trail ", "*", "$(x)", "'\"", "ü", "a\\b", "%s", "\x01")
    quoted = " ".join("'" + name.replace("'", "'\\''") + "'" for name in names)
    run.stage("a", f'for n in {quoted}; do mkdir -p "./d$n"; echo "$n" >"./d$n/$n"; echo x >"./$n"; done; rm ./a*b')
    run.open("b", ["a"])

    expected = {f"./d{name}/{name}" for name in names} | {f"./{name}" for name in names if not name.startswith("a")}
    assert expected <= set(files(run, "b"))
    assert "./a\nb" not in files(run, "b")


def test_a_name_that_is_no_text_is_carried_on(run: Bench) -> None:
    run.stage("a", "echo raw >\"$(printf 'raw-\\377')\"")
    run.open("b", ["a"])

    assert run.step("b", "cat \"$(printf 'raw-\\377')\"") == "raw\n"


def test_the_users_tree_stays_as_it_was(run: Bench, source: Path) -> None:
    before = photos(source)

    run.stage("a", "echo x >>one; echo y >two; rm -r dir; mv tool tool2; chmod 777 tool2 .; chown 5:5 one; touch new")
    run.stage("b", "mkdir dir; touch -d @0 dir; ln one hard; rm link; chmod -R 700 .", ["a"])

    assert photos(source) == before


def test_a_directory_of_the_source_can_be_renamed_by_rename_2(run: Bench) -> None:
    run.open("a")
    run.step("a", """perl -e 'rename("dir", "moved") or die $!'""", image=DEBIAN)
    run.open("b", ["a"])

    assert run.step("b", "cat moved/deep/file; [ ! -e dir ]") == "source deep file\n"


def test_paths_that_two_stages_changed_side_by_side_are_told(run: Bench) -> None:
    run.stage("a", "echo a >one; rm two; echo a >dir/mine; rm -r dir/deep; mkdir both; echo a >../out")
    run.stage("b", "echo b >one; echo b >two; echo b >dir/other; echo b >dir/deep/file; mkdir both; echo b >../out")

    conflicts = run.open("c", ["a", "b"]).conflicts

    assert {(conflict.earlier, conflict.later) for conflict in conflicts} == {("a", "b")}
    assert sorted(conflict.path for conflict in conflicts if "deep" not in conflict.path) == [
        "/vela/out",
        f"{WORKDIR}/one",
        f"{WORKDIR}/two",
    ]
    assert any(conflict.path.startswith(f"{WORKDIR}/dir/deep") for conflict in conflicts)


def test_stages_that_build_on_each_other_do_not_conflict(run: Bench) -> None:
    run.stage("a", "echo a >one")
    run.stage("b", "echo b >one", ["a"])

    assert run.open("c", ["a", "b"]).conflicts == ()


def test_what_is_written_after_freezing_is_not_seen(run: Bench) -> None:
    run.stage("a", "echo early >one; rm two; mkdir made; ln -s one sym; chmod 700 dir; rm -r dir/deep; echo h >../home")
    run.workspaces.freeze(run.address("a"))
    run.step("a", "echo late >one; echo late >late; rm -r dir; echo late >../home")
    run.open("b", ["a"])

    assert run.step("b", "cat one sym dir/file ../home; stat -c %a dir; ls -d [d-z]*") == (
        "early\nearly\nsource file\nh\n700\ndir\nlink\nmade\none\nsym\ntool\n"
    )


def test_freezing_twice_keeps_the_first_state(run: Bench) -> None:
    run.stage("a", "echo first >one")
    run.workspaces.freeze(run.address("a"))
    run.step("a", "echo second >one")
    run.workspaces.freeze(run.address("a"))
    run.open("b", ["a"])

    assert run.step("b", "cat one") == "first\n"


def test_a_frozen_stage_does_not_hide_what_a_stage_below_changed(run: Bench) -> None:
    run.stage("a", "echo a >one")
    run.stage("b", "echo b >two")
    run.workspaces.freeze(run.address("b"))
    run.open("c", ["a", "b"])

    assert run.step("c", "cat one two") == "a\nb\n"
