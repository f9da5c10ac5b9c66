"""What is mounted into steps."""

import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.pipelinectl import bundle
from runner.pipelinectl.layout import VERSION
from tests.support.scripts import ROOT
from tests.support.shim import Shim

SOURCES = ROOT / "runner" / "pipelinectl" / "shim"


@pytest.fixture
def entries() -> Iterator[dict[str, tarfile.TarInfo]]:
    with tarfile.open(fileobj=io.BytesIO(bundle.archive())) as tar:
        yield {entry.name: entry for entry in tar}


def test_each_command_is_a_link_beside_the_one_program(entries: dict[str, tarfile.TarInfo]) -> None:
    links = {name: entry.linkname for name, entry in entries.items() if entry.issym()}

    assert links == {f"bin/{command}": "pipelinectl" for command in bundle.COMMANDS}
    assert entries["bin/pipelinectl"].isfile()


def test_tools_to_source_lie_in_a_folder_of_their_own(entries: dict[str, tarfile.TarInfo]) -> None:
    tools = {name.removeprefix("tools/") for name, entry in entries.items() if name.startswith("tools/")}

    assert tools == {"retry", "get_repo_params", "get_repo_name", "get_repo_owner", "trigger-task", "collect-evidence"}


def test_all_can_be_run_by_everybody_and_changed_by_root_alone(entries: dict[str, tarfile.TarInfo]) -> None:
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 0)}
    assert {entry.mode for entry in entries.values() if not entry.issym()} == {0o755}


def test_entries_are_sorted_and_folders_come_first(entries: dict[str, tarfile.TarInfo]) -> None:
    assert list(entries) == sorted(entries)
    assert [name for name, entry in entries.items() if entry.isdir()] == ["bin", "tools"]


def test_another_process_makes_the_same_archive() -> None:
    program = "from runner.pipelinectl import bundle; print(bundle.digest())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == bundle.digest()


def test_the_digest_is_short_and_hexadecimal() -> None:
    assert re.fullmatch("[0-9a-f]{12}", bundle.digest())


def test_another_program_or_another_link_has_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = bundle.digest.__wrapped__
    shutil.copytree(SOURCES, tmp_path / "shim")
    monkeypatch.setattr(bundle, "_SHIM", tmp_path / "shim")
    assert digest() == bundle.digest()

    with monkeypatch.context() as linked:
        linked.setattr(bundle, "COMMANDS", (*bundle.COMMANDS, "one_more"))
        assert digest() != bundle.digest()
    (tmp_path / "shim" / "tools" / "retry").write_text("true\n")
    assert digest() != bundle.digest()


def test_the_shim_itself_knows_the_same_commands(shim: Shim) -> None:
    listed = re.findall(rb"^  (\S+)  ", shim.call("pipelinectl", "help").out, re.MULTILINE)

    sole = ["skip", "stop", "pause", "serialize", "deserialize", "version", "help"]
    assert [name.decode() for name in listed] == [*bundle.COMMANDS, *sole]


def test_the_shim_says_which_layout_of_values_it_keeps(shim: Shim) -> None:
    assert shim.call("pipelinectl", "version").out == f"pipelinectl of runner, layout {VERSION} of values\n".encode()


def test_no_line_of_the_shim_is_too_long_to_read(entries: dict[str, tarfile.TarInfo]) -> None:
    with tarfile.open(fileobj=io.BytesIO(bundle.archive())) as tar:
        files = {name: tar.extractfile(entry) for name, entry in entries.items() if entry.isfile()}
        lines = [(name, line) for name, file in files.items() if file for line in file.read().splitlines()]

    assert [(name, line) for name, line in lines if len(line) > 120] == []


def test_shellcheck_finds_nothing() -> None:
    files = [SOURCES / "pipelinectl", *sorted((SOURCES / "tools").iterdir())]

    done = subprocess.run(["shellcheck", "--shell=sh", *files], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")
