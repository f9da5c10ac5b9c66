"""What stands in trees, and what becomes of damage to what we keep."""

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import WorkspaceError
from runner.workspace.git import mirror
from tests.support.fetching import asked, slots, sources, spec
from tests.support.repositories import Repository


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "upstream")
    repository.commit("a", "dir/b", message="one")
    repository.commit("a", message="two")
    return repository


@pytest.fixture
def mirrors(tmp_path: Path) -> Path:
    return tmp_path / "mirrors"


def _fetch(mirrors: Path, upstream: Repository, name: str = "HEAD") -> Path:
    """Return the tree of a commit, whose lease has ended."""
    with sources(mirrors).fetched(spec(upstream, commit=upstream.git("rev-parse", name))) as found:
        assert asked(found.path, "status", "--porcelain") == ""
        assert asked(found.path, "rev-parse", "HEAD") == upstream.git("rev-parse", name)
    return found.path


def test_links_stay_links_wherever_they_lead(upstream: Repository, mirrors: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (upstream.root / "out").symlink_to(tmp_path / "outside")
    (upstream.root / "passwd").symlink_to("/etc/passwd")
    (upstream.root / "up").symlink_to("../../..")
    upstream.git("add", ".")
    upstream.git("commit", "-q", "-m", "links")
    _fetch(mirrors, upstream)
    (upstream.root / "out").unlink()
    upstream.git("rm", "-q", "--cached", "out")
    upstream.commit("out/file", message="a directory where the link was")

    tree = _fetch(mirrors, upstream, "HEAD~1")
    links = {path.name: str(path.readlink()) for path in tree.iterdir() if path.is_symlink()}
    assert links == {"out": str(tmp_path / "outside"), "passwd": "/etc/passwd", "up": "../../.."}

    tree = _fetch(mirrors, upstream)
    assert (tree / "out" / "file").is_file()
    assert not (tree / "out").is_symlink()
    assert list((tmp_path / "outside").iterdir()) == []


def test_kinds_and_modes_of_files_follow_the_commit(upstream: Repository, mirrors: Path) -> None:
    _fetch(mirrors, upstream)
    (upstream.root / "a").chmod(0o755)
    upstream.git("rm", "-q", "-r", "dir")
    upstream.write("dir", "now a file\n")
    upstream.git("add", ".")
    upstream.git("commit", "-q", "-m", "kinds")

    tree = _fetch(mirrors, upstream)

    assert (tree / "a").stat().st_mode & 0o111
    assert (tree / "dir").read_text(encoding="ascii") == "now a file\n"


def test_other_attributes_make_other_files_of_the_same_content(upstream: Repository, mirrors: Path) -> None:
    _fetch(mirrors, upstream)
    upstream.write("dir/.gitattributes", "* text eol=crlf\n")
    upstream.git("add", ".")
    upstream.git("commit", "-q", "-m", "line ends")

    tree = _fetch(mirrors, upstream)

    assert (tree / "dir" / "b").read_bytes().endswith(b"\r\n")
    assert not (_fetch(mirrors, upstream, "HEAD~1") / "dir" / "b").read_bytes().endswith(b"\r\n")


def test_no_configuration_of_the_user_makes_git_run_a_program(
    upstream: Repository, mirrors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = tmp_path / "evil"
    hook = tmp_path / "template" / "hooks" / "post-checkout"
    hook.parent.mkdir(parents=True)
    for path in (evil, hook):
        path.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n", encoding="ascii")
        path.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[init]\n templateDir = {tmp_path}/template\n[core]\n hooksPath = {hook.parent}\n fsmonitor = {evil}\n"
        f'[filter "evil"]\n smudge = {evil}\n process = {evil}\n[credential]\n helper = !{evil}\n',
        encoding="ascii",
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    upstream.write(".gitattributes", "* filter=evil\n")
    upstream.git("add", ".")
    upstream.git("commit", "-q", "-m", "filters")

    tree = _fetch(mirrors, upstream)

    assert not (tmp_path / "ran").exists()
    assert not (tree / ".git" / "hooks").exists()


@pytest.mark.parametrize("name", ["bin/..x", "-rf", "a b\n", "ü", "x" * 200])
def test_files_of_any_name_come(upstream: Repository, mirrors: Path, name: str) -> None:
    upstream.write(name)
    upstream.git("add", "--", name)
    upstream.git("commit", "-q", "-m", "odd")

    assert (_fetch(mirrors, upstream) / name).is_file()


def test_what_the_dead_have_left_is_in_nobodys_way(upstream: Repository, mirrors: Path) -> None:
    _fetch(mirrors, upstream)
    (tip,) = mirrors.glob("*/tip")
    for name in ("shallow.lock", "HEAD.lock", "packed-refs.lock", "refs/keep/x.lock", "objects/pack/tmp_pack_x"):
        (tip / name).touch()
    commit = upstream.commit("a", message="three")
    (tip / "refs" / "keep" / f"{commit}.lock").touch()

    _fetch(mirrors, upstream)

    assert not list(tip.rglob("*.lock"))
    assert not list(tip.rglob("tmp_pack_*"))


def test_a_tree_that_was_never_finished_is_made_anew(upstream: Repository, mirrors: Path) -> None:
    tree = _fetch(mirrors, upstream)
    (tree.parent / "key").unlink()
    (tree / "a").write_text("torn", encoding="ascii")
    (tree / "rest").touch()

    assert _fetch(mirrors, upstream) == tree
    assert not (tree / "rest").exists()


def _damage_pack(tip: Path) -> None:
    for pack in tip.glob("objects/pack/*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(b"PACK damaged" + pack.read_bytes()[12:-30])


def _damage_head(tip: Path) -> None:
    (tip / "HEAD").write_bytes(b"\0\0")


def _damage_objects(tip: Path) -> None:
    for path in tip.glob("objects/pack/*"):
        path.unlink()


@pytest.mark.parametrize("damage", [_damage_pack, _damage_head, _damage_objects])
@pytest.mark.parametrize("name", ["HEAD", "HEAD~1"])
def test_a_damaged_mirror_is_made_anew(
    upstream: Repository, mirrors: Path, damage: Callable[[Path], None], name: str
) -> None:
    tree = _fetch(mirrors, upstream)
    (tip,) = mirrors.glob("*/tip")
    damage(tip)
    (tree.parent / "key").unlink()

    _fetch(mirrors, upstream, name)

    assert asked(tip, "fsck", "--full", "--no-dangling") == ""


def test_a_mirror_is_made_anew_once_only(upstream: Repository, mirrors: Path) -> None:
    packs = upstream.root / ".git" / "objects"
    for path in packs.glob("??/*"):
        path.chmod(0o600)
        path.write_bytes(b"damaged")
    begun = time.monotonic()

    with (
        pytest.raises(WorkspaceError, match=f"{upstream.root}: main cannot be fetched"),
        sources(mirrors).fetched(spec(upstream, ref="main")),
    ):
        pass

    assert time.monotonic() - begun < 10


def test_packs_do_not_pile_up(upstream: Repository, mirrors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_PACKS", 3)
    monkeypatch.setattr(mirror, "_LASTING", 2)
    for number in range(6):
        upstream.commit("a", message=f"number {number}")
        tree = _fetch(mirrors, upstream)
        assert asked(tree, "fsck", "--full", "--no-dangling") == ""

    (tip,) = mirrors.glob("*/tip")
    assert len(list(tip.glob("objects/pack/*.pack"))) <= 4
    assert len(list(tip.glob("refs/keep/*"))) < 6
    assert asked(_fetch(mirrors, upstream, "HEAD~5"), "log", "-1", "--format=%s") == "number 0"


def test_a_commit_has_its_parents_after_others_were_fetched_and_packed(
    upstream: Repository, mirrors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_PACKS", 0)
    upstream.commit("a", message="three")

    for name in ("HEAD~1", "HEAD", "HEAD~1"):
        assert asked(_fetch(mirrors, upstream, name), "rev-list", "--count", "HEAD") == "2"


def _forever(mirrors: Path, upstream: Repository) -> None:
    os.setsid()
    for count in range(1000):
        _fetch(mirrors, upstream, f"HEAD~{count % 2}")


def test_whoever_is_killed_leaves_nothing_that_the_next_one_stumbles_over(upstream: Repository, mirrors: Path) -> None:
    upstream.commit(*(f"many/{number}" for number in range(60)), message="many")
    context = multiprocessing.get_context("forkserver")
    for _ in range(4):
        process = context.Process(target=_forever, args=(mirrors, upstream))
        process.start()
        time.sleep(0.4 + random.random() / 2)
        process.kill()
        process.join()

        tree = _fetch(mirrors, upstream)
        assert len(list((tree / "many").iterdir())) == 60
    assert len(slots(mirrors)) <= 4
