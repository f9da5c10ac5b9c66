import io
import os
import socket
import tarfile
import threading
from collections.abc import Iterator
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


def unpacked(root: Path) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(pack.stream(root))), format=tarfile.PAX_FORMAT)


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
