"""Cases of the commands in a step, as data: read from YAML, laid out for one shell that runs them all, and judged.

The fields of a case are those of the file itself (``tests/conformance/data/pipelinectl.yaml``).
"""

import io
import json
import tarfile
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

ABSENT = object()

DRIVER = """\
# Run the steps of all cases below the absolute path "$1", each case with stores, a directory and a configuration of its
# own. Print what came of them: a tar as base64, with <case>/<number of the step>.exit, .out and .err.
work=$(mktemp -d)
step() (
    export CONFIG_DIR="$case/config" SECRET_CONFIG_DIR="$case/secret"
    . "$1/given" # store, text, and the variables of the step
    export RUNNER_VALUES="$here/$store/values" RUNNER_SECRETS="$here/$store/secrets"
    cd "$here/cwd" || exit 125
    exec sh -c "$text" <"$1/stdin"
)
for case in "$1"/*; do
    here=$work/${case##*/} results=$work/results/${case##*/}
    mkdir -p "$results" "$here/cwd" "$here/first/values" "$here/first/secrets" \\
        "$here/second/values" "$here/second/secrets"
    for number in "$case"/steps/*; do
        result=$results/${number##*/}
        step "$number" >"$result.out" 2>"$result.err"
        echo $? >"$result.exit"
    done
done
tar -czf - -C "$work/results" . | base64
rm -rf "$work"
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a step: its exit code, and all that it printed."""

    exit: int
    out: bytes
    err: bytes


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What must come of a step. ``exit`` is a number, or "nonzero"; None and empty fields say nothing."""

    exit: int | str | None = None
    stdout: str | None = None
    stdout_lines: Sequence[str] | None = None
    stdout_lines_any_order: Sequence[str] | None = None
    stdout_contains: Sequence[str] = ()
    stdout_lacks: Sequence[str] = ()
    stdout_json: object = field(default=ABSENT, repr=False)
    stderr_contains: Sequence[str] = ()
    stderr_nonempty: bool = False

    def judge(self, outcome: Outcome) -> None:
        """Fail where an outcome is not what is expected."""
        if self.exit == "nonzero":
            assert outcome.exit, outcome
        elif self.exit is not None:
            assert outcome.exit == self.exit, outcome
        self._judge_stdout(outcome.out.decode("utf-8", "surrogateescape"))
        err = outcome.err.decode("utf-8", "surrogateescape")
        assert [text for text in self.stderr_contains if text not in err] == [], err
        assert err or not self.stderr_nonempty

    def _judge_stdout(self, out: str) -> None:
        text = out.removesuffix("\n")
        lines = text.split("\n") if out else []
        if self.stdout is not None:
            assert text == self.stdout, (text, self.stdout)
        if self.stdout_lines is not None:
            assert lines == list(self.stdout_lines), (lines, self.stdout_lines)
        if self.stdout_lines_any_order is not None:
            assert sorted(lines) == sorted(self.stdout_lines_any_order), (lines, self.stdout_lines_any_order)
        if self.stdout_json is not ABSENT:
            assert json.loads(out) == self.stdout_json, (out, self.stdout_json)
        assert [part for part in self.stdout_contains if part not in out] == [], out
        assert [part for part in self.stdout_lacks if part in out] == [], out


@dataclass(frozen=True, kw_only=True)
class CaseStep:
    """A shell text, and what must come of it. ``store`` is "first" or "second"."""

    sh: str
    store: str = "first"
    stdin: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    expect: Expect


@dataclass(frozen=True, kw_only=True)
class Case:
    """Steps that run one after the other over stores that are empty at first."""

    id: str
    ref: str
    config_files: Mapping[str, str]
    secret_files: Mapping[str, str]
    steps: tuple[CaseStep, ...]


def read(path: Path) -> tuple[Case, ...]:
    """Return the cases of a file that are about the commands in a step."""
    cases = yaml.safe_load(path.read_text(encoding="utf-8"))["cases"]
    return tuple(_case(case) for case in cases if "steps" in case)


def _case(raw: Mapping[str, Any]) -> Case:
    return Case(
        id=raw["id"],
        ref=raw["ref"],
        config_files=raw.get("config_files", {}),
        secret_files=raw.get("secret_files", {}),
        steps=tuple(CaseStep(**{**step, "expect": Expect(**step["expect"])}) for step in raw["steps"]),
    )


def lay_out(cases: Sequence[Case], folder: Path) -> None:
    """Write ``DRIVER`` as ``driver``, and the cases below ``cases``."""
    (folder / "driver").write_text(DRIVER, encoding="utf-8")
    for case in cases:
        root = folder / "cases" / case.id
        for name, files in (("config", case.config_files), ("secret", case.secret_files)):
            _write(root / name, files)
        for number, step in enumerate(case.steps):
            exports = [f"export {name}={quote(value)}" for name, value in step.env.items()]
            given = "\n".join([f"store={quote(step.store)} text={quote(step.sh)}", *exports, ""])
            _write(root / "steps" / f"{number:02}", {"given": given, "stdin": step.stdin})


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")


def outcomes(printed: bytes) -> dict[str, list[Outcome]]:
    """Return what the driver has printed, by case."""
    with tarfile.open(fileobj=io.BytesIO(b64decode(printed))) as archive:
        members = [member for member in archive if member.isfile()]
        files = {member.name.removeprefix("./"): _content(archive, member) for member in members}
    found: dict[str, list[Outcome]] = {}
    for name in sorted(name.removesuffix(".exit") for name in files if name.endswith(".exit")):
        ended = Outcome(exit=int(files[f"{name}.exit"]), out=files[f"{name}.out"], err=files[f"{name}.err"])
        found.setdefault(name.partition("/")[0], []).append(ended)
    return found


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    assert opened is not None
    with opened:
        return opened.read()
