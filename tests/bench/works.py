"""The works of the table, as data: DESIGN's list of what must be reached, and some beside it."""

from dataclasses import dataclass

from tests.bench.gauges import FILES, FLEET, Copied, First, Gaps, Gauge, Killed, Opened, Wall
from tests.bench.pipelines import (
    BRANCHES,
    BRANCHES_AT_A_TIME,
    CALLS,
    FIRST,
    LINES,
    PARALLEL,
    SECRETS,
    SLEEP,
    STAGES,
    STAMPED,
    STEPS,
    docker_prints,
    docker_runs,
    docker_runs_beside,
)
from tests.bench.running import BIN, runner


@dataclass(frozen=True, kw_only=True)
class Work:
    """One line of the table.

    ``idle`` (seconds) is what both sides would take at least, and is taken off both; so is what ``base`` takes in the
    same round, if there is one. ``must`` and ``aim`` are the limits that the project has set itself: of the ratio, or
    of the figure (in ``unit``) where there is no reference.
    """

    name: str
    title: str
    ours: Gauge
    reference: Gauge | None
    must: float
    aim: float
    unit: str = "s"
    idle: float = 0.0
    base: Gauge | None = None
    daemon: bool = False  # whether ours needs one
    most: int = 100  # rounds, however many are asked for: some take minutes
    quick: bool = False  # whether it is so cheap that --quick measures it


def forks(name: str, title: str) -> Work:
    """Return the work that runs the branches of a fork, those of the file with this name."""
    return Work(
        name=name,
        title=f"{BRANCHES} branches of true, {BRANCHES_AT_A_TIME} at a time ({title})",
        ours=Wall(command=runner("exec", "--max-parallel", str(BRANCHES_AT_A_TIME), f"{name}.yml")),
        reference=Wall(command=docker_runs_beside(BRANCHES, "true", BRANCHES_AT_A_TIME)),
        must=1.2,
        aim=0.8,
        most=3,
    )


WORKS = (
    Work(
        name="gap",
        title=f"{STEPS} steps of sleep {SLEEP}, beyond {STEPS * SLEEP:g} s",
        ours=Wall(command=runner("exec", "gap.yml")),
        reference=Wall(command=docker_runs(STEPS, "sleep", str(SLEEP))),
        must=0.25,
        aim=0.15,
        idle=STEPS * SLEEP,
    ),
    Work(
        name="true",
        title=f"{STEPS} steps of true",
        ours=Wall(command=runner("exec", "true.yml")),
        reference=Wall(command=docker_runs(STEPS, "true")),
        must=0.45,
        aim=0.30,
        quick=True,
    ),
    Work(
        name="stages",
        title=f"{STAGES} stages of one true step, {PARALLEL} at a time",
        ours=Wall(command=runner("exec", "--max-parallel", str(PARALLEL), "stages.yml")),
        reference=Wall(command=docker_runs_beside(STAGES, "true")),
        must=0.85,
        aim=0.65,
    ),
    Work(
        name="between",
        title="gap between two steps, last line to first line",
        ours=Gaps(command=runner("exec", "stamped.yml")),
        reference=Gaps(command=docker_runs(STEPS, "sh", "-c", "; ".join(STAMPED))),
        must=0.12,
        aim=0.07,
    ),
    forks("matrix", "matrix"),
    forks("fork", "joined"),
    Work(
        name="output",
        title="a step that prints 100 MB, to a file",
        ours=Wall(command=runner("exec", "output.yml"), output=LINES * 100),
        reference=Wall(command=docker_prints(), output=LINES * 100),
        must=1.0,
        aim=0.4,
    ),
    Work(
        name="masked",
        title=f"a step that prints 100 MB, {SECRETS} secrets masked",
        ours=Wall(command=runner("exec", "--secret-file", "secrets", "output.yml"), output=LINES * 100),
        reference=Wall(command=docker_prints(), output=LINES * 100),
        must=1.5,
        aim=1.0,
    ),
    Work(
        name="outputs",
        title=f"{STEPS} steps that write outputs, {STEPS} that do not",
        ours=Wall(command=runner("exec", "outputs.yml")),
        reference=Wall(command=runner("exec", "true.yml")),
        must=1.15,
        aim=1.05,
    ),
    Work(
        name="workspace",
        title=f"stage workspace over {FILES:,} files against cp -a",
        ours=Opened(),
        reference=Copied(),
        must=0.05,
        aim=0.01,
    ),
    Work(
        name="set_env",
        title=f"{CALLS} calls of set_env against {CALLS} of sh -c :",
        ours=Wall(command=runner("exec", "set_env.yml")),
        reference=Wall(command=runner("exec", "sh.yml")),
        base=Wall(command=runner("exec", "nothing.yml")),
        must=4,
        aim=2,
    ),
    Work(
        name="start",
        title="runner --version against python -c pass",
        ours=Wall(command=runner("--version")),
        reference=Wall(command=(str(BIN / "python"), "-c", "pass")),
        must=9,
        aim=4,
        quick=True,
    ),
    Work(
        name="submit",
        title="submit to the daemon, until the first line",
        ours=First(command=runner("submit", "--follow", "first.yml"), text=FIRST),
        reference=First(command=docker_runs(1, "echo", FIRST), text=FIRST),
        must=1.5,
        aim=1.1,
        daemon=True,
        quick=True,
    ),
    Work(
        name="killed",
        title=f"kill -9 of a daemon with {FLEET} runs, until all are driven",
        ours=Killed(figure="last"),
        reference=None,
        must=10,
        aim=3,
        most=3,
    ),
    Work(
        name="idle",
        title="resident memory of an idle daemon",
        ours=Killed(figure="idle"),
        reference=None,
        must=130,
        aim=100,
        unit="MB",
        most=3,
    ),
    Work(
        name="each",
        title=f"and for each of {FLEET} running steps",
        ours=Killed(figure="each"),
        reference=None,
        must=2,
        aim=0.5,
        unit="MB",
        most=3,
    ),
)
