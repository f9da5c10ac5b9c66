"""Secrets reach the steps that ask for them, and nothing else."""

import base64
import json
import subprocess
from pathlib import Path

import pytest

from runner.errors import ExitCode
from tests.support.cli import Place

TOKEN = "s3cr3t-Tok/en+value"
KEY = "-----BEGIN KEY-----\nMIIEvAIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"

PIPELINE = """\
version: "1"
secrets:
  - name: token
  - name: deploy_key
steps:
  - name: asks
    image: busybox:local
    secrets:
      - {source: token, target: TOKEN}
      - {source: deploy_key, target: KEY}
    commands:
      - test ${#TOKEN} -eq 19 && test "$(printf '%s' "$KEY" | wc -l)" -eq 3
      - echo "it is $TOKEN, is it not"
      - echo "$TOKEN" >&2
      - echo "$KEY"
      - printf '%s' "$TOKEN" | base64
      - i=1; while [ $i -le ${#TOKEN} ]; do printf '%s' "$TOKEN" | cut -b $i | tr -d '\\n'; i=$((i+1)); done; echo
      - head -c 65530 /dev/zero | tr '\\0' x; printf '%s' "$TOKEN"; head -c 65536 /dev/zero | tr '\\0' x; echo
      - printf "%s" "$TOKEN" | head -c 9; sleep 1; printf "%s\\n" "$TOKEN" | tail -c 11
      - touch ready; until [ -e go ]; do sleep 0.1; done
  - name: asks not
    image: busybox:local
    commands:
      - echo "token is ${TOKEN:-unset}"
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options that give both secrets by file."""
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    (tmp_path / "key").write_text(KEY, encoding="utf-8")
    return ["--secret", f"token=@{tmp_path}/token", "--secret", f"deploy_key=@{tmp_path}/key"]


def leaks(text: str) -> list[str]:
    """Return what of the secrets stands in a text."""
    forms = [TOKEN, base64.b64encode(TOKEN.encode()).decode(), json.dumps(TOKEN)[1:-1], *KEY.splitlines()]
    return [form for form in forms if form in text]


@pytest.mark.sampled
@pytest.mark.parametrize("output", ["text", "json", "events"])
def test_a_secret_is_masked_everywhere_however_it_is_printed(place: Place, files: list[str], output: str) -> None:
    place.write(PIPELINE)
    (place.repo / "go").touch()
    finished = place.exec("--output", output, *files)
    kept = [path for path in place.state.rglob("*") if path.is_file()]

    assert finished.code == ExitCode.SUCCESS, finished.err
    assert leaks(finished.out + finished.err) == []
    assert "it is ***, is it not" in finished.out + finished.err
    assert "token is unset" in finished.out + finished.err
    assert any(path.suffix == ".log" for path in kept)
    assert [path for path in kept if leaks(path.read_text(encoding="utf-8", errors="replace"))] == []


def test_the_engine_does_not_show_a_secret_of_a_running_step(place: Place, files: list[str]) -> None:
    place.write(PIPELINE)
    running = place.start("exec", "--bind", *files)
    running.until("| $ touch ready")
    steps = place.containers("step")
    shown = subprocess.check_output(["docker", "inspect", *steps], text=True)
    arguments = Path(f"/proc/{running.process.pid}/cmdline").read_text(encoding="utf-8")
    (place.repo / "go").touch()
    finished = running.finish()

    assert finished.code == ExitCode.SUCCESS
    assert steps  # the one that runs, and perhaps the next at its gate
    assert leaks(shown + arguments) == []


def test_a_secret_of_the_environment_is_found_by_its_name_in_capitals(place: Place) -> None:
    place.write("""\
        version: "1"
        steps:
          - name: asks
            image: busybox:local
            secrets: [token]
            commands: ['echo "[$TOKEN]"; echo ${#TOKEN}']
        """)
    finished = place.exec(env={"TOKEN": TOKEN})

    assert finished.printed("steps/asks") == ["[***]", "19"]


def test_all_missing_secrets_are_named_before_anything_starts(place: Place) -> None:
    place.write(PIPELINE)
    finished = place.exec()

    assert finished.code == ExitCode.INVALID
    assert "token" in finished.err
    assert "deploy_key" in finished.err
    assert "--secret" in finished.err
    assert place.runs == []


def test_a_secret_too_short_to_be_masked_is_said_to_be_so(place: Place) -> None:
    place.write("""\
        version: "1"
        steps:
          - {name: s, image: "busybox:local", secrets: [pin], commands: [echo done]}
        """)
    finished = place.exec(env={"PIN": "1"})

    assert finished.code == ExitCode.SUCCESS
    assert "secret pin is too short to be masked" in finished.out
