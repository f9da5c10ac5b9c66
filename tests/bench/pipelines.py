"""The pipelines that the works run, and the same work as plain `docker run`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

IMAGE = "busybox:local"
STEPS = 10
STAGES = 16
PARALLEL = 4
BRANCHES, BRANCHES_AT_A_TIME = 200, 8
SLEEP = 0.4  # seconds
SECRETS = 20
CALLS = 1000
LINES = 1_000_000  # of 100 bytes each with the end of the line, so 100 MB
LINE = "7".zfill(99)
PRINT = f"yes $(printf '%099d' 7) | head -n {LINES}"
"""Prints the lines. The line itself is not in the text: some runners print the text of what they run, too."""

BEGIN, END = "begin", "end"
STAMPED = (f"echo {BEGIN} | ts %.s", f"sleep {SLEEP}", f"echo {END} | ts %.s")
"""Commands that print the time of day, with microseconds, at their very start and end."""

FIRST = "the first line"

Document = Mapping[str, object]

_LOOP = f"i=0; while [ $i -lt {CALLS} ]; do {{}}; i=$((i + 1)); done"


def docker_runs(count: int, *command: str) -> tuple[str, ...]:
    """Return a command line that runs a command in one container after the other."""
    loop = 'n=$1; shift; while [ "$n" -gt 0 ]; do docker run --rm "$@" || exit; n=$((n - 1)); done'
    return ("sh", "-c", loop, "sh", str(count), IMAGE, *command)


def docker_runs_beside(count: int, command: str, at_a_time: int = PARALLEL) -> tuple[str, ...]:
    """Return a command line that runs a command in ``count`` containers, some at a time."""
    fan = 'seq "$1" | xargs -P "$2" -I NUMBER docker run --rm "$3" "$4"'
    return ("sh", "-c", fan, "sh", str(count), str(at_a_time), IMAGE, command)


def docker_prints() -> tuple[str, ...]:
    """Return a command line that prints the lines from a container whose output the engine keeps in a file."""
    return ("docker", "run", "--rm", "--log-driver", "json-file", IMAGE, "sh", "-c", PRINT)


def steps(count: int, *commands: str) -> list[Document]:
    """Return steps of a pipeline that all run the same commands."""
    return [{"name": f"step{number}", "image": IMAGE, "commands": list(commands)} for number in range(count)]


def sequence(count: int, *commands: str) -> Document:
    """Return a pipeline of steps one after the other."""
    return {"version": "1", "steps": steps(count, *commands)}


def beside(stages: int, count: int, *commands: str) -> Document:
    """Return a pipeline of stages beside each other, with steps that all run the same commands."""
    stage = {"independent": True, "steps": steps(count, *commands)}
    return {"version": "1", "stages": {f"stage{number}": stage for number in range(stages)}}


def application(values: Sequence[int]) -> Document:
    """Return an application that forks over values, and joins the branches."""
    fork = {"id": "EACH", "executionType": "fork", "forkByValues": list(values), "forkLimit": BRANCHES_AT_A_TIME}
    join = {"id": "ALL", "executionType": "join", "parents": ["EACH"]}
    pipeline = {"id": "main", "steps": [{"id": "true", "image": IMAGE, "commands": ["true"]}]}
    return {"pipelines": [pipeline], "executions": [fork, join]}


def pipelines() -> Mapping[str, Document]:
    """Return the pipelines of the table, by the names of their files."""
    values = list(range(BRANCHES))
    matrix = {"each": {"fork": values, "fork_limit": BRANCHES_AT_A_TIME, "steps": steps(1, "true")}}
    return {
        "gap.yml": sequence(STEPS, f"sleep {SLEEP}"),
        "true.yml": sequence(STEPS, "true"),
        "stamped.yml": sequence(STEPS, *STAMPED),
        "stages.yml": beside(STAGES, 1, "true"),
        "matrix.yml": {"version": "1", "stages": matrix},
        "fork.yml": application(values),
        "output.yml": sequence(1, PRINT),
        "outputs.yml": sequence(STEPS, "echo A=1 >$VELA_OUTPUTS"),
        "set_env.yml": sequence(1, _LOOP.format("set_env key value")),
        "sh.yml": sequence(1, _LOOP.format("sh -c :")),
        "nothing.yml": sequence(1, _LOOP.format(":")),
        "first.yml": sequence(1, f"echo {FIRST}"),
    }


def write(folder: Path, documents: Mapping[str, Document]) -> None:
    """Write pipelines where the works find them; JSON is YAML."""
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")


def write_secrets(folder: Path) -> None:
    """Write the file of the secrets that are masked."""
    lines = "".join(f"SECRET_{number}={number:04}-{'s3cr3t/' * 4}\n" for number in range(SECRETS))
    (folder / "secrets").write_text(lines, encoding="utf-8")
