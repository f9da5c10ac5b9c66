"""Files that a command is given."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from runner.workspace.files import read, read_all

RUNNER = Path(sys.executable).parent / "runner"
LARGEST = 32 * 1024 * 1024


@pytest.mark.parametrize("content", [b"", b"a\r\nb", b"\x00\xff"])
def test_a_file_is_read_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)

    assert read(tmp_path / "file") == content


def test_a_file_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "file")


def test_the_largest_file_is_read_whole_and_a_larger_one_is_refused() -> None:
    assert len(read_all(io.BytesIO(bytes(LARGEST)))) == LARGEST
    with pytest.raises(OSError, match="File too large"):
        read_all(io.BytesIO(bytes(LARGEST + 1)))


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", "/dev/zero"),
        ("validate", "-"),
        ("compile", "/dev/zero"),
        ("compile", "p.yml", "--event-file", "/dev/zero"),
        ("compile", "p.yml", "--env-file", "/dev/zero"),
        ("exec", "p.yml", "--secret", "a=@/dev/zero"),
    ],
    ids=" ".join,
)
def test_an_endless_file_is_bad_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "p.yml").write_text("version: 1\nsteps: [{name: s, image: i}]\n", encoding="utf-8")
    with Path("/dev/zero").open("rb") as endless:
        done = subprocess.run(
            [RUNNER, *arguments], cwd=tmp_path, stdin=endless, capture_output=True, text=True, check=False
        )

    assert done.returncode == 2
    assert "File too large" in done.stdout + done.stderr


def test_defaults_that_are_too_large_are_bad_usage(tmp_path: Path) -> None:
    with (tmp_path / ".runner.toml").open("wb") as file:
        file.truncate(LARGEST + 1)

    done = subprocess.run([RUNNER, "compile"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (2, "runner: .runner.toml: File too large\n")
