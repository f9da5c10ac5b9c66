import io
import os
import socket
import tarfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from runner.errors import WorkspaceError
from runner.workspace import pack


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dir" / "deep").mkdir(parents=True)
    (tmp_path / "one").write_text("one")
    (tmp_path / "dir" / "tool").write_bytes(bytes(range(256)))
    (tmp_path / "dir" / "tool").chmod(0o6751)
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "to-dir").symlink_to("dir")
    os.link(tmp_path / "one", tmp_path / "twin")
    os.mkfifo(tmp_path / "fifo")
    os.utime(tmp_path / "one", ns=(1, 1_600_000_000_123_456_789))
    return tmp_path


def unpacked(root: Path, only: Iterable[bytes] | None = None) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(pack.stream(root, only))), format=tarfile.PAX_FORMAT)


def test_everything_below_the_directory_is_in_parents_first(root: Path) -> None:
    names = unpacked(root).getnames()

    assert sorted(names) == ["dir", "dir/deep", "dir/tool", "fifo", "link", "one", "to-dir", "twin"]
    assert names.index("dir") < names.index("dir/deep")


def test_content_modes_links_and_kinds_are_kept(root: Path) -> None:
    tar = unpacked(root)
    tool = tar.extractfile("dir/tool")

    assert tool is not None
    assert tool.read() == bytes(range(256))
    assert tar.getmember("dir/tool").mode == 0o6751
    assert tar.getmember("link").linkname == "/etc/passwd"
    assert tar.getmember("to-dir").issym()
    assert tar.getmember("fifo").isfifo()
    assert tar.getmember("twin").islnk()
    assert tar.getmember("twin").linkname == "one"


def test_times_are_kept_to_the_nanosecond(root: Path) -> None:
    assert unpacked(root).getmember("one").pax_headers["mtime"] == "1600000000.123456789"


def test_owners_are_numbers_without_names(root: Path) -> None:
    member = unpacked(root).getmember("one")

    assert (member.uid, member.gid, member.uname, member.gname) == (os.getuid(), os.getgid(), "", "")


def test_names_that_are_no_text_or_hold_newlines_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\n\xff")
    (tmp_path / name).touch()

    assert unpacked(tmp_path).getnames() == [name]


def test_sockets_are_left_out(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        (tmp_path / "file").touch()

        assert unpacked(tmp_path).getnames() == ["file"]


def test_an_empty_directory_is_an_empty_archive(tmp_path: Path) -> None:
    assert unpacked(tmp_path).getnames() == []


def test_only_what_was_named_is_in_a_directory_without_what_it_holds(root: Path) -> None:
    tar = unpacked(root, [b"dir", b"dir/tool", b"to-dir"])

    assert tar.getnames() == ["dir", "dir/tool", "to-dir"]
    assert (tar.getmember("dir/tool").mode, tar.getmember("to-dir").linkname) == (0o6751, "dir")


def test_of_two_names_of_a_file_the_one_that_was_named_has_the_content(root: Path) -> None:
    tar = unpacked(root, [b"twin"])
    twin = tar.extractfile("twin")

    assert twin is not None
    assert twin.read() == b"one"


def test_named_paths_may_hold_newlines_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    name = b"a\n\xff"
    (tmp_path / os.fsdecode(name)).touch()
    (tmp_path / "other").touch()

    assert unpacked(tmp_path, [name]).getnames() == [os.fsdecode(name)]


def test_a_named_file_that_is_gone_by_then_is_left_out(root: Path) -> None:
    assert unpacked(root, [b"gone", b"one", b"no/where"]).getnames() == ["one"]


def test_a_file_that_vanishes_before_its_turn_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()
    original = tarfile.TarFile.gettarinfo

    def then_remove(tar: tarfile.TarFile, name: Path, arcname: str) -> tarfile.TarInfo:
        (tmp_path / "b").unlink(missing_ok=True)
        return original(tar, name, arcname)

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", then_remove)

    assert unpacked(tmp_path).getnames() == ["a", "c"]


def test_a_directory_that_vanishes_while_it_is_walked_is_passed_over(root: Path) -> None:
    paths = pack.walk(root)
    assert next(paths) == root / "dir"
    (root / "dir").rename(root / "zoo")

    assert [path.name for path in paths] == ["fifo", "link", "one", "to-dir", "twin"]


def test_a_directory_that_vanished_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="missing: cannot be sent"):
        list(pack.stream(tmp_path / "missing"))


def test_a_file_that_shrinks_while_it_is_sent_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").write_bytes(b"x" * 1000)
    original = tarfile.TarFile.gettarinfo

    def then_cut(tar: tarfile.TarFile, name: Path, arcname: str) -> tarfile.TarInfo:
        member = original(tar, name, arcname)
        os.truncate(name, 10)
        return member

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", then_cut)

    with pytest.raises(WorkspaceError, match="cannot be sent"):
        list(pack.stream(tmp_path))


def test_a_reader_that_stops_early_leaves_no_thread_behind(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 5_000_000)
    stream = pack.stream(tmp_path)
    assert isinstance(stream, Iterator)
    next(stream)

    stream.close()  # type: ignore[attr-defined]  # it is a generator

    assert not [thread for thread in threading.enumerate() if thread.name == "pack"]


def test_what_is_not_read_is_not_held_in_memory(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 20_000_000)

    assert max(len(piece) for piece in pack.stream(tmp_path)) <= 1 << 20
