import io
import os
import stat
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runner.errors import WorkspaceError
from runner.workspace.changes import Changes, Entry
from runner.workspace.exporting import Target


def directory(mode: int = 0o755) -> Entry:
    return Entry(mode=stat.S_IFDIR | mode, size=0, changed=b"", uid=0, gid=0, modified=0)


@dataclass
class Archive:
    """A tar as the engine sends it: everything below one directory."""

    members: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    def add(
        self, name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644
    ) -> "Archive":
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.mode, member.size, member.mtime = kind, link, mode, len(content), 1234
        self.members.append((member, content))
        return self

    def pieces(self, size: int = 100) -> list[bytes]:
        buffer = io.BytesIO()
        top = tarfile.TarInfo("to")
        top.type = tarfile.DIRTYPE
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for member, content in ((top, b""), *self.members):
                tar.addfile(member, io.BytesIO(content))
        data = buffer.getvalue()
        return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    root = tmp_path / "target"
    (root / "dir").mkdir(parents=True)
    (root / "dir" / "file").write_text("old")
    (root / "one").write_text("old")
    return root


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    root = tmp_path / "outside"
    root.mkdir()
    (root / "precious").write_text("precious")
    return root


def apply(target: Path, archive: Archive, changes: Changes | None = None) -> tuple[str, ...]:
    with Target(target) as opened:
        return opened.apply(changes or Changes(), archive.pieces())


def test_files_are_written_with_content_mode_and_time(target: Path) -> None:
    apply(target, Archive().add("to/one", b"new" * 1000, mode=0o640).add("to/dir/more", b"more"))

    assert (target / "one").read_bytes() == b"new" * 1000
    assert (target / "one").stat().st_mode & 0o7777 == 0o640
    assert (target / "one").stat().st_mtime == 1234
    assert (target / "dir" / "more").read_text() == "more"
    assert (target / "dir" / "file").read_text() == "old"


def test_special_bits_do_not_arrive(target: Path) -> None:
    changes = Changes(directories=((b"d", directory(0o2777)),))
    apply(target, Archive().add("to/tool", mode=0o6755).add("to/d", kind=tarfile.DIRTYPE), changes)

    assert (target / "tool").stat().st_mode & 0o7777 == 0o755
    assert (target / "d").stat().st_mode & 0o7777 == 0o777


def test_nothing_half_written_stays_when_the_archive_is_cut(target: Path) -> None:
    pieces = Archive().add("to/one", b"x" * 5000).pieces()

    with Target(target) as opened, pytest.raises(WorkspaceError, match="damaged archive"):
        opened.apply(Changes(), pieces[:20])

    assert sorted(path.name for path in target.iterdir()) == ["dir", "one"]
    assert (target / "one").read_text() == "old"


def test_deletions_take_directories_with_all_they_hold(target: Path) -> None:
    apply(target, Archive(), Changes(deleted=(b"dir", b"one", b"not-there", b"not/there/either")))

    assert list(target.iterdir()) == []


def test_a_deletion_behind_a_link_deletes_nothing(target: Path, outside: Path) -> None:
    (target / "link").symlink_to(outside)
    apply(target, Archive(), Changes(deleted=(b"link/precious",)))

    assert (outside / "precious").exists()


def test_a_deleted_link_is_removed_and_not_what_it_leads_to(target: Path, outside: Path) -> None:
    (target / "link").symlink_to(outside)
    apply(target, Archive(), Changes(deleted=(b"link",)))

    assert not (target / "link").is_symlink()
    assert (outside / "precious").exists()


@pytest.mark.parametrize("path", ["to/../evil", "to//etc/evil", "to/dir/../../evil", "to/./evil"])
def test_a_path_that_leads_out_is_refused(target: Path, path: str) -> None:
    with pytest.raises(WorkspaceError, match="leads out"):
        apply(target, Archive().add(path, b"evil"))

    assert not (target.parent / "evil").exists()


def test_a_deletion_that_leads_out_is_refused(target: Path, outside: Path) -> None:
    with pytest.raises(WorkspaceError, match="leads out"):
        apply(target, Archive(), Changes(deleted=(b"../outside/precious",)))

    assert (outside / "precious").exists()


def test_a_link_that_the_archive_brings_is_not_written_through(target: Path, outside: Path) -> None:
    evil = Archive().add("to/link", kind=tarfile.SYMTYPE, link=str(outside)).add("to/link/precious", b"evil")

    with pytest.raises(WorkspaceError, match="link/precious: cannot be written"):
        apply(target, evil)

    assert (outside / "precious").read_text() == "precious"


def test_a_link_where_a_file_is_to_be_is_replaced(target: Path, outside: Path) -> None:
    (target / "one").unlink()
    (target / "one").symlink_to(outside / "precious")

    apply(target, Archive().add("to/one", b"new"))

    assert not (target / "one").is_symlink()
    assert (outside / "precious").read_text() == "precious"


def test_a_hard_link_cannot_reach_out(target: Path, outside: Path) -> None:
    evil = Archive().add("to/stolen", kind=tarfile.LNKTYPE, link="to/../../outside/precious")

    with pytest.raises(WorkspaceError, match="leads out"):
        apply(target, evil)


def test_hard_links_stay_together(target: Path) -> None:
    apply(target, Archive().add("to/dir/a", b"same").add("to/one", kind=tarfile.LNKTYPE, link="to/dir/a"))

    assert (target / "one").samefile(target / "dir" / "a")


def test_links_are_made_wherever_they_lead(target: Path) -> None:
    apply(target, Archive().add("to/one", kind=tarfile.SYMTYPE, link="../../nowhere"))

    assert (target / "one").readlink() == Path("../../nowhere")


def test_a_directory_that_the_run_made_replaces_a_file(target: Path) -> None:
    changes = Changes(directories=((b"one", directory(0o700)),))
    apply(target, Archive().add("to/one", kind=tarfile.DIRTYPE).add("to/one/in", b"in"), changes)

    assert (target / "one" / "in").read_text() == "in"
    assert (target / "one").stat().st_mode & 0o7777 == 0o700


def test_a_directory_that_the_run_only_had_replaces_nothing(target: Path) -> None:
    with pytest.raises(WorkspaceError, match="one: cannot be written: there is a file or a link here"):
        apply(target, Archive().add("to/one", kind=tarfile.DIRTYPE).add("to/one/in", b"in"))

    assert (target / "one").read_text() == "old"


def test_a_file_replaces_a_directory(target: Path) -> None:
    apply(target, Archive().add("to/dir", b"flat"))

    assert (target / "dir").read_text() == "flat"


def test_modes_of_directories_are_set_last_so_that_they_can_be_filled(target: Path) -> None:
    changes = Changes(directories=((b"closed", directory(0o500)), (b"closed/below", directory(0o500))))
    archive = Archive().add("to/closed", kind=tarfile.DIRTYPE).add("to/closed/below", kind=tarfile.DIRTYPE)
    apply(target, archive.add("to/closed/below/f", b"f"), changes)

    assert (target / "closed" / "below" / "f").read_text() == "f"
    assert (target / "closed" / "below").stat().st_mode & 0o7777 == 0o500


def test_fifos_are_made_and_devices_named(target: Path) -> None:
    archive = Archive().add("to/fifo", kind=tarfile.FIFOTYPE).add("to/dir/zero", kind=tarfile.CHRTYPE)

    assert apply(target, archive) == ("dir/zero",)
    assert (target / "fifo").is_fifo()
    assert not (target / "dir" / "zero").exists()


def test_names_with_newlines_and_bytes_that_are_no_text_arrive(target: Path) -> None:
    name = os.fsdecode(b"a\n\xff")
    apply(target, Archive().add(f"to/{name}", b"odd"))

    assert (target / name).read_text() == "odd"


def test_a_target_that_cannot_be_a_directory_is_an_error(target: Path) -> None:
    with pytest.raises(WorkspaceError, match="one: cannot be written to"):
        Target(target / "one")


def test_no_descriptor_stays_open(target: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    apply(target, Archive().add("to/one", b"new").add("to/dir/x", b"x"), Changes(deleted=(b"dir/file",)))

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - a count


def every(_path: bytes, _size: int) -> bool:
    return True


def test_received_files_get_the_directories_around_them(target: Path) -> None:
    archive = Archive().add("to/new/deep/file", b"content", mode=0o4751).add("to/one", b"other")

    with Target(target) as place:
        place.receive(archive.pieces(), every)

    assert (target / "new" / "deep" / "file").read_text() == "content"
    assert (target / "new" / "deep" / "file").stat().st_mode & 0o7777 == 0o751
    assert (target / "one").read_text() == "other"
    assert (target / "dir" / "file").read_text() == "old"


def test_only_what_is_wanted_is_received(target: Path) -> None:
    asked: list[tuple[bytes, int]] = []

    def wanted(path: bytes, size: int) -> bool:
        asked.append((path, size))
        return path == b"a/yes"

    archive = Archive().add("to/a/no", b"12").add("to/a/yes", b"123").add("to/b/no", b"")
    with Target(target) as place:
        place.receive(archive.pieces(), wanted)

    assert asked == [(b"a/no", 2), (b"a/yes", 3), (b"b/no", 0)]
    assert [path.name for path in (target / "a").iterdir()] == ["yes"]
    assert not (target / "b").exists()


def test_nothing_but_regular_files_is_received(target: Path) -> None:
    archive = Archive().add("to/made", kind=tarfile.DIRTYPE).add("to/link", kind=tarfile.SYMTYPE, link="/etc/passwd")
    archive.add("to/fifo", kind=tarfile.FIFOTYPE).add("to/zero", kind=tarfile.CHRTYPE)
    archive.add("to/hard", kind=tarfile.LNKTYPE, link="to/one").add("to/file", b"x")
    before = {path.name for path in target.iterdir()}

    with Target(target) as place:
        place.receive(archive.pieces(), every)

    assert {path.name for path in target.iterdir()} == before | {"file"}


def test_a_second_name_of_a_received_file_is_received_too(target: Path) -> None:
    archive = Archive().add("to/a/file", b"x").add("to/b/again", kind=tarfile.LNKTYPE, link="to/a/file")

    with Target(target) as place:
        place.receive(archive.pieces(), every)

    assert (target / "b" / "again").samefile(target / "a" / "file")


@pytest.mark.parametrize("name", ["to/../out", "to/dir/../../out", "to//out", "to/./out"])
def test_a_received_path_that_leads_out_is_refused(target: Path, name: str) -> None:
    with Target(target) as place, pytest.raises(WorkspaceError, match="leads out"):
        place.receive(Archive().add(name, b"x").pieces(), every)

    assert not (target.parent / "out").exists()


@pytest.mark.parametrize("name", ["link", "link/precious", "link/new/file"])
def test_nothing_is_received_through_a_link(target: Path, outside: Path, name: str) -> None:
    (target / "link").symlink_to(outside)
    archive = Archive().add(f"to/{name}", b"evil")

    with Target(target) as place:
        if name == "link":
            place.receive(archive.pieces(), every)
        else:
            with pytest.raises(WorkspaceError, match="link: cannot be written"):
                place.receive(archive.pieces(), every)

    assert [path.read_text() for path in outside.iterdir()] == ["precious"]
