"""One run: everything made ready, stages driven as their needs end, everything removed."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from runner import naming
from runner.clock import Clock, SystemClock
from runner.engine.assemble import assemble
from runner.engine.backend import Backend
from runner.engine.beside import Beside
from runner.engine.cancel import Stop
from runner.engine.events import Notice, Observer
from runner.engine.job import Context, Job, Logs, LookAround, Task
from runner.engine.journal import Journal
from runner.engine.layers import all_layers
from runner.engine.ledger import Ledger
from runner.engine.messages import Messages, Prepared, StageEnded, Woken
from runner.engine.outputs import Outputs
from runner.engine.readiness import await_services
from runner.engine.schedule import Schedule
from runner.engine.scopes import Scopes
from runner.engine.stage import StageDriver
from runner.engine.state import Standing
from runner.engine.values import Values
from runner.errors import AbandonedError, InfrastructureError, JournalError, UnwantedError
from runner.naming import ORIGINS, SERVICES, Address
from runner.pipelinectl.saved import Saves
from runner.pipelinectl.values import Store
from runner.plan import forks
from runner.plan.model import Service, Stage
from runner.plan.status import Status

if TYPE_CHECKING:
    from runner.engine.children import Children, Requests


class Driver:
    """Drives one run to its end, from wherever the journal says that it stands.

    A driver is used once: ``drive`` in one thread, ``cancel`` from any other or from a signal handler. What it tells
    and writes down has gone through ``redact``, which takes the secrets out. ``on_failure`` is called, in the thread of
    its stage, where a step has failed or taken too long, before anything of it is removed; ``before_end`` when all has
    been done and ``store`` and ``kept`` are known, right before the end of the run is written. ``children`` starts the
    async stages that steps ask for; without, nobody hears them.
    """

    def __init__(  # noqa: PLR0913 - the parts of a run, each given once by name
        self,
        *,
        job: Job,
        journal: Journal,
        backend: Backend,
        logs: Logs,
        observer: Observer,
        clock: Clock | None = None,
        redact: Callable[[str], str] = str,
        on_failure: LookAround | None = None,
        before_end: Callable[[], None] = lambda: None,
        children: "Children | None" = None,
    ) -> None:
        self._job = job
        self._before_end = before_end
        clock = clock or SystemClock()
        self._ledger = Ledger(
            job.id, job.plan, journal, clock, observer, redact=redact, inherited=job.inherited, began=job.began
        )
        self._context = Context(
            job=job,
            backend=backend,
            ledger=self._ledger,
            logs=logs,
            clock=clock,
            outputs=Outputs(backend, logs.hide, self._ledger.tell),
            values=Values(
                backend,
                job.id,
                self._ledger.tell,
                saves=None if job.saves is None else Saves(job.saves),
                outputs=bool(job.plan.outputs),
            ),
            scopes=Scopes(backend, job.id, self._ledger),
            on_failure=on_failure,
        )
        self._requests = self._requests_of(children) if children and job.plan.async_stages else None
        self._messages = Messages()
        self._beside = Beside(self._context, lambda address: self._messages.put(Woken(address)))
        self._live: dict[str, tuple[StageDriver, Task]] = {}
        self._schedule = Schedule(self._context, self._live, self._stopped)
        self._cancelled: Stop | None = None
        self._aborted: Stop | None = None
        self._forced = False
        self._assembled = False
        self.kept = False
        """Whether the volumes of the run have stayed, when it has ended."""
        self.paused = False
        """Whether it has not ended, but waits to be resumed."""
        self.store = Store()
        """What the steps have left, if the job asks for it, as it could be read before everything was removed."""

    def _requests_of(self, children: "Children") -> "Requests":
        from runner.engine.children import Requests  # noqa: PLC0415 - most runs have no async stages

        return Requests(self._job.id, self._context.backend, self._ledger.tell, children)

    def cancel(self, *, force: bool = False) -> None:
        """End the run before its time: politely, or with ``force`` at once."""
        self._forced = self._forced or force  # before the message, which nobody reads during an export
        self._messages.put(
            Stop(status=Status.CANCELLED, reason="it was cancelled", grace=0.0 if force else self._job.grace)
        )
        if force:
            self._beside.hurry()

    def drive(self) -> Standing:
        """Do what is left of the run, and return how it ended, or that it is paused.

        Raises:
            SupersededError: another driver has taken over.
            JournalError: the journal cannot be written, and that has lasted.

        In both cases this driver and its threads have stopped, and left everything as it is: another may take it up.
        """
        address = Address(self._job.id)
        status = self._ledger.standing(address).status
        if status.ended or status is Status.PAUSED:
            self.kept, self.paused = self._job.keeps(status), status is Status.PAUSED
            return self._ledger.standing(address)
        try:
            if status is not Status.RUNNING:
                self._ledger.record(address, Status.RUNNING)
            outcome, reason = self._run()
            self._before_end()
            self._ledger.record(address, outcome, reason=reason)
        except AbandonedError as error:
            self._leave()
            if isinstance(error, JournalError):
                self._tell_gaps()
            raise
        return self._ledger.standing(address)

    def _run(self) -> tuple[Status, str]:
        done = all(map(self._schedule.done, self._schedule.stages))
        try:
            outcome = self._worked()
        except AbandonedError:
            raise
        except Exception:
            if self._requests is not None:
                self._requests.leave()
            self._end_all("an error of the runner itself")
            self._close(Status.ERROR)
            raise
        if self._assembled and self._job.values:
            last = outcome[0] is not Status.PAUSED
            self.store = self._context.values.read(wanted=lambda: not self._forced, done=done, last=last)
        self._close(outcome[0])
        self.paused = outcome[0] is Status.PAUSED
        if not self.paused:
            self._schedule.write_off(Status.NOT_RUN, outcome[1])
        self._write_off_beside()
        return outcome

    def _worked(self) -> tuple[Status, str]:
        """Do what is left, and start what steps have asked for last; what breaks that off becomes the outcome."""
        try:
            outcome = self._work()
        except AbandonedError:
            raise
        except InfrastructureError as error:
            outcome = Status.ERROR, error.explained
            self._end_all(error.message)
        # Where an earlier life has come further than this one, steps may have asked for something.
        if self._requests is not None and (self._assembled or self._ledger.ask(lambda state: state.begun())):
            self._requests.finish()
        return outcome

    def _work(self) -> tuple[Status, str]:
        self._cancelled = assemble(self._context, self._messages)
        self._assembled = True
        if self._requests is not None:
            self._requests.begin()
        if self._cancelled is None:
            self._progress(lambda stage: stage.name == ORIGINS)
        if self._cancelled is None and self._fetched():
            self._start_beside()
            self._cancelled = self._await_services()
        if self._cancelled is None:
            self._progress()
        else:
            self._wind_up()
        outcome = self._ledger.ask(lambda state: state.run_outcome())
        if self._cancelled is None and outcome is Status.PAUSED:
            return outcome, self._ledger.ask(lambda state: state.run_reason(outcome))
        self._beside.end()
        if self._cancelled is not None:
            self._schedule.write_off(Status.CANCELLED, self._cancelled.reason)
            return Status.CANCELLED, self._cancelled.reason
        if self._job.export is not None and outcome is not Status.ERROR:
            try:
                self._export(self._job.export)
            except UnwantedError:
                return Status.CANCELLED, "it was cancelled before all changes were exported"
        return outcome, self._ledger.ask(lambda state: state.run_reason(outcome))

    def _export(self, target: Path) -> None:
        layers = self._ledger.ask(all_layers)
        for path in self._context.backend.export(self._job.spec, layers, target, wanted=lambda: not self._forced):
            self._ledger.tell(Notice(f"{path} was not exported: it is a device"))

    def _fetched(self) -> bool:
        """Whether the secrets are there, if some had to be fetched."""
        origins = [stage for stage in self._schedule.stages if stage.name == ORIGINS]
        return all(self._schedule.status(stage) is Status.SUCCESS for stage in origins)

    def _start_beside(self) -> None:
        """Start the services, and take up again the detached steps of stages that had ended in an earlier life.

        Those of other stages are started again by these.
        """
        going = self._ledger.ask(lambda state: state.unfinished())
        for service in self._services():
            self._beside.start_service(service)
        for address in going:
            if address.step and address.stage != SERVICES and self._ledger.standing(address.of_stage()).status.ended:
                self._beside.take_up(address)

    def _await_services(self) -> Stop | None:
        """Wait until the services can be used; once a stage has begun, an earlier life has done so.

        After a pause they are new.
        """
        stages = [self._ledger.stage(stage.name) for stage in self._schedule.stages if stage.name != ORIGINS]
        begun = any(self._ledger.standing(stage).started is not None for stage in stages)
        begun = begun and not self._ledger.ask(lambda state: state.resumed)
        return None if begun else await_services(self._context, self._services(), self._messages)

    def _wind_up(self) -> None:
        """End what an earlier life has begun and this one has not taken up again: as politely as anything else."""
        for address in self._ledger.ask(lambda state: state.unfinished()):
            if address.step and (address.stage == SERVICES or self._detached(address)):
                self._beside.take_up(address)
        for stage in self._schedule.stages:
            if self._schedule.status(stage) is Status.RUNNING:
                self._start(stage)
        while self._live:
            self._handle()

    def _detached(self, address: Address) -> bool:
        return any(step.detach for step in self._ledger.plan.stage(address.stage).steps if step.name == address.step)

    def _services(self) -> list[Service]:
        """Return the services that have not ended in an earlier life."""

        def ended(service: Service) -> bool:
            return self._ledger.standing(Address(self._job.id, SERVICES, service.name)).status.ended

        return [service for service in self._job.plan.needed_services if not ended(service)]

    def _progress(self, which: Callable[[Stage], bool] = lambda _: True) -> None:
        """Start stages as the stages they need end, however they end, until none of them is left."""
        while True:
            self._abort_on_error()
            self._schedule.rule_out()
            free = self._job.max_parallel - len(self._live)
            for stage in filter(which, self._schedule.startable(free)):
                self._start(stage)
            if not self._live:
                return
            self._handle()

    def _stopped(self, stage: Stage) -> bool:
        return self._cancelled is not None or (self._aborted is not None and not stage.independent)

    def _start(self, stage: Stage) -> None:
        driver = StageDriver(self._context, stage, self._beside)
        if self._cancelled is not None:
            driver.stop(self._cancelled)
        task = Task(f"stage {stage.name}", driver.run, done=lambda: self._messages.put(StageEnded(stage.name)))
        self._live[stage.name] = driver, task

    def _handle(self) -> None:
        match self._messages.get():
            case Stop() as stop:
                self._cancelled = self._cancelled or stop
                for driver, _ in self._live.values():
                    driver.stop(stop)
                self._schedule.write_off(Status.CANCELLED, stop.reason)
            case StageEnded(stage):
                _, task = self._live.pop(stage)
                task.finish()
            case Woken(address):
                self._beside.conclude(address)
            case Prepared():
                pass  # a download that nobody waits for any more

    def _abort_on_error(self) -> None:
        """End the other stages when one has ended by an error, independent ones and other branches excepted.

        Without its secrets nothing of a run starts, so that these are no exception then.
        """
        stages = self._schedule.stages
        errors = self._ledger.ask(lambda state: [s for s in stages if state.status(s.name) is Status.ERROR])
        broken = next(filter(self._schedule.done, errors), None)
        if broken is None or self._aborted is not None:
            return
        reason = self._ledger.standing(self._ledger.stage(broken.name)).reason
        if broken.name != ORIGINS:
            reason = f"stage {broken.name} ended by an error: {reason}"
        self._aborted = Stop(status=Status.CANCELLED, reason=reason, grace=self._job.grace)
        alone = {s.name for s in stages if s.independent or forks.siblings(broken, s)}
        apart = set() if broken.name == ORIGINS else alone
        for name, (driver, _) in self._live.items():
            if name not in apart:
                driver.stop(self._aborted)
        self._schedule.write_off(Status.NOT_RUN, reason, lambda stage: stage.name not in apart)

    def _write_off_beside(self) -> None:
        """Write an ending for what ran beside the steps and was removed with the run, without having been ended.

        Services of a run that is paused have none: they are made again.
        """
        for address in self._ledger.ask(lambda state: state.unfinished()):
            if address.step and not (self.paused and address.stage == SERVICES):
                self._ledger.record(address, Status.CANCELLED, reason="it ended with the run")

    def _leave(self) -> None:
        if self._requests is not None:
            self._requests.leave()
        for driver, _ in self._live.values():
            driver.leave()
        for _, task in self._live.values():
            task.wait()

    def _tell_gaps(self) -> None:
        """State in the logs of what goes on that nobody keeps its output until another driver comes."""
        for address in self._ledger.ask(lambda state: state.unfinished()):
            if address.step and self._goes_on(address):
                self._context.logs.open(naming.log(address)).gap("nobody drove the run, as its journal had failed")

    def _goes_on(self, address: Address) -> bool:
        try:
            return self._context.backend.conclude(address) is None
        except InfrastructureError:
            return True  # a gap too many does no harm

    def _end_all(self, reason: str) -> None:
        self._ledger.confirm()
        for driver, _ in self._live.values():
            driver.stop(Stop(status=Status.CANCELLED, reason=reason, grace=0.0))
        for _, task in self._live.values():
            task.wait()
        self._live.clear()

    def _close(self, outcome: Status) -> None:
        self._ledger.confirm()
        self.kept = self._job.keeps(outcome)
        try:
            self._context.backend.close_run(self._job.spec, keep=self.kept)
        except InfrastructureError as error:
            self._ledger.tell(Notice(f"not everything could be removed: {error.message}"))
