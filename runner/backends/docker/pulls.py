"""Pulling one image: the engine's stream read with deadlines, its failures told apart, and tried again."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum

import docker
import requests
from docker.utils.json_stream import json_stream

from runner.backends.docker.client import CALL_SECONDS, Engine, endpoint, translated
from runner.backends.docker.credentials import Credentials, find_credentials
from runner.backends.docker.progress import Message, PullState, Throttle, printable
from runner.backends.docker.references import Reference
from runner.clock import Deadline
from runner.engine.backend import PullProgress
from runner.errors import EngineRefusedError, EngineTimeoutError, ImageError
from runner.records import record

PAUSES = (1.0, 3.0, 0.0)
ATTEMPTS = len(PAUSES)
_SERVER_ERROR = 500


class Cause(Enum):
    """Why a pull failed; only causes that pass by themselves are worth another attempt."""

    NOT_FOUND = "not found"
    ACCESS = "access"
    RATE = "rate limit"
    DISK = "disk full"
    NETWORK = "network"
    REFUSED = "refused"
    STALLED = "stalled"
    OVERDUE = "overdue"

    @property
    def passes(self) -> bool:
        """Whether it may pass by itself."""
        return self in (Cause.RATE, Cause.DISK, Cause.NETWORK)


# Words of engines (20.10 to 28) and registries, lower case, the first match counts. "pull access denied" stands for a
# missing repository as well as for a private one: registries do not tell which.
_WORDS = (
    (Cause.RATE, ("toomanyrequests", "too many requests", "rate limit", "http status: 429", "http 429")),
    (Cause.DISK, ("no space left on device", "disk quota exceeded")),
    (Cause.ACCESS, ("denied", "unauthorized", "authentication required", "no basic auth", "forbidden")),
    (Cause.NETWORK, ("dial tcp", "no such host", "connection reset", "timeout", "unexpected eof")),
    (Cause.NOT_FOUND, ("not found", "does not exist", "manifest unknown", "name unknown", "unknown blob")),
    (Cause.NOT_FOUND, ("blob unknown", "no matching manifest")),
)
_STATUSES = {401: Cause.ACCESS, 403: Cause.ACCESS, 404: Cause.NOT_FOUND, 429: Cause.RATE}


class PullFailedError(Exception):
    """One attempt has failed; ``words`` are those of the registry or the engine."""

    def __init__(self, cause: Cause, words: str) -> None:
        super().__init__(words)
        self.cause = cause
        self.words = words


def classify(words: str, reference: Reference, status: int = _SERVER_ERROR) -> Cause:
    """Tell why a pull failed from what the engine says; ``status`` is that of its answer."""
    # An image may be called "timeout" or "denied": its name is no sign.
    lowered = words.lower().replace(reference.repository.removeprefix("library/"), "")
    lowered = lowered.replace(f":{reference.tag.lower()}", "") if reference.tag else lowered
    for cause, signs in _WORDS:
        if any(sign in lowered for sign in signs):
            return cause
    # The engine answers 500 for whatever the registry or the network did, 4xx for what we asked.
    return _STATUSES.get(status, Cause.NETWORK if status >= _SERVER_ERROR else Cause.REFUSED)


def _least(*limits: float | None) -> float | None:
    """Return the tightest limit, or None when there is none."""
    return min((limit for limit in limits if limit is not None), default=None)


@record
class Puller:
    """Pulls images within limits: ``total`` seconds for all attempts, ``stall`` without progress; None is no limit.

    What passes by itself (network, rate limit, full disk) is tried ``ATTEMPTS`` times; a pull that stalled has had
    its time, and what a registry refuses stays refused.
    """

    engine: Engine
    total: float | None
    stall: float | None
    pause: Callable[[float], None] = time.sleep

    def pull(self, reference: Reference, report: Callable[[PullProgress], None]) -> None:
        """Pull an image.

        Raises:
            ImageError: it cannot be had, in the registry's words and with what to do.
        """
        deadline = Deadline(self.total)
        throttle = Throttle(report)
        credentials = find_credentials(reference.registry, seconds=_least(self.stall, self.total))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _Attempt(self, reference, credentials, throttle, deadline).run()
            except PullFailedError as error:
                pause = PAUSES[attempt - 1] * random.uniform(0.5, 1.5)  # noqa: S311  # jitter, no secret
                in_time = deadline.remaining is None or deadline.remaining > pause
                if not error.cause.passes or attempt == ATTEMPTS or not in_time:
                    # The chain would show what the verdict hides.
                    raise self._verdict(reference, credentials, error, attempt) from None
                text = f"{error.cause.value}: attempt {attempt + 1} of {ATTEMPTS} follows"
                throttle(PullProgress(image=str(reference), text=text), at_once=True)
                self.pause(pause)
            else:
                return

    def _verdict(
        self, reference: Reference, credentials: Credentials, error: PullFailedError, attempts: int
    ) -> ImageError:
        """Return what the user reads."""
        words = credentials.hide(error.words)
        tries = f" ({attempts} attempts)" if attempts > 1 else ""
        return ImageError(f"image {reference}: {words}{tries}", hint=_next_action(error.cause, reference, credentials))


def _next_action(cause: Cause, reference: Reference, credentials: Credentials) -> str:
    login = "docker login" if reference.registry == "docker.io" else f"docker login {reference.registry}"
    if cause is Cause.ACCESS:
        known = (
            "what Docker's config has for it was refused" if credentials.entry else "there are no credentials for it"
        )
        return f"check the name, and log in with `{login}`: {credentials.trouble or known}"
    return {
        Cause.NOT_FOUND: f"check the name and the tag; `docker pull {reference}` tries it by hand",
        Cause.RATE: f"wait, or raise the limit with `{login}`",
        Cause.DISK: "make room where Docker keeps its images: `docker system df`, `docker image prune`",
        Cause.NETWORK: f"is {reference.registry} reachable from the machine that Docker runs on?",
        Cause.REFUSED: f"`docker pull {reference}` tries it by hand",
        Cause.STALLED: "RUNNER_PULL_STALL sets how long a download may stand still",
        Cause.OVERDUE: "RUNNER_PULL_TIMEOUT sets how long a pull may take",
    }[cause]


@dataclass
class _Attempt:
    """One request to the engine. When it is closed the engine gives the download up.

    Docker 20.10 then keeps a socket on which nothing comes until TCP ends it, but the next pull does not wait for it.
    """

    puller: Puller
    reference: Reference
    credentials: Credentials
    throttle: Throttle
    deadline: Deadline
    still: Deadline = field(init=False)
    state: PullState = field(init=False)

    def __post_init__(self) -> None:
        self.still = Deadline(self.puller.stall)
        self.state = PullState(str(self.reference))

    def run(self) -> None:
        """Pull to the end.

        Raises:
            PullFailedError: the attempt failed.
        """
        doing = f"pulling {self.reference}"
        client = self.puller.engine.new_client(CALL_SECONDS)
        try:
            with translated(doing), closing(self._ask(client)) as response:
                for raw in json_stream(self._chunks(response)):
                    self._take(Message.read(raw))
        except EngineTimeoutError as error:
            raise self._late() from error
        except EngineRefusedError as error:
            words = printable(error.message.removeprefix(f"{doing}: "))
            raise PullFailedError(classify(words, self.reference, error.status), words) from error
        finally:
            client.close()
            self.throttle(self.state.progress, at_once=True)

    def _ask(self, client: docker.APIClient) -> requests.Response:
        # The SDK's own pull waits for ever for the first byte of an answer.
        response = client.post(
            endpoint(client, "/images/create"),
            params={"fromImage": self.reference.name, "tag": self.reference.version},
            headers=self.credentials.headers,
            stream=True,
            timeout=(CALL_SECONDS, self._patience()),
        )
        try:
            response.raise_for_status()
        except requests.HTTPError as error:
            docker.errors.create_api_error_from_http_exception(error)
        return response

    def _chunks(self, response: requests.Response) -> Iterator[str]:
        """Yield what the engine sends, each piece within the time that is left."""
        chunks: Iterator[bytes] = response.iter_content(chunk_size=None)
        while True:
            patience = self._patience()
            connection = response.raw.connection
            if connection is not None and connection.sock is not None:
                connection.sock.settimeout(patience)
            chunk = next(chunks, b"")
            if not chunk:
                return
            yield chunk.decode("utf-8", "replace")

    def _take(self, message: Message) -> None:
        if message.error:
            raise PullFailedError(classify(message.error, self.reference), message.error)
        if self.state.take(message):
            self.still = Deadline(self.puller.stall)
        self.throttle(self.state.progress)

    def _patience(self) -> float | None:
        """Return for how many seconds the engine may say nothing; never 0."""
        seconds = _least(self.still.remaining, self.deadline.remaining)
        if seconds == 0.0:
            raise self._late()
        return seconds

    def _late(self) -> PullFailedError:
        """Return which of the two limits it was."""
        still, deadline = self.still.remaining, self.deadline.remaining
        if deadline is not None and (still is None or deadline <= still):
            return PullFailedError(Cause.OVERDUE, f"it did not arrive within {self.puller.total:g} s")
        return PullFailedError(Cause.STALLED, f"no progress for {self.puller.stall:g} s")
