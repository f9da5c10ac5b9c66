"""What references mean: what each stage of a run hands on to those that need it, and what a step sees of that.

As Metalus has it (``docs/executions.md``), with what ``reference`` calls the parents being the stages that one needs.
Nothing of it is kept: it follows from how the run stands and from the files in which steps have left what they return.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from runner import naming
from runner.engine.backend import Backend
from runner.engine.ledger import Ledger
from runner.engine.state import FAVORABLE, RunState
from runner.naming import Address
from runner.pipelinectl.returns import Returned, Wish, returned
from runner.plan import mapping
from runner.plan.mapping import MappingError, Scope
from runner.plan.model import Branch, Json, Stage, Step
from runner.plan.status import Status

VALUE, INDEX, VALUES = "executionForkValue", "executionForkValueIndex", "executionForkValues"
"""What a stage in a branch sees of it, and of those around it: the value, its index, all values, outer ones first."""

_PARAMETERS: Final = "pipelineParameters"
_GLOBALS: Final = "globals"
_NOTHING: Final = Returned()
_Found = Mapping[str, Returned]


class Scopes:
    """Finds out what references mean, for the threads of all stages of a run."""

    def __init__(self, backend: Backend, run: str, ledger: Ledger) -> None:
        self._backend = backend
        self._run = run
        self._ledger = ledger
        self._lock = threading.Lock()
        self._files: Mapping[str, bytes] = {}
        self._found: _Found = {}
        self._known = _Known()

    def wish(self, attempt: Address) -> Wish | None:
        """Return what an attempt has asked for; None if for nothing.

        Raises:
            InfrastructureError: what steps return cannot be read.
        """
        return self._read().get(naming.returns(attempt), _NOTHING).wish

    def scope(self, attempt: Address, step: Step) -> Scope:
        """Return what a step of a stage sees, right before it starts.

        Raises:
            MappingError: the values of a fork around it cannot be found any more.
            InfrastructureError: what steps return cannot be read.
        """
        found = self._read()
        return self._ledger.ask(lambda state: _Reading(state, found, self._known).of_step(attempt.stage, step))

    def fork_values(self, fork: Stage) -> list[Json]:
        """Return the values that a stage forks over.

        Raises:
            MappingError: there are none, or they are no list.
            InfrastructureError: what steps return cannot be read.
        """
        found = self._read()
        return self._ledger.ask(lambda state: _Reading(state, found, self._known).values(fork))

    def _read(self) -> _Found:
        files = self._backend.returns(self._run)
        with self._lock:
            if files is not self._files:
                self._files, self._found = files, returned(files)
            return self._found


class _Known:
    """What does not change any more: what stages that have ended hand on, and the values of forks."""

    def __init__(self) -> None:
        self.entries: dict[str, Json] = {}
        self.links: dict[str, Mapping[str, Json]] = {}
        self.values: dict[str, list[Json]] = {}


class _Reading:
    """A run as it stands, while it is looked at."""

    def __init__(self, state: RunState, found: _Found, known: _Known) -> None:
        self._state = state
        self._found = found
        self._known = known

    def of_step(self, stage: str, step: Step) -> Scope:
        """Return what a step sees: of its own stage what the steps before it have returned, in the same part of it."""
        found = self._state.plan.stage(stage)
        before = found.steps[: found.steps.index(step)]
        done = [each for each in before if each.evaluates is step.evaluates]
        return replace(self._scope(found, done), pipeline=step.pipeline)

    def values(self, fork: Stage) -> list[Json]:
        """Return the values of a fork, as they were when it was expanded."""
        if fork.fork is None:
            raise ValueError(f"stage {fork.name} is no fork")
        if fork.name not in self._known.values:
            self._known.values[fork.name] = mapping.fork_values(fork.fork.values, self._scope(fork, []))
        return self._known.values[fork.name]

    def _scope(self, stage: Stage, steps: list[Step]) -> Scope:
        responses = dict(self._responses(stage, steps))
        done = [step for step in steps if self._counts(stage, step)]
        return Scope(
            globals={**self._set(stage, done), **dict(self._parents(stage)), **self._branch(stage)},
            own=stage.globals,
            links=self._links(stage, done),
            responses=responses,
            last=(done[-1].pipeline, done[-1].id) if done else None,
        )

    def _responses(self, stage: Stage, steps: list[Step]) -> Iterator[tuple[str, dict[str, Json]]]:
        """Yield the pipelines of a stage with what their steps have returned, over what is preset for them."""
        pipelines = dict.fromkeys((*stage.parameters, *(step.pipeline for step in steps)))
        for pipeline in pipelines:
            entries: dict[str, Json] = {
                step.id: self._response(stage, step)
                for step in steps
                if step.pipeline == pipeline and self._counts(stage, step)
            }
            preset = stage.parameters.get(pipeline, {})
            if entries or preset:
                yield pipeline, {**preset, **entries}

    def _response(self, stage: Stage, step: Step) -> Json:
        found = self._of(stage, step)
        return {"primaryReturn": found.primary, "namedReturns": dict(found.named)}

    def _counts(self, stage: Stage, step: Step) -> bool:
        """Whether what a step has returned counts: it has run, and did not fail."""
        counted = self._state.counted(self._state.stage(stage.name), step)
        return self._began(stage, step) and counted is Status.SUCCESS

    def _began(self, stage: Stage, step: Step) -> bool:
        """Whether a step was begun, here or in the run that this one repeats in part."""
        standing = self._state.standing(self._state.step(self._state.stage(stage.name), step.name))
        return standing.status not in (Status.PENDING, Status.SKIPPED)

    def _of(self, stage: Stage, step: Step) -> Returned:
        attempt = self._state.step(self._state.stage(stage.name), step.name)
        return self._found.get(naming.returns(attempt), _NOTHING)

    def _set(self, stage: Stage, steps: list[Step]) -> dict[str, Json]:
        return {name: value for step in steps for name, value in self._of(stage, step).globals.items()}

    def _parents(self, stage: Stage) -> Iterator[tuple[str, Json]]:
        """Yield what each stage that one needs hands on, by its name in the file: of a fork a list of its branches."""
        for name, branches in stage.joined.items():
            slots = [self._slot(self._state.plan.stage(each)) for each in branches]
            yield name, {part: [slot and slot.get(part) for slot in slots] for part in (_PARAMETERS, _GLOBALS)}
        joined = {branch for branches in stage.joined.values() for branch in branches}
        for need in stage.needs:
            if need not in joined:
                parent = self._state.plan.stage(need)
                yield parent.id, self._entry(parent)

    def _slot(self, stage: Stage) -> dict[str, Json] | None:
        """Return what a stage in a branch hands on; None where it has come to nothing."""
        entry = self._entry(stage)
        favorable = self._state.standing(self._state.stage(stage.name)).status in FAVORABLE
        return entry if favorable or entry[_PARAMETERS] else None

    def _entry(self, stage: Stage) -> dict[str, Json]:
        """Return what a stage hands on: what its steps have returned, and its globals with those that it has seen."""
        known = self._known.entries.get(stage.name)
        if isinstance(known, dict):
            return known
        steps = self._lasting(stage)
        scope = self._scope(stage, steps)
        entry: dict[str, Json] = {
            _PARAMETERS: {pipeline: dict(entries) for pipeline, entries in scope.responses.items()},
            _GLOBALS: {**dict(_resolved(scope)), **scope.globals},
        }
        if self._state.stage_done(stage):
            self._known.entries[stage.name] = entry
        return entry

    def _lasting(self, stage: Stage) -> list[Step]:
        """Return the steps whose returns last: those of an evaluation only where nothing else has run."""
        main = [step for step in stage.steps if not step.evaluates]
        evaluation = [step for step in stage.steps if step.evaluates]
        return evaluation if evaluation and not any(self._began(stage, step) for step in main) else main

    def _links(self, stage: Stage, steps: list[Step]) -> Mapping[str, Json]:
        """Return the links that a stage knows: those of what it needs, the later ones first, under its own."""
        inherited: dict[str, Json] = {}
        for parent in (*stage.below, *stage.needs):
            inherited |= self._lasting_links(self._state.plan.stage(parent))
        own = {name: text for step in steps for name, text in self._of(stage, step).links.items()}
        return {**inherited, **stage.links, **own}

    def _lasting_links(self, stage: Stage) -> Mapping[str, Json]:
        known = self._known.links.get(stage.name)
        if known is not None:
            return known
        links = self._links(stage, [step for step in self._lasting(stage) if self._counts(stage, step)])
        if self._state.stage_done(stage):
            self._known.links[stage.name] = links
        return links

    def _branch(self, stage: Stage) -> dict[str, Json]:
        if not stage.within:
            return {}
        values = [self._value(branch) for branch in stage.within]
        return {VALUE: values[-1], INDEX: stage.within[-1].index, VALUES: values}

    def _value(self, branch: Branch) -> Json:
        values = self.values(self._state.forked[branch.fork])
        if branch.index >= len(values):
            raise MappingError(
                f"fork {branch.fork} has {len(values)} values now, and had one with index {branch.index}",
                hint="what a step has returned must not change once others have used it",
            )
        return values[branch.index]


def _resolved(scope: Scope) -> Iterator[tuple[str, Json]]:
    """Yield the globals that a stage was given, as far as there is something that they mean."""
    for name, value in scope.own.items():
        try:
            yield name, mapping.resolve(value, scope)
        except MappingError:
            continue
