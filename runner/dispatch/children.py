"""The async stages of a daemon's runs: the one way in which they are started, by a step or by a webhook."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from runner.dispatch.agent import Means
from runner.dispatch.hooks import Hooks
from runner.dispatch.offspring import completed, offspring
from runner.dispatch.orders import StoredOrder
from runner.dispatch.requests import Facts
from runner.dispatch.submitting import Submitting
from runner.engine.children import Child
from runner.engine.report import ChildReport
from runner.errors import ConflictError, NotFoundError
from runner.naming import new_run_id
from runner.pipelinectl.payload import Payload, Request
from runner.records import record


@record
class _Around:
    """What an async stage is of: a run that has asked for it, or a pipeline; ``order`` is that of such a run."""

    order: StoredOrder
    pipeline: str
    queue: str
    priority: int = 0
    parent: str = ""


class Children:
    """Starts async stages. ``started`` is called with each run that has been stored."""

    def __init__(self, means: Means, hooks: Hooks, submitting: Submitting, started: Callable[[str], None]) -> None:
        self._means = means
        self._hooks = hooks
        self._submitting = submitting
        self._started = started

    def of(self, run: str) -> "OfRun":
        """Return what starts the async stages of a run."""
        return OfRun(self, self._means, run)

    def start_for_run(self, run: str, request: str, payload: Payload) -> Child | None:
        """Start an async stage that a step of a run asks for, once for each request: it gives the run its id.

        The hook of the pipeline, behind which this stands, is made with its token if it is not there yet.

        Raises:
            NotFoundError: the pipeline has no such stage.
            InfrastructureError: it cannot be stored.
        """
        around = self._around(run)
        if around.pipeline:
            with suppress(NotFoundError):  # the pipeline has been forgotten since; its runs go on
                self._hooks.ensure(around.pipeline)
        whole = completed(payload, around.order, run)
        for wanted in (request, hashlib.sha256(f"{run}/{request}".encode()).hexdigest()[: len(request)]):
            try:
                return self._start(wanted, around, whole)
            except ConflictError:  # it has been started already, unless a stranger has this id
                if self._means.runs.get(wanted).parent == run:
                    return None
        raise ConflictError(f"there are other runs {request}")

    def start_for_pipeline(self, pipeline: str, payload: Payload) -> str:
        """Start an async stage that somebody asks for who has the token of a pipeline's hook; return its run.

        It is as its parent would have started it, if it names one of the pipeline's runs; else the file is that of the
        commit it names.

        Raises:
            NotFoundError: the pipeline has no such stage, or there is no such pipeline.
            InvalidPipelineError: its file cannot be read.
            UsageError: something that it needs is not there.
            BusyError: too many runs wait.
            InfrastructureError: its repository cannot be fetched, or it cannot be stored.
        """
        self._submitting.check_room()
        around = self._named(pipeline, payload.parent)
        if around is None:
            told = payload.configuration
            order, queue = self._submitting.base(pipeline, Facts(commit=told.commit), payload.kind, told.path)
            around = _Around(order=order, pipeline=pipeline, queue=queue)
        return self._start(new_run_id(), around, payload).id

    def _start(self, run: str, around: _Around, payload: Payload) -> Child:
        order = offspring(around.order, payload, self._parameters(around.pipeline))
        new = replace(
            self._means.new_run(run, order),
            pipeline=around.pipeline,
            queue=around.queue,
            priority=around.priority,
            parent=around.parent,
            child=payload.stage,
        )
        self._means.runs.add(new)
        self._started(run)
        return Child(stage=payload.stage, id=run)

    def _named(self, pipeline: str, run: str) -> _Around | None:
        """Return a run that a payload names as its parent, if it is one of the pipeline."""
        try:
            around = self._around(run) if run else None
        except NotFoundError:
            return None
        return around if around is not None and around.pipeline == pipeline else None

    def _around(self, run: str) -> _Around:
        record = self._means.runs.get(run)
        return _Around(
            order=self._means.order(run),
            pipeline=record.pipeline,
            queue=record.queue,
            priority=record.priority,
            parent=run,
        )

    def _parameters(self, pipeline: str) -> Mapping[str, str]:
        try:
            return self._hooks.parameters(pipeline) if pipeline else {}
        except NotFoundError:
            return {}


class OfRun:
    """Implements ``engine.children.Children`` for one run of a daemon."""

    def __init__(self, children: Children, means: Means, run: str) -> None:
        self._children = children
        self._means = means
        self._run = run

    def start(self, request: Request) -> Child | None:
        """Start the run that a request asks for."""
        return self._children.start_for_run(self._run, request.id, request.payload)

    def all(self) -> Sequence[ChildReport]:
        """Return those that this run has started, but for those that repeat one, and how they stand."""
        found = self._means.runs.children(self._run)
        return [{"stage": each.child, "id": each.id, "status": each.status} for each in found if not each.origin]
