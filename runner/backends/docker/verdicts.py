"""How an attempt ended: believed when its streams are at their end *and* the engine has told the exit code.

Of a success the kernel tells earlier, and may be believed.
"""

import threading
import time

from runner.backends.docker.attach import attach, logs, pieces
from runner.backends.docker.attempt import Attempt
from runner.backends.docker.client import CALL_SECONDS, Engine
from runner.backends.docker.frames import Frames
from runner.backends.docker.gate import UNRELEASED
from runner.backends.docker.inspection import State, exists, inspect
from runner.backends.docker.reader import Reader
from runner.backends.docker.witness import engine_stayed
from runner.engine.backend import Ending
from runner.errors import EngineTimeoutError, EngineUnavailableError, InfrastructureError

_PROMPT_SECONDS = 0.03
_DIE_SECONDS = 0.05  # `die` comes 0.4 ms after the end of the stream; an inspect costs 1.5 ms
_LATE_DIE_SECONDS = 0.5
_DRAIN_SECONDS = 10.0
_RESUME_SECONDS = 1.0
_AWAY_PAUSE = 0.5
_ANSWER_SECONDS = 1  # it takes 1 ms; who waits longer may as well wait for the end of the stream

_KILLED = 137

_MEBI = 1 << 20

REMOVED = "the container was removed from outside"
_ENDED_BY_ENGINE = "the engine went away, or was stopped, and ended the container"


class Verdicts:
    """Decides how attempts ended, and reads on where a stream broke.

    ``away`` is how many seconds an engine may be away before nobody waits for it any more.
    """

    def __init__(self, engine: Engine, reader: Reader, away: float) -> None:
        self._engine = engine
        self._reader = reader
        self._away = away

    def conclude(self, attempt: Attempt) -> Ending | None:
        """Say how an attempt ended, or None while it goes on; see ``Backend.conclude``."""
        if attempt.ending is None and attempt.container:
            try:
                attempt.ending = self._judge(attempt)
                attempt.away_since = None
            except (EngineUnavailableError, EngineTimeoutError) as error:
                attempt.ending = self._wait_for_engine(attempt, error)
            if attempt.ending is not None:
                attempt.tap.close()
        return attempt.ending

    def succeeded(self, attempt: Attempt) -> bool:
        """Say whether an attempt has ended with 0 of which the engine has not told yet, because the kernel has.

        Not if the engine may have ended it, by a TERM of which a trap makes 0: before an engine sends that it takes no
        connections any more (``DaemonCli.start`` of moby). With any other doubt its own word is waited for.
        """
        if not attempt.succeeded:
            return False
        try:
            self._engine.check_anew(_ANSWER_SECONDS)
        except InfrastructureError:
            return False
        return attempt.succeeded  # there may be doubts meanwhile

    def resume(self, attempt: Attempt, state: State, reason: str) -> None:
        """Read an attempt's output on from where we were, from the engine's log or else live, with a gap."""
        tap = attempt.tap
        attempt.resumed_at = time.monotonic()
        attempt.resumed = state.running
        if not state.keeps_log:
            tap.gap(reason)
            if not state.running:
                tap.ended(None)
                return
        api = self._engine.api
        connection = (
            logs(api, state.id, follow=state.running) if state.keeps_log else attach(api, state.id, stdin=False)
        )
        self._tell_interruption(attempt)
        tap.expect_more(replay=state.keeps_log)
        attempt.connection = connection
        self._reader.register(connection, tap)
        if not state.keeps_log:
            self._see_whether_it_runs(attempt)

    def _see_whether_it_runs(self, attempt: Attempt) -> None:
        """End an attachment that was made too late: the engine never does."""
        state = inspect(self._engine, attempt.container)
        if (state is None or not state.running) and attempt.connection is not None:
            self._reader.unregister(attempt.connection)
            attempt.tap.ended(None)

    def _judge(self, attempt: Attempt) -> Ending | None:
        tap = attempt.tap
        if tap.followed and not tap.over.is_set():
            return self._judge_flowing(attempt)
        if not tap.dead.wait(_DIE_SECONDS):
            state = inspect(self._engine, attempt.container)
            # An end of the stream that nothing broke: on a busy machine, the exit may just be on its way.
            if state is not None and state.running and tap.error is None and not tap.dead.wait(_LATE_DIE_SECONDS):
                state = inspect(self._engine, attempt.container)
            if state is None or state.going:
                return Ending(exit_code=None, reason=REMOVED)
            if state.running and not tap.dead.is_set():
                self._read_on(attempt, state)
                return None
            if not tap.dead.is_set():
                tap.suspect = True  # nothing was heard of its end, so why should it have been heard of a signal?
                tap.died(state.exit_code)
        return self._ended(attempt)

    def _judge_flowing(self, attempt: Attempt) -> Ending | None:
        """Judge an attempt whose stream has not ended: it goes on, unless its container is dead and nothing comes."""
        tap = attempt.tap
        if tap.doubtful:
            tap.doubtful = False
            state = inspect(self._engine, attempt.container)
            if state is None or state.going:
                return self._cut(attempt, Ending(exit_code=None, reason=REMOVED))
            if state.started and not state.running:
                tap.died(state.exit_code)
        if not tap.dead.is_set():
            return None
        left = tap.last_sign + _DRAIN_SECONDS - time.monotonic()
        if left > 0:
            _later(attempt, left)
            return None
        self._cut(attempt, None)
        if not tap.keeps_log:
            tap.gap("the output did not come to an end after the exit; some of it may be missing")
        attempt.resumed = True
        return self._ended(attempt)

    def _cut(self, attempt: Attempt, ending: Ending | None) -> Ending | None:
        if attempt.connection is not None:
            self._reader.unregister(attempt.connection)
        attempt.tap.over.set()
        return ending

    def _read_on(self, attempt: Attempt, state: State) -> None:
        if attempt.given_up or not attempt.tap.followed:
            return
        left = attempt.resumed_at + _RESUME_SECONDS - time.monotonic()
        if left > 0:
            _later(attempt, left)
        else:
            self.resume(attempt, state, "the stream broke; what the step wrote meanwhile is missing")

    def _ended(self, attempt: Attempt) -> Ending:
        """Conclude an attempt whose stream is at its end and whose exit code is known."""
        code = attempt.tap.exit_code
        suspect = not attempt.killed and (attempt.tap.suspect or attempt.interrupted)
        state = inspect(self._engine, attempt.container) if code or suspect else None
        if (code == _KILLED or suspect) and not attempt.killed and (state is None or state.going):
            return Ending(exit_code=None, reason=REMOVED)
        ours = suspect and state is not None and not engine_stayed(self._engine, attempt.address.run, state)
        self._complete(attempt)
        if ours:
            reason = f"{_ENDED_BY_ENGINE} (exit code {code})"
            return Ending(exit_code=None, reason=reason, started=self._has_started(attempt, code))
        if not self._has_started(attempt, code):
            return Ending(exit_code=code, reason="it ended at the gate, before its script", started=False)
        return Ending(exit_code=code, reason=_reason(attempt, state if code else None))

    def _has_started(self, attempt: Attempt, code: int | None) -> bool:
        if not attempt.mark or (attempt.released and code not in (UNRELEASED, *(() if attempt.killed else (_KILLED,)))):
            return True
        return exists(self._engine, attempt.container, attempt.mark)

    def _complete(self, attempt: Attempt) -> None:
        """See to it that nothing is missing from the output of a stream that may have been cut, or say so."""
        tap = attempt.tap
        broken = tap.error is not None or attempt.interrupted or self._ended_early(attempt)
        if not (broken or attempt.resumed):
            return
        if not tap.keeps_log:
            if broken:
                tap.gap("the stream broke; what the step wrote afterwards is missing")
            return
        self._tell_interruption(attempt)
        tap.expect_more(replay=True)
        frames = Frames()
        try:
            connection = logs(self._engine.api, attempt.container, follow=False)
            try:
                for piece in pieces(connection, CALL_SECONDS):
                    for stream, data in frames.feed(piece):
                        tap.write(stream, data)
            finally:
                connection.close()
        except InfrastructureError as error:
            tap.gap(f"the engine's log could not be read to its end: {error.message}")
        tap.over.set()

    def _tell_interruption(self, attempt: Attempt) -> None:
        """Say what an engine's log cannot hold: what a step wrote while the engine was away."""
        if attempt.interrupted and attempt.tap.keeps_log and not attempt.gapped:
            attempt.gapped = True
            attempt.tap.gap("the engine was away; what the step wrote meanwhile may be lost")

    def _ended_early(self, attempt: Attempt) -> bool:
        """Whether the stream ended well before the container, which is what a cut looks like from here.

        The exit comes with the end of the stream, or late on a busy machine; then the engine's clock tells, or its
        log is simply read again.
        """
        tap = attempt.tap
        if attempt.given_up or tap.last_sign - tap.over_at < _PROMPT_SECONDS:
            return False
        if tap.keeps_log:
            return True
        state = inspect(self._engine, attempt.container)
        return state is not None and state.finished_at - tap.over_time > _PROMPT_SECONDS

    def _wait_for_engine(self, attempt: Attempt, error: InfrastructureError) -> Ending | None:
        attempt.interrupted |= isinstance(error, EngineUnavailableError)
        now = time.monotonic()
        attempt.away_since = attempt.away_since or now
        if now - attempt.away_since > self._away:
            return self._cut(attempt, Ending(exit_code=None, reason=f"the engine went away: {error.message}"))
        _later(attempt, _AWAY_PAUSE)
        return None


def _reason(attempt: Attempt, state: State | None) -> str:
    """Return what is worth saying beside an exit code; it decides nothing, for engines err here in both ways."""
    notes = []
    if state is not None and state.out_of_memory:
        notes.append(_out_of_memory(state.memory))
    if state is not None and state.error:
        notes.append(state.error)
    if attempt.interrupted:
        notes.append("the engine was away for a time while it ran")
    return "; ".join(notes)


def _out_of_memory(limit: int) -> str:
    return f"it reached its memory limit of {limit / _MEBI:.10g} MiB" if limit else "the machine ran out of memory"


def _later(attempt: Attempt, seconds: float) -> None:
    timer = threading.Timer(seconds, attempt.tap.wake)
    timer.daemon = True
    timer.start()
