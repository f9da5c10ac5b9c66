"""What the API offers: one method for each thing that a client can ask for. All may be called from any thread."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from runner import __version__
from runner.dispatch.agent import LocalAgent, Means
from runner.dispatch.base import Dispatcher
from runner.dispatch.children import Children
from runner.dispatch.feed import Feed
from runner.dispatch.hooks import Hooks
from runner.dispatch.looking import Looking
from runner.dispatch.registered import Registered
from runner.dispatch.requests import (
    Again,
    Definition,
    Health,
    Hook,
    Pipeline,
    Submission,
    Submitted,
    Summary,
    told_time,
)
from runner.dispatch.resuming import go_on
from runner.dispatch.submitting import Submitting
from runner.engine.backend import Terminal
from runner.engine.report import ChildReport, Report, report
from runner.engine.state import RunState
from runner.errors import DeniedError, UsageError
from runner.pipelinectl.payload import read_payload
from runner.pipelinectl.values import Store, values_of
from runner.plan.model import Plan
from runner.plan.status import Status
from runner.store.sql.runs import RunRecord

_MOST = 1000
"""How many runs a list has at most."""


class Service:
    """One daemon, as its clients have it. ``problems`` says why no new run begins; empty while they do."""

    def __init__(  # noqa: PLR0913 - the parts of a daemon, each given once by name
        self,
        *,
        means: Means,
        agent: LocalAgent,
        dispatcher: Dispatcher,
        submitting: Submitting,
        registered: Registered,
        hooks: Hooks,
        children: Children,
        looking: Looking,
        problems: Callable[[], tuple[str, ...]],
    ) -> None:
        self._means = means
        self._agent = agent
        self._dispatcher = dispatcher
        self._submitting = submitting
        self._registered = registered
        self._hooks = hooks
        self._children = children
        self._looking = looking
        self._problems = problems
        self._lock = threading.Lock()
        self.draining = False

    def health(self) -> Health:
        """Return how the daemon is."""
        problems = self._problems()
        return Health(
            status="draining" if self.draining else "refusing" if problems else "ok",
            version=__version__,
            waiting=self._means.runs.count(Status.PENDING),
            running=self._means.runs.count(Status.RUNNING),
            paused=self._means.runs.count(Status.PAUSED),
            problems=problems,
        )

    def submit(self, submission: Submission, *, local: bool) -> Submitted:
        """Store a run that is asked for; ``local`` says that the client is on this machine, so it may name a directory.

        Raises:
            InvalidPipelineError: its pipeline cannot run.
            UsageError: it asks for what is not there, or is not allowed.
            BusyError: too many runs wait.
            InfrastructureError: its repository cannot be fetched, or it cannot be stored.
        """
        return self._told(self._submitting.submit(submission, local=local))

    def rerun(self, run: str, again: Again) -> Submitted:
        """Store a run that repeats one, as a whole or from a stage on.

        Raises:
            NotFoundError: there is no such run or stage.
            ConflictError: it has not ended, or what it needs of the first one was not kept.
            BusyError: too many runs wait.
        """
        return self._told(self._submitting.rerun(run, again))

    def resume(self, run: str) -> None:
        """Have a run go on that is paused; as any that has begun, it need not wait for its turn.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it is not paused.
        """
        with self._lock:
            go_on(self._means, run)
        self._dispatcher.submit(run)

    def cancel(self, run: str, *, force: bool, children: bool = False) -> None:
        """Have a run end before its time, with ``children`` also its async stages, and theirs; else these go on.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it has ended, and so has all else that is meant.
        """
        with self._lock:
            asked = self._means.runs.ask_cancel(run, forced=force, children=children)
        for each in asked:
            self._dispatcher.cancel(each, force=force)

    def runs(
        self, *, pipeline: str = "", status: str = "", limit: int = 50, before: int | None = None
    ) -> list[Summary]:
        """Return runs, the newest first.

        Raises:
            UsageError: there is no such status.
        """
        if status and status not in list(Status):
            raise UsageError(f"{status} is no status", hint=f"there are {', '.join(Status)}")
        statuses = (Status(status),) if status else ()
        found = self._means.runs.find(pipeline, statuses, min(limit, _MOST), before)
        return [_summary(record) for record in found]

    def summary(self, run: str) -> Summary:
        """Return a run as it is listed.

        Raises:
            NotFoundError: there is none of that id.
        """
        return _summary(self._means.runs.get(run))

    def report(self, run: str) -> Report:
        """Return the document of a run as it stands; it has values when the run has ended or was paused.

        Raises:
            NotFoundError: there is none of that id.
        """
        plan = self.plan(run)
        entries = self._means.journal(run).read()
        result = self._means.runs.result_of(run)
        values = json.loads(result) if result else values_of(Store())
        return report(RunState(run, plan, entries), values, tuple(map(_child, self._means.runs.children(run))))

    def plan(self, run: str) -> Plan:
        """Return what a run was to do.

        Raises:
            NotFoundError: there is none of that id.
        """
        return self._means.order(run).plan

    def feed(self, run: str) -> AbstractContextManager[Feed]:
        """Have a run told, from its beginning until it has ended or is paused.

        Raises:
            NotFoundError: there is none of that id.
        """
        return self._agent.feed(run)

    def log(self, run: str, stage: str = "", step: str = "") -> Iterator[bytes]:
        """Return what the steps of a run have printed by now, in pieces: of one step as it is, of more with prefixes.

        Raises:
            NotFoundError: there is no such run, stage or step.
        """
        return self._looking.log(run, stage, step)

    def shell(self, run: str, stage: str, step: str, terminal: Terminal) -> None:
        """Let a person look around where a step ran; returns when the shell ends.

        Raises:
            NotFoundError: there is no such run, stage or step.
            ConflictError: its workspace is not there.
            InfrastructureError: the shell cannot be started.
        """
        self._looking.shell(run, stage, step, terminal)

    def pipelines(self) -> list[Pipeline]:
        """Return the registered pipelines, by name."""
        return self._registered.all()

    def pipeline(self, name: str) -> Pipeline:
        """Return a registered pipeline; raises NotFoundError."""
        return self._registered.get(name)

    def register(self, name: str, definition: Definition) -> Pipeline:
        """Register a pipeline, or change where its file is; raises UsageError."""
        return self._registered.register(name, definition)

    def forget(self, name: str) -> None:
        """Forget a pipeline with its properties, secrets and hooks; its runs stay. Raises NotFoundError."""
        self._registered.forget(name)

    def set_property(self, pipeline: str, name: str, value: str) -> None:
        """Give a pipeline a property; raises NotFoundError, UsageError."""
        self._registered.set_property(pipeline, name, value)

    def remove_property(self, pipeline: str, name: str) -> None:
        """Take a property away; raises NotFoundError."""
        self._registered.remove_property(pipeline, name)

    def set_secret(self, pipeline: str, name: str, value: str) -> None:
        """Give a pipeline a secret; raises NotFoundError, UsageError."""
        self._registered.set_secret(pipeline, name, value)

    def remove_secret(self, pipeline: str, name: str) -> None:
        """Take a secret away; raises NotFoundError."""
        self._registered.remove_secret(pipeline, name)

    def admit(self, pipeline: str, token: str) -> None:
        """See that whoever shows this token may start async stages of a pipeline.

        Raises:
            DeniedError: that is not so; what the reason is, nobody learns.
        """
        if not self._hooks.check(pipeline, token):
            raise DeniedError("this needs the token of a hook", hint="`runner hooks rotate PIPELINE` makes a new one")

    def trigger(self, pipeline: str, token: str, body: bytes) -> Submitted:
        """Store a run of an async stage, with the state that was posted to the hook of a pipeline.

        Raises:
            DeniedError: the token is not that of the hook.
            UsageError: the body is no payload; and as ``Children.start_for_pipeline``.
        """
        self.admit(pipeline, token)
        return Submitted(id=self._children.start_for_pipeline(pipeline, read_payload(body)))

    def hooks(self, pipeline: str = "") -> tuple[Hook, ...]:
        """Return the hooks of a pipeline, or of all; raises NotFoundError."""
        return self._hooks.list(pipeline)

    def rotate_hook(self, pipeline: str, token: str = "") -> str:
        """Give the hook of a pipeline another token, any or this one; return it. Raises NotFoundError, UsageError."""
        return self._hooks.rotate(pipeline, token)

    def set_parameter(self, pipeline: str, name: str, value: str) -> None:
        """Give async stages of a pipeline a parameter; raises NotFoundError, UsageError."""
        self._hooks.set_parameter(pipeline, name, value)

    def remove_parameter(self, pipeline: str, name: str) -> None:
        """Take a parameter of async stages away; raises NotFoundError."""
        self._hooks.remove_parameter(pipeline, name)

    def _told(self, submitted: Submitted) -> Submitted:
        if submitted.id:
            self._dispatcher.submit(submitted.id)
        return submitted


def _summary(record: RunRecord) -> Summary:
    return Summary(
        id=record.id,
        number=record.number,
        pipeline=record.pipeline,
        queue=record.queue,
        priority=record.priority,
        status=record.status,
        reason=record.reason,
        created=told_time(record.created) or "",
        started=told_time(record.started),
        ended=told_time(record.ended),
        origin=record.origin,
        kept_until=told_time(record.kept_until),
        parent=record.parent,
        child=record.child,
    )


def _child(record: RunRecord) -> ChildReport:
    child: ChildReport = {"stage": record.child, "id": record.id, "status": record.status}
    return {**child, "origin": record.origin} if record.origin else child
