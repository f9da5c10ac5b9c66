"""What becomes of the user's files: nothing, unless it is asked for."""

import os
import stat
import subprocess
from pathlib import Path

from runner.errors import ExitCode
from tests.support.cli import Place, place_in
from tests.support.repositories import Repository

USER = 1000

VANDAL = """\
version: "1"
stages:
  spoil:
    steps:
      - name: as root
        image: busybox:local
        commands:
          - id -u
          - echo changed > kept.txt
          - rm -r gone
          - mv moved other
          - chmod 777 tool
          - ln -sf nowhere link
          - mkdir new && echo new > new/file
  see:
    needs: [spoil]
    steps:
      - name: look
        image: busybox:local
        commands:
          - cat kept.txt; ls; cat other/deep/file new/file
"""


def fill(root: Path) -> None:
    """Make a tree with all that a run may spoil."""
    for name in ("kept.txt", "gone/one", "gone/two", "moved/deep/file", "tool"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the old {name}\n", encoding="utf-8")
    (root / "tool").chmod(0o750)
    (root / "link").symlink_to("kept.txt")


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """Return all that there is to know of every file: type and mode, owner, time, content."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        content: object = None
        if path.is_symlink():
            content = path.readlink()
        elif path.is_file():
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (status.st_mode, status.st_uid, status.st_mtime_ns, content)
    return found


def test_the_tree_is_untouched_by_a_run_that_writes_renames_and_deletes_as_root(place: Place) -> None:
    fill(place.repo)
    place.write(VANDAL)
    before = snapshot(place.repo)
    finished = place.exec()

    assert finished.code == ExitCode.SUCCESS
    assert snapshot(place.repo) == before
    assert finished.printed("spoil/as root") == ["0"]
    assert finished.printed("see/look") == [
        "changed",
        *["kept.txt", "link", "new", "other", "tool"],
        "the old moved/deep/file",
        "new",
    ]


def test_export_writes_what_the_run_changed_deletions_too_and_leaves_the_source_alone(
    place: Place, tmp_path: Path
) -> None:
    fill(place.repo)
    place.write(VANDAL)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", place.repo, copy], check=True)
    (copy / "mine").write_text("of the user\n", encoding="utf-8")
    before = snapshot(place.repo)
    finished = place.exec("--export", copy)
    after = {name: entry[-1] for name, entry in snapshot(copy).items() if entry[-1] is not None}

    assert finished.code == ExitCode.SUCCESS
    assert snapshot(place.repo) == before
    assert after == {
        ".vela.yml": VANDAL.encode(),
        "kept.txt": b"changed\n",
        "link": Path("nowhere"),
        "mine": b"of the user\n",
        "new/file": b"new\n",
        "other/deep/file": b"the old moved/deep/file\n",
        "tool": b"the old tool\n",
    }
    assert not (copy / "gone").exists()
    assert not (copy / "moved").exists()
    assert stat.S_IMODE((copy / "tool").stat().st_mode) == 0o777


def test_an_export_below_the_source_is_not_taken_for_an_edit_of_the_source(place: Place) -> None:
    fill(place.repo)
    place.write(VANDAL)

    finished = place.exec("--export", place.repo / "out")

    assert finished.code == ExitCode.SUCCESS
    assert (place.repo / "out" / "kept.txt").read_text(encoding="utf-8") == "changed\n"
    assert "changed during the run" not in finished.out + finished.err


def test_an_export_into_the_source_itself_is_refused(place: Place) -> None:
    fill(place.repo)
    place.write(VANDAL)
    before = snapshot(place.repo)

    finished = place.exec("--export", place.repo)

    assert finished.code == ExitCode.INVALID
    assert "--bind" in finished.err
    assert snapshot(place.repo) == before


def owned(place: Place) -> None:
    """Give the repository to a user."""
    for path in [place.repo, *place.repo.rglob("*")]:
        os.chown(path, USER, USER, follow_symlinks=False)


def strangers(place: Place) -> list[str]:
    """Return what in the repository does not belong to that user."""
    return [name for name, entry in snapshot(place.repo).items() if entry[1] != USER]


def test_with_bind_what_a_run_makes_stays_and_belongs_to_the_owner_of_the_directory(place: Place) -> None:
    fill(place.repo)
    place.write(VANDAL.replace("ln -sf nowhere link", "ln -s nowhere dangling"))
    owned(place)
    finished = place.exec("--bind")
    after = snapshot(place.repo)

    assert finished.code == ExitCode.SUCCESS
    assert after["new/file"][-1] == b"new\n"
    assert after["kept.txt"][-1] == b"changed\n"
    assert "gone" not in after
    assert {"other/deep/file", "dangling"} <= after.keys()
    assert strangers(place) == []


def test_with_bind_what_a_run_replaces_belongs_to_the_owner_of_the_directory(place: Place) -> None:
    fill(place.repo)
    place.write(
        'version: "1"\nsteps:\n'
        '  - {name: s, image: "busybox:local", commands: [sed s/old/new/ kept.txt > new, mv new kept.txt]}\n'
    )
    owned(place)
    finished = place.exec("--bind")

    assert finished.code == ExitCode.SUCCESS
    assert (place.repo / "kept.txt").read_text(encoding="utf-8") == "the new kept.txt\n"
    assert strangers(place) == []


READER = """\
version: "1"
stages:
  first:
    steps:
      - name: waits
        image: busybox:local
        commands: [cat text, sleep 1, cat text]
  second:
    needs: [first]
    steps:
      - {name: reads, image: "busybox:local", commands: [cat text]}
"""


def edit_during(place: Place, *arguments: str) -> list[str]:
    """Run with an edit of the source in the middle; return what the run said."""
    place.write(READER)
    (place.repo / "text").write_text("old\n", encoding="utf-8")
    running = place.start("exec", *arguments)
    running.until("waits | old")
    (place.repo / "text").write_text("edited\n", encoding="utf-8")
    (place.repo / "added").touch()
    finished = running.finish()

    assert finished.code == ExitCode.SUCCESS
    return finished.out.splitlines()


def test_a_source_edited_during_the_run_is_told_at_its_end_with_the_names(place: Place) -> None:
    notes = [line for line in edit_during(place) if line.startswith("note: ")]

    assert len(notes) == 1
    assert "changed during the run" in notes[0]
    assert notes[0].endswith("added, text")


def test_a_snapshot_does_not_see_what_is_edited_during_the_run(place: Place) -> None:
    lines = edit_during(place, "--snapshot")

    assert [line for line in lines if line.endswith("| old")] == [
        "first/waits | old",
        "first/waits | old",
        "second/reads | old",
    ]
    assert not any("edited" in line or line.startswith("note: ") for line in lines)


ODD = os.fsdecode(b"odd\n\xff")

TRACKED = """\
version: "1"
steps:
  - name: look
    image: busybox:local
    commands:
      - find . -type d -o ! -path './.git/*' ! -name 'odd*' -print | sort
      - cat .git/HEAD kept.txt odd*
      - stat -c %a tool
      - rm tool moved/deep/file
      - echo changed | tee kept.txt odd* > made
"""


def test_tracked_files_alone_as_they_stand_are_the_source_and_what_an_export_compares_with(
    place: Place, tmp_path: Path
) -> None:
    repository = Repository(place.repo)
    fill(place.repo)
    place.write(TRACKED)
    (place.repo / ODD).write_text("odd\n", encoding="utf-8")
    repository.write(".gitignore", "*.log\n")
    repository.git("add", "--all")
    (place.repo / "kept.txt").write_text("edited\n", encoding="utf-8")
    (place.repo / "gone" / "one").unlink()
    for name in ("untracked", "ignored.log", "moved/untracked"):
        repository.write(name)
    before = snapshot(place.repo)
    finished = place.exec("--source-filter", "tracked", "--export", tmp_path / "out")
    exported = {name: entry[-1] for name, entry in snapshot(tmp_path / "out").items() if entry[-1] is not None}

    assert finished.code == ExitCode.SUCCESS, finished.err
    assert finished.printed("steps/look") == [
        *["./.gitignore", "./.vela.yml", "./gone/two", "./kept.txt", "./link", "./moved/deep/file"],
        *["./tool", "ref: refs/heads/main", "edited", "odd", "750"],
    ]
    assert exported == dict.fromkeys(("kept.txt", ODD, "made"), b"changed\n")
    assert snapshot(place.repo) == before


def test_a_source_with_blanks_colons_and_commas_in_its_path_works(tmp_path: Path) -> None:
    for options in ([], ["--bind"]):
        with place_in(tmp_path / f"a b:c,d=é{len(options)} \\x") as odd:
            fill(odd.repo)
            odd.write(VANDAL)
            finished = odd.exec(*options)

            assert finished.code == ExitCode.SUCCESS, finished.out
            assert finished.printed("see/look")[0] == "changed"


def test_the_source_is_the_repository_around_the_file_and_another_one_if_told(place: Place, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "trunk", place.repo], check=True)
    (place.repo / "sub").mkdir()
    place.write('version: "1"\nsteps:\n  - {name: s, image: "busybox:local", commands: [ls]}\n', "sub/p.yml")
    (place.repo / "top").touch()
    other = tmp_path / "other"
    other.mkdir()
    (other / "elsewhere").touch()
    inside = place.exec("sub/p.yml")
    told = place.exec("sub/p.yml", "--source", other)

    assert "branch trunk" in inside.out.splitlines()[0]
    assert inside.printed("steps/s") == ["sub", "top"]
    assert told.printed("steps/s") == ["elsewhere"]
