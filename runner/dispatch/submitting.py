"""From a submission to a stored run: its pipeline is found and compiled, and all that it needs is put beside it."""

import os
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import field, replace
from functools import partial
from pathlib import Path

from runner.dispatch.agent import Means
from runner.dispatch.keeping import Keeping
from runner.dispatch.orders import StoredOrder, Tree, with_secrets
from runner.dispatch.registered import Registered, check_name, check_queue
from runner.dispatch.repositories import pipeline_in, spec_of
from runner.dispatch.requests import Again, Facts, Inline, Submission, Submitted
from runner.dispatch.stock import Stock
from runner.dispatch.subject import Given, Subject, find_subject
from runner.dispatch.wanted import Wanted
from runner.engine.inputs import Inputs
from runner.engine.job import default_parallel
from runner.engine.origins import unfold
from runner.engine.rerun import inherit
from runner.engine.state import RunState
from runner.errors import BusyError, ConflictError, UsageError
from runner.naming import Address, new_run_id
from runner.pipelinectl.layout import OURS
from runner.pipelinectl.saved import Saves
from runner.plan.grants import Grants, grant
from runner.plan.model import Plan
from runner.plan.status import Status
from runner.plan.uses import secrets_of
from runner.records import record
from runner.settings import DEFAULT_QUEUE, DaemonSettings
from runner.store.sql.runs import NewRun, RunRecord
from runner.workspace.git.spec import SourceSpec
from runner.workspace.local import Checkout

_FETCHING = 16
"""How many repositories are fetched for submissions at a time: a server that hangs must not hold up all else."""


@record
class _Found:
    """A pipeline that is there: its text and why it runs, its path in its repository, and what its steps work on."""

    subject: Subject
    path: str
    tree: Tree
    wanted: Wanted
    queue: str
    properties: Mapping[str, str] = field(default_factory=dict)


class Submitting:
    """Stores runs."""

    def __init__(  # noqa: PLR0913 - the parts of a daemon, each given once
        self,
        means: Means,
        registered: Registered,
        settings: DaemonSettings,
        grants: Grants,
        keeping: Keeping,
        *,
        stock: Stock,
    ) -> None:
        self._means = means
        self._stock = stock
        self._registered = registered
        self._settings = settings
        self._grants = grants
        self._keeping = keeping
        self._fetching = threading.BoundedSemaphore(_FETCHING)

    def submit(self, submission: Submission, *, local: bool) -> Submitted:
        """Store a run that is asked for; see ``Service.submit``."""
        self.check_room()
        for name in submission.properties:
            check_name("property", name)
        with ExitStack() as stack:
            found = self._found(stack, submission, local=local)
            return self._compiled(submission, found)

    def rerun(self, run: str, again: Again) -> Submitted:
        """Store a run that repeats one; see ``Service.rerun``."""
        self.check_room()
        record = self._means.runs.get(run)
        if record.status is Status.PAUSED:
            raise ConflictError(
                f"run {run} is paused", hint=f"`runner resume {run}` has it go on, `runner cancel {run}` ends it"
            )
        order = self._means.order(run)
        for name in again.properties:
            check_name("property", name)
        properties = {**order.inputs.properties, **again.properties}
        plan = grant(order.plan, self._grants, taken=OURS)  # what was granted then may not be granted any more
        inputs = replace(order.inputs, properties=properties)
        order = replace(order, plan=plan, inputs=inputs, inherited={}, restored=False)
        # Whoever has changed a secret of the pipeline since wants that one; all else is as it was. An async stage is to
        # be as it was in each respect.
        named = self._named(order.plan, "" if order.handed else record.pipeline, again.secrets)
        order = with_secrets(order, {**order.secrets, **named})
        order.inputs.check(order.plan)
        whole = not (again.from_stage or again.failed)
        return Submitted(id=self._repeat(record, order) if whole else self._go_on(record, order, again.from_stage))

    def _repeat(self, record: RunRecord, order: StoredOrder) -> str:
        if not record.status.ended:
            raise ConflictError(f"run {record.id} has not ended", hint="cancel it first, or wait")
        with self._stock.id_for(order.plan) as run:
            return self._store(self._new(run, record, order))

    def _go_on(self, record: RunRecord, order: StoredOrder, stage: str) -> str:
        """Store a run that takes over what a run had done before a stage, and begins with the values it had there."""
        run, means = new_run_id(), self._means
        state = RunState(record.id, order.plan, means.journal(record.id).read())
        taken = inherit(state, stage, means.order(record.id).inherited)
        saved = taken.values(Saves(means.folder(record.id).saved).read(taken.stage))
        order = replace(order, inherited=taken.layers, restored=True)
        with self._keeping.lock:
            for origin in taken.runs:
                self._keeping.check(origin)
            files = partial(os.link, saved.files) if saved.files else None
            Saves(means.folder(run).saved).write(Address(run), saved, files)
            means.runs.add(replace(self._new(run, record, order), inherits=taken.runs), taken.entries(run))
        return run

    def _new(self, run: str, record: RunRecord, order: StoredOrder) -> NewRun:
        return replace(
            self._means.new_run(run, order),
            pipeline=record.pipeline,
            queue=record.queue,
            priority=record.priority,
            origin=record.id,
            parent=record.parent,
            child=record.child,
        )

    def check_room(self) -> None:
        """See that one more run may wait; raises BusyError."""
        if self._means.runs.count(Status.PENDING) >= self._settings.waiting:
            raise BusyError(
                f"{self._settings.waiting} runs wait already", hint="try again later; RUNNER_WAITING allows more"
            )

    def _found(self, stack: ExitStack, submission: Submission, *, local: bool) -> _Found:
        if submission.inline is not None and not submission.pipeline:
            return self._of_inline(stack, submission, submission.inline, local=local)
        if submission.pipeline and submission.inline is None:
            return self._of_registered(stack, submission)
        raise UsageError("a submission has either a pipeline or an inline one", hint="name one, or send one")

    def _of_registered(self, stack: ExitStack, submission: Submission, file: str = "") -> _Found:
        """Return a registered pipeline at a commit; ``file`` is its path there, if it may be another one by now."""
        pipeline = self._registered.get(submission.pipeline)
        definition = pipeline.definition
        facts = _over(definition.facts, submission.facts)
        spec = spec_of(
            definition.repository,
            commit=facts.commit,
            tag=facts.tag or "",
            branch=facts.branch or "",
            submodules=definition.submodules,
        )
        clone, tree = self._fetched(stack, spec)
        path = pipeline_in(clone, Path(name) if (name := file or definition.file) else None)
        properties = {**pipeline.properties, **submission.properties}
        subject = find_subject(path, replace(_given(facts), properties=properties), clone)
        return _Found(
            subject=replace(subject, file=Path(subject.path)),
            path=subject.path,
            tree=tree,
            wanted=Wanted(
                dialect=submission.dialect or definition.dialect,
                kind=submission.kind or definition.kind,
                strict=submission.strict,
                choice=submission.choice,
            ),
            queue=submission.queue or definition.queue,
            properties=properties,
        )

    def _of_inline(self, stack: ExitStack, submission: Submission, inline: Inline, *, local: bool) -> _Found:
        if inline.directory and not local:
            raise UsageError(
                "a directory of the daemon's machine cannot be named from elsewhere", hint="name a repository"
            )
        tree, root = Tree(directory=inline.directory), Path(inline.directory or "/")
        if not (root.is_absolute() and root.is_dir()):
            raise UsageError(f"{root}: is no directory of this machine", hint="name one by its whole path")
        if inline.repository is not None:
            wanted = inline.repository
            self._registered.check_address(wanted.url)
            spec = SourceSpec(url=wanted.url, commit=wanted.commit, ref=wanted.ref, submodules=wanted.submodules)
            root, tree = self._fetched(stack, spec)
        subject = Subject(
            file=Path(inline.file),
            content=inline.text.encode("utf-8", "surrogatepass"),
            checkout=Checkout(root=root),
            trigger=replace(inline.trigger, properties=submission.properties),
            payload=inline.payload.encode("utf-8", "surrogatepass"),
        )
        return _Found(
            subject=subject,
            path=inline.file,
            tree=tree,
            wanted=Wanted(
                dialect=submission.dialect, kind=submission.kind, strict=submission.strict, choice=submission.choice
            ),
            queue=submission.queue or DEFAULT_QUEUE,
            properties=submission.properties,
        )

    def _fetched(self, stack: ExitStack, spec: SourceSpec) -> tuple[Path, Tree]:
        """Return a tree, which is there as long as ``stack``, and how exactly this one is had again."""
        if not self._fetching.acquire(blocking=False):
            raise BusyError(f"{_FETCHING} submissions wait for their repositories", hint="try again later")
        try:
            fetched = stack.enter_context(self._means.trees.sources.fetched(spec))
        finally:
            self._fetching.release()
        return fetched.path, Tree(repository=replace(spec, commit=fetched.commit, ref=fetched.ref))

    def base(self, pipeline: str, facts: Facts, kind: str, file: str) -> tuple[StoredOrder, str]:
        """Return the order of a run of a registered pipeline, whose async stage somebody asks for, and its queue.

        Raises:
            NotFoundError: there is no such pipeline.
            InvalidPipelineError: it cannot run.
            UsageError: it asks for what is not there, or is not allowed.
            InfrastructureError: its repository cannot be fetched.
        """
        submission = Submission(pipeline=pipeline, facts=facts, kind=kind)
        with ExitStack() as stack:
            found = self._of_registered(stack, submission, file)
            return self._order(submission, found, self._plan(found)), found.queue

    def _compiled(self, submission: Submission, found: _Found) -> Submitted:
        plan = self._plan(found)
        about = found.subject.describe()
        if not plan.stages:
            return Submitted(id="", subject=about, notes=(*plan.warnings, *_pruned(plan), "nothing to run"))
        check_queue(found.queue, self._settings.queues)
        order = self._order(submission, found, plan)
        with self._stock.id_for(plan) as run:
            new = replace(
                self._means.new_run(run, order),
                pipeline=submission.pipeline,
                queue=found.queue,
                priority=submission.priority,
            )
            return Submitted(id=self._store(new), subject=about, notes=plan.warnings)

    def _plan(self, found: _Found) -> Plan:
        return grant(found.wanted.plan(found.subject), self._grants, taken=OURS)

    def _order(self, submission: Submission, found: _Found, plan: Plan) -> StoredOrder:
        secrets = self._named(plan, submission.pipeline, submission.secrets)
        _check_there(plan, secrets)
        order = StoredOrder(
            plan=unfold(plan),
            tree=found.tree,
            inputs=Inputs(
                properties=found.properties,
                kind=plan.kind or found.wanted.kind,
                file=found.path,
                payload=found.subject.payload,
                trigger=found.subject.trigger,
            ),
            max_parallel=submission.max_parallel or default_parallel(),
        )
        order = with_secrets(order, secrets)
        order.inputs.check(order.plan)
        return order

    def _named(self, plan: Plan, pipeline: str, told: Mapping[str, str]) -> dict[str, str]:
        """Return the secrets of a pipeline, and over them those that are told, as the steps of a plan call them."""
        return _named(plan, self._registered.secrets(pipeline)) | _named(plan, told)

    def _store(self, new: NewRun) -> str:
        self._means.runs.add(new)
        return new.id


def _over(defaults: Facts, told: Facts) -> Facts:
    """Return the facts of a pipeline, and over them those that somebody has told of a run."""
    nothing = Facts()
    changed = {name: value for name, value in vars(told).items() if value != getattr(nothing, name)}
    if told.branch is not None or told.tag is not None or told.commit:
        changed |= {"branch": told.branch, "tag": told.tag, "commit": told.commit}  # what of them is told goes together
    return replace(
        defaults,
        **{
            **changed,
            "parameters": {**defaults.parameters, **told.parameters},
            "environment": {**defaults.environment, **told.environment},
        },
    )


def _given(facts: Facts) -> Given:
    told = {name: value for name, value in vars(facts).items() if name not in ("commit", "payload")}
    return Given(**told, payload=facts.payload.encode("utf-8", "surrogatepass"))


def _named(plan: Plan, secrets: Mapping[str, str]) -> dict[str, str]:
    """Return secrets, those that steps ask for under the names by which they do: in capitals it is the same secret.

    Raises:
        UsageError: one has a name that none can have.
    """
    found = dict(secrets)
    for name in secrets_of(plan):
        if name not in found and name.upper() in found:
            found[name] = found.pop(name.upper())
    for name in found:
        check_name("secret", name)
    return found


def _check_there(plan: Plan, secrets: Mapping[str, str]) -> None:
    """See that steps will have what they ask for.

    Raises:
        UsageError: some secrets are not there; all of them are named.
    """
    missing = [name for name in secrets_of(plan) if name not in secrets]
    if missing:
        raise UsageError(
            f"no value for the secret{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            hint=f"runner secrets PIPELINE set {missing[0]}, or give it with the submission",
        )


def _pruned(plan: Plan) -> list[str]:
    return [f"{'/'.join(part for part in (gone.stage, gone.step) if part)}: {gone.why}" for gone in plan.pruned]
