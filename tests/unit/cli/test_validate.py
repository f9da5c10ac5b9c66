import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli import app
from runner.cli.validate import check, check_file
from runner.errors import Severity, UsageError

RUNNER = Path(sys.executable).parent / "runner"
GOOD = "version: '1'\nsteps: [{name: build, image: gcc}]\n"
ODD = "version: '1'\nsteps: [{name: build, image: gcc, comands: [make]}]\n"
BAD = "version: '1'\nsteps:\n  - image: gcc\n  - {name: test, image: gcc, pull: often, comands: [make]}\n"
MISSPELT = "step 'build' has no key 'comands' (did you mean 'commands'? as it stands, the image's own command runs)"


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    for name, text in {"good.yml": GOOD, "odd.yml": ODD, "bad.yml": BAD}.items():
        (tmp_path / name).write_text(text)


def _validate(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["runner", "validate", *arguments])
    return app.run()


def _stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_file_that_is_right_is_said_to_be_valid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _validate(monkeypatch, "good.yml") == 0
    assert capsys.readouterr() == ("good.yml: valid\n", "")


def test_warnings_are_told_and_leave_a_file_valid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _validate(monkeypatch, "odd.yml") == 0
    assert capsys.readouterr() == (f"odd.yml:2:35: warning: {MISSPELT}\nodd.yml: valid\n", "")


def test_with_strict_warnings_are_errors(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _validate(monkeypatch, "--strict", "odd.yml", "good.yml") == 2
    assert capsys.readouterr() == (f"odd.yml:2:35: {MISSPELT}\ngood.yml: valid\n", "")


def test_all_that_is_wrong_in_all_files_is_told_in_the_order_of_the_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _validate(monkeypatch, "bad.yml", "good.yml", "odd.yml") == 2

    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        *("bad.yml:3:5", "bad.yml:4:36", "bad.yml:4:43", "good.yml", "odd.yml:2:35", "odd.yml"),
    ]
    assert not any(line.startswith("bad.yml: ") for line in lines)


def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _validate(monkeypatch, "none.yml", ".", "good.yml") == 2

    assert capsys.readouterr().out.splitlines() == [
        "none.yml:1:1: the file cannot be read: No such file or directory",
        ".:1:1: the file cannot be read: Is a directory",
        "good.yml: valid",
    ]


def test_without_a_file_it_is_the_one_that_exec_would_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("pipeline.yml").write_text(BAD)
    Path(".vela.yaml").write_text(GOOD)

    assert _validate(monkeypatch) == 0
    assert capsys.readouterr().out == ".vela.yaml: valid\n"


def test_without_a_file_anywhere_the_usage_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _validate(monkeypatch) == 2
    assert "there is no pipeline in " in capsys.readouterr().err


def test_a_dash_is_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _stdin(monkeypatch, BAD.encode())

    assert _validate(monkeypatch, "good.yml", "-") == 2

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "good.yml: valid"
    assert [line.partition(": ")[0] for line in lines[1:]] == ["<stdin>:3:5", "<stdin>:4:36", "<stdin>:4:43"]


def test_json_is_one_document_with_the_keys_that_programs_know(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _validate(monkeypatch, "--output", "json", "good.yml", "odd.yml", "none.yml") == 2

    unreadable = "the file cannot be read: No such file or directory"
    message, hint = MISSPELT.removesuffix(")").split(" (")
    assert json.loads(capsys.readouterr().out) == {
        "files": [
            {"file": "good.yml", "valid": True, "findings": []},
            {
                "file": "odd.yml",
                "valid": True,
                "findings": [{"line": 2, "column": 35, "severity": "warning", "message": message, "hint": hint}],
            },
            {
                "file": "none.yml",
                "valid": False,
                "findings": [{"line": 1, "column": 1, "severity": "error", "message": unreadable, "hint": ""}],
            },
        ]
    }


def test_a_dialect_can_be_asked_for_and_must_exist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _validate(monkeypatch, "--dialect", "vela", "good.yml") == 0
    assert _validate(monkeypatch, "--dialect", "vella", "good.yml") == 2
    assert "did you mean 'vela'?" in capsys.readouterr().err


def test_nothing_happens_so_there_are_no_events(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _validate(monkeypatch, "--output", "events", "good.yml") == 2
    assert "there are no events" in capsys.readouterr().err


@pytest.mark.parametrize("rule", ["branch: main", "event: tag", "path: src", "sender: nobody"])
def test_a_step_that_no_run_here_would_keep_is_checked_as_well(rule: str) -> None:
    text = f"version: '1'\nsteps: [{{name: build, image: gcc, retry: often, ruleset: {{{rule}}}}}]\n"

    (finding,) = check(text.encode(), "p.yml").findings

    assert (finding.place.line, finding.severity) == (2, Severity.ERROR)
    assert finding.message.startswith("'retry' of step 'build'")


def test_a_deployment_without_its_parameters_is_valid_since_nobody_deploys() -> None:
    text = GOOD + "deployment: {targets: [prod], parameters: {region: {required: true}}}\n"

    assert check(text.encode(), "p.yml").valid


def test_what_is_checked_can_be_asked_for_without_a_command() -> None:
    checked = check_file(Path("odd.yml"), strict=True)

    assert (checked.file, checked.valid) == ("odd.yml", False)
    assert checked.lines == (f"odd.yml:2:35: {MISSPELT}",)
    with pytest.raises(UsageError):
        check(GOOD.encode(), "p.yml", dialect="klingon")


def test_a_closed_stdin_is_an_empty_file() -> None:
    done = subprocess.run(
        ["bash", "-c", '"$1" validate - <&-', "bash", RUNNER], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout == "<stdin>:1:1: the file is empty (write a pipeline into it)\n"


def test_a_name_that_is_not_unicode_does_not_end_the_command() -> None:
    name = os.fsdecode(b"caf\xe9.yml")
    Path(name).write_text(GOOD)

    done = subprocess.run([RUNNER, "validate", name], capture_output=True, check=True)

    assert done.stdout == b"caf\\udce9.yml: valid\n"
