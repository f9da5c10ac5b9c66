"""Version 2 as it is written: tasks and their steps, whichever pipeline has them."""

from collections.abc import Iterator
from typing import Final

from runner.dialects.fields import KINDS, Fields
from runner.dialects.findings import Findings, quoted
from runner.dialects.ibm.conditions import Condition, read_condition
from runner.dialects.ibm.drafts import check_name, map_of
from runner.dialects.ibm.keys import FINALLY, STEP, TASK, TASKS, VERSION_2
from runner.dialects.ibm.work import SKIPPED, Work, pull_policy
from runner.dialects.nodes import Entry, Mapping
from runner.plan import quantities
from runner.plan.graph import Named
from runner.records import record

_DIND: Final = "dind"
_SOCKET: Final = "docker-socket"
_PODMAN: Final = "rootful-podman"
_TASK_INCLUDES: Final = (_DIND, "podman")
_STEP_INCLUDES: Final = (_SOCKET, _PODMAN, *_TASK_INCLUDES)
_OLDER: Final = {
    "dind": "include: [docker-socket]",
    "abort_on_failure": "onError: continue for false",
    "skip": "when: false",
}
"""Keys of version 1, which files in use have in steps; what version 2 has for them."""


@record
class WrittenStep:
    """A step; ``condition`` is None where it has none."""

    named: Named
    work: Work
    condition: Condition | None

    @property
    def off(self) -> bool:
        """Whether the file itself switches it off, whatever the reason for a run."""
        return bool(self.work.skip) or (self.condition is not None and self.condition.constant is False)


@record
class WrittenTask:
    """A task; ``origin`` is the one that it is a further one of. One at the end stands under ``finally``."""

    named: Named
    steps: tuple[WrittenStep, ...]
    run_after: tuple[Named, ...] = ()
    condition: Condition | None = None
    origin: Named | None = None
    timeout: float | None = None
    at_end: bool = False


def read_tasks(root: Mapping, findings: Findings) -> tuple[WrittenTask, ...]:
    """Return the tasks of a file, in its order."""
    fields = Fields(root, "the file", findings, VERSION_2).checked()
    found: list[WrittenTask] = []
    for key in (TASKS, FINALLY):
        node = fields.mapping(key)
        for entry in node.entries if node else ():
            found += _read_task(entry, findings, at_end=key == FINALLY)
    return tuple(found)


def _read_task(entry: Entry, findings: Findings, *, at_end: bool) -> Iterator[WrittenTask]:
    named = Named(name=entry.key.text, place=entry.key.place)
    check_name(named, findings)
    node = map_of(entry.value)
    if node is None:
        message = f"the task {quoted(named.name)} is {KINDS[type(entry.value)]}"
        findings.error(entry.value.place, message, "write its keys under it, such as steps")
        return
    fields = Fields(node, f"task {quoted(named.name)}", findings, TASK).checked()
    _check_includes(fields, _TASK_INCLUDES)
    on_error = fields.word("onError", "stopAndFail")
    fields.word("runtimeClassName", "")  # means nothing here, and must still be one
    yield WrittenTask(
        named=named,
        steps=_read_steps(fields, on_error),
        run_after=fields.names("runAfter"),
        condition=read_condition(fields),
        origin=fields.named("from"),
        timeout=fields.parsed("timeout", quantities.timeout, None),
        at_end=at_end,
    )


def _read_steps(task: Fields, on_error: str) -> tuple[WrittenStep, ...]:
    """Return the steps of a task; of two with one name the later one counts."""
    found: dict[str, WrittenStep] = {}
    for node in task.maps("steps"):
        named = Fields(node, f"a step of {task.what}", task.findings, STEP).named("name")
        if named is None:
            task.findings.error(node.place, f"a step of {task.what} has no 'name'", "name the step of the task")
            continue
        if named.name in found:
            message = f"{task.what} has two steps {quoted(named.name)}"
            task.findings.warning(named.place, message, "this one counts")
        found[named.name] = _read_step(node, named, task.findings, on_error)
    return tuple(found.values())


def _read_step(node: Mapping, named: Named, findings: Findings, on_error: str) -> WrittenStep:
    check_name(named, findings)
    fields = Fields(node, f"step {quoted(named.name)}", findings, STEP).checked()
    _warn_older(fields)
    includes = _check_includes(fields, _STEP_INCLUDES)
    goes_on = fields.word("onError", on_error) == "continue" or not fields.flag("abort_on_failure", default=True)
    work = Work(
        image=fields.text("image"),
        script=fields.text("script"),
        pull=pull_policy(fields.word("image_pull_policy", "IfNotPresent")),
        docker="" if fields.flag("dind") or {_SOCKET, _DIND} & includes else None,
        privileged=_PODMAN in includes,
        proceed=goes_on,
        timeout=fields.parsed("timeout", quantities.timeout, None),
        skip=SKIPPED if fields.flag("skip") else "",
    )
    return WrittenStep(named=named, work=work, condition=read_condition(fields))


def _check_includes(fields: Fields, known: tuple[str, ...]) -> set[str]:
    """Return what a task or step includes, and warn of what nobody knows."""
    includes = fields.names("include")
    for include in includes:
        if include.name not in known:
            near = fields.findings.nearest(include.name, known)
            hint = f"did you mean {near!r}?" if near else f"it can include {', '.join(known)}"
            fields.findings.warning(include.place, f"{fields.what} includes {quoted(include.name)}", hint)
    return {include.name for include in includes}


def _warn_older(fields: Fields) -> None:
    """Warn of keys that belong to version 1, or to tasks."""
    for key, newer in _OLDER.items():
        if fields.value(key) is not None:
            message = f"{key!r} of {fields.what} belongs to version 1, and counts all the same"
            fields.findings.warning(fields.place(key), message, f"in version 2: {newer}")
    if fields.value("runAfter") is not None:
        message = f"'runAfter' of {fields.what} means nothing"
        fields.findings.warning(fields.place("runAfter"), message, "steps run in the order of their task")
