"""The tasks of IBM's v11 pipelines, for version 2 of their files: their steps in order, and what each task waits for.

They are those of the pages "Pipeline Configuration v2" and "next generation pipelines", both withdrawn, and of files in
use. Of some tasks nobody has published the steps: there every step of a file counts, in its order.
"""

from functools import cached_property
from typing import Final

from runner.records import record

OWN_STEPS: Final = ("start", "collect-evidence")
"""Steps that every task has, with which IBM carries data from task to task; no file can say what they do."""

ASYNC: Final = "async-stage"
"""The task whose steps are the async stages."""

RUN: Final = "run-stage"
"""The only step of tasks that have one; of ``async-stage`` it is what the others take image and Docker from."""


@record
class Task:
    """A task of a pipeline. ``spellings`` are further names under which files have it.

    Without ``steps`` it is not known which it has; ``fixed``: it has none but IBM's own.
    """

    name: str
    needs: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    fixed: bool = False


@record
class TaskPipeline:
    """A kind of pipeline. ``last`` runs at the end, whatever has happened."""

    kind: str
    tasks: tuple[Task, ...]
    last: Task

    @cached_property
    def _by_name(self) -> dict[str, Task]:
        return {name: task for task in self.every() for name in (task.name, *task.spellings)}

    def every(self) -> tuple[Task, ...]:
        """Return all tasks, the last one too."""
        return (*self.tasks, self.last)

    def task(self, name: str) -> Task | None:
        """Return the task of that name, in whichever spelling; None when there is none."""
        return self._by_name.get(name)

    def names(self) -> tuple[str, ...]:
        """Return the names of all tasks, in every spelling."""
        return tuple(self._by_name)


def _start(kind: str) -> Task:
    return Task(name=f"{kind}-start", fixed=True)


_BUILD_STEPS: Final = ("setup", "unit-test", "build-artifact", "sign-artifact", "scan-artifact")
_CC_SCANS: Final = (
    *("cc-repo-scan", "cc-artifact-scan", "cc-static-scan", "cc-dynamic-scan"),
    *("cc-compliance-checks", "cc-scan-artifact"),
)
_CI: Final = TaskPipeline(
    kind="ci",
    tasks=(
        _start("ci"),
        Task(
            name="code-checks",
            needs=("ci-start",),
            steps=("checks-setup", "detect-secrets", "compliance-checks", "peer-review", "static-scan"),
        ),
        Task(name="code-build", needs=("ci-start",), steps=_BUILD_STEPS),
        Task(name="deploy-checks", needs=("code-build",), steps=("deploy", "dynamic-scan", "acceptance-test")),
        Task(name="deploy-release", needs=("code-checks", "deploy-checks"), steps=(RUN,)),
    ),
    last=Task(name="code-ci-finish", steps=(RUN,), spellings=("ci-finish",)),
)
_PR: Final = TaskPipeline(
    kind="pr",
    tasks=(
        _start("pr"),
        Task(
            name="pr-code-checks",
            needs=("pr-start",),
            steps=("checks-setup", "detect-secrets", "unit-test", "compliance-checks"),
        ),
    ),
    last=Task(name="code-pr-finish", steps=(RUN,), spellings=("pr-finish",)),
)
_CD: Final = TaskPipeline(
    kind="cd",
    tasks=(_start("cd"), Task(name="cd-deploy", needs=("cd-start",))),
    last=Task(name="cd-finish", spellings=("code-cd-finish",)),
)
_CC: Final = TaskPipeline(
    kind="cc",
    tasks=(_start("cc"), *(Task(name=name, needs=("cc-start",)) for name in _CC_SCANS)),
    last=Task(name="cc-finish", spellings=("code-cc-finish",)),
)
TASK_PIPELINES: Final = {pipeline.kind: pipeline for pipeline in (_CI, _CD, _PR, _CC)}
"""The pipelines by their kinds."""


def task_names() -> tuple[str, ...]:
    """Return every name that a task of a pipeline has in files."""
    return (ASYNC, *(name for pipeline in TASK_PIPELINES.values() for name in pipeline.names()))


def owner_of(step: str) -> str:
    """Return the task that has a step of exactly that name, in whichever pipeline; empty when none has."""
    tasks = (task for pipeline in TASK_PIPELINES.values() for task in pipeline.every())
    return next((task.name for task in tasks if step in task.steps and step != RUN), "")
