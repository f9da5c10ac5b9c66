import io
import tarfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.backends.docker.tars import Limits, kept, packed, unpacked
from runner.errors import InfrastructureError

LIMITS = Limits(directory="the box", entry="the thing", hint="less", all_bytes=1 << 20, members=10, file=1 << 19)
NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)


def pieces(data: bytes, size: int = 100) -> Generator[bytes, None, None]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mtime = kind, link, 1_000
    return made


@given(st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5))
def test_what_is_packed_comes_out_as_it_was(files: dict[str, bytes]) -> None:
    sent = packed({f"d/{name}": content for name, content in files.items()}, 0o666)

    assert unpacked(pieces(sent), LIMITS).files == files


def test_files_are_roots_with_the_mode_that_is_given() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed({"a": b"1"}, 0o644))) as tar:
        found = tar.getmember("a")

    assert (found.mode, found.uid, found.gid) == (0o644, 0, 0)


def test_names_that_are_no_utf_8_pass() -> None:
    assert unpacked(pieces(packed({"d/\udcff": b"1"}, 0o666)), LIMITS).files == {"\udcff": b"1"}


def test_only_regular_files_directly_in_the_directory_are_taken() -> None:
    sent = tar_of(
        (member("d", tarfile.DIRTYPE), b""),
        (member("d/a"), b"1"),
        (member("d/again", tarfile.LNKTYPE, "d/a"), b""),
        (member("d/link", tarfile.SYMTYPE, "a"), b""),
        (member("d/fifo", tarfile.FIFOTYPE), b""),
        (member("d/device", tarfile.CHRTYPE), b""),
        (member("d/deep/b"), b"2"),
        (member("d/dangling", tarfile.LNKTYPE, "d/none"), b""),
    )

    found = unpacked(pieces(sent), LIMITS)

    assert found.files == {"a": b"1", "again": b"1"}
    assert found.sizes == {"a": 1, "again": 1}


def test_skipped_files_have_a_size_and_do_not_count() -> None:
    sent = packed({"d/f.big": bytes(2 << 20), "d/e.a": b"1"}, 0o666)
    limits = Limits(directory="the box", entry="the thing", hint="less", all_bytes=100, members=10)

    found = unpacked(pieces(sent), limits, skipped=lambda name: name.startswith("f."))

    assert found.files == {"e.a": b"1"}
    assert found.sizes["f.big"] == 2 << 20


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"d/big": bytes((1 << 19) + 1)}, "the thing big has more than 0 MiB"),
        ({f"d/{number}": bytes(1 << 18) for number in range(5)}, "the box holds more than 10 files or 1 MiB"),
        ({f"d/{number}": b"" for number in range(12)}, "the box holds more than 10 files or 1 MiB"),
        ({"d/deep/big": bytes((1 << 20) + 1)}, "the box holds more than 10 files or 1 MiB"),
    ],
)
def test_more_than_the_limits_is_an_error_that_says_what_would_be_right(files: dict[str, bytes], words: str) -> None:
    with pytest.raises(InfrastructureError, match=words) as caught:
        unpacked(pieces(packed(files, 0o666)), LIMITS)

    assert caught.value.hint == "less"


def test_a_tar_that_breaks_off_anywhere_is_damaged() -> None:
    whole = packed({"d/a": b"1" * 700}, 0o666).rstrip(b"\0") + bytes(1024 + 324)
    whole = whole[: len(whole) - len(whole) % 512]
    for size in range(0, len(whole) - 600, 128):
        with pytest.raises(tarfile.TarError):
            unpacked(pieces(whole[:size]), LIMITS)


def test_what_is_kept_of_a_tar_are_the_wanted_files_as_anybodys(tmp_path: Path) -> None:
    sent = tar_of(
        (member("d", tarfile.DIRTYPE), b""),
        (member("d/f.a"), b"1"),
        (member("d/f.b", tarfile.LNKTYPE, "d/f.a"), b""),
        (member("d/f.link", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (member("d/e.a"), b"2"),
        (member("d/below/f.c"), b"3"),
    )
    target = tmp_path / "saved.tar"

    kept(pieces(sent), target, lambda name: name.startswith("f."), most=1)

    with tarfile.open(target) as tar:
        assert {found.name: found.mode for found in tar} == {"f.a": 0o666, "f.b": 0o666}
        again = tar.extractfile("f.b")
        assert again is not None
        assert again.read() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["saved.tar"]


def test_files_that_are_too_much_are_not_kept_and_the_target_does_not_appear(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="more than 1 bytes"):
        kept(pieces(tar_of((member("d/f.a"), b"12"))), tmp_path / "saved.tar", lambda _: True, most=1)

    assert not (tmp_path / "saved.tar").exists()


def test_a_tar_that_breaks_off_is_not_kept(tmp_path: Path) -> None:
    sent = tar_of((member("d/f.a"), b"1" * 5000), (member("d/f.b"), b"2"))
    with pytest.raises(tarfile.TarError):
        kept(pieces(sent[:6000]), tmp_path / "saved.tar", lambda _: True, most=10_000)

    assert not (tmp_path / "saved.tar").exists()
