"""Git commands: by GitPython, without what the user or the machine has configured, watched and killed in time."""

import math
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Final

from runner.clock import Deadline
from runner.errors import UnwantedError, WorkspaceError
from runner.records import record
from runner.workspace.git.credentials import Access
from runner.workspace.git.trouble import Cause, GitError, failed

Wanted = Callable[[], bool]
"""Whether somebody still wants what is under way, as ``engine.backend.Wanted``, which is a layer above."""

_KEPT: Final = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    )
)
"""What git gets of our environment. Variables that make it run programs, and our own secrets, are not among them."""

_ENVIRONMENT: Final = {
    "GIT_ASKPASS": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LANGUAGE": "C",
    "LC_ALL": "C",
}
_CONFIG: Final = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.logAllRefUpdates": "false",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",  # each fetch is one pack: few files, which trees share by hard links
    "gc.auto": "0",
    "init.defaultBranch": "main",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
}

_TICK = 0.1  # seconds between two looks at the clock
_CHUNK = 65536
_TAIL = 65536  # bytes of stderr that are kept: progress goes there, too
_MOST = 256 * 1024 * 1024  # bytes of stdout
_GRACE = 2.0  # seconds that git has to remove its temporary files
_OLDEST = (2, 31)  # the first that reads GIT_CONFIG_COUNT


@record
class Watch:
    """When to give up: ``stall`` is how many seconds git may be silent while it uses the network."""

    deadline: Deadline
    stall: float
    wanted: Wanted

    def check(self) -> None:
        """See whether to go on.

        Raises:
            UnwantedError: nobody wants it any more.
            GitError: it has taken too long.
        """
        if not self.wanted():
            raise UnwantedError("fetching was given up, because nobody wants it any more")
        if self.deadline.passed:
            raise GitError(Cause.DEADLINE, f"it took longer than {self.deadline.seconds:g} s")

    def sleep(self, seconds: float) -> None:
        """Wait, and go on looking.

        Raises:
            UnwantedError: as ``check``.
            GitError: as ``check``.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, _TICK))
        self.check()


@record
class Git:
    """Runs git in a directory. ``held`` are files that it keeps open, and with them locked, should it outlive us."""

    directory: Path
    watch: Watch
    protocols: tuple[str, ...] = ()
    access: Access = field(default_factory=Access)
    held: tuple[int, ...] = ()

    def __call__(self, *arguments: str, network: bool = False) -> str:
        """Run a command; return what it writes to stdout, without the newline at the end.

        With ``network`` its silence is watched: give it ``--progress``.

        Raises:
            GitError: it failed, or took too long.
            UnwantedError: nobody wants it any more.
        """
        self.watch.check()
        process = self._start(arguments)
        try:
            reader = _Reader(process, self.watch, self.watch.stall if network else None)
            stdout, stderr = reader.read()
            status = process.wait()
        finally:
            _end(process)
        if status:
            raise failed(stderr.decode("utf-8", "replace"), self.access.secrets)
        return stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def succeeds(self, *arguments: str) -> bool:
        """Run a command that answers by its exit code.

        Raises:
            GitError: it took too long.
            UnwantedError: nobody wants it any more.
        """
        try:
            self(*arguments)
        except GitError as error:
            if error.cause is Cause.DEADLINE:
                raise
            return False
        return True

    def _start(self, arguments: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        import git  # noqa: PLC0415 - it cannot be imported where there is no git command; see `require`

        # GitPython adds to our environment, so what git must not see of it is taken away by `env`.
        environment = self._environment()
        hidden = (f"--unset={name}" for name in sorted(os.environ.keys() - _KEPT - environment.keys()))
        process = git.Git(self.directory).execute(
            ["env", *hidden, "git", *arguments],
            as_process=True,
            env=environment,
            start_new_session=True,  # a group to kill, without a terminal to ask at
            pass_fds=self.held,
            umask=0o022,  # steps of any user read what git writes
        )
        started = process.proc
        if started is None:
            raise AssertionError  # only what has ended has none
        process.proc = None  # else it would be ended once more, when Python collects what is around it
        return started

    def _environment(self) -> Mapping[str, str]:
        stall = {"http.lowSpeedLimit": "1", "http.lowSpeedTime": str(math.ceil(self.watch.stall))}
        config = {**_CONFIG, **stall, **self.access.config}
        numbered = {"GIT_CONFIG_COUNT": str(len(config))}
        for number, (key, value) in enumerate(config.items()):
            numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        here = {
            "GIT_ALLOW_PROTOCOL": ":".join(self.protocols),
            "GIT_CEILING_DIRECTORIES": str(self.directory.parent),  # a repository around ours is none of our business
        }
        return {**_ENVIRONMENT, **here, **numbered, **self.access.environment}


def require() -> None:
    """Make sure that there is a git command that we can use.

    Raises:
        WorkspaceError: there is none, or it is too old.
    """
    try:
        import git  # noqa: PLC0415 - as above
    except ImportError as error:
        raise WorkspaceError("repositories cannot be fetched without the git command", hint="install git") from error
    found = git.Git().version_info
    if found[:2] < _OLDEST:
        words = [".".join(map(str, version)) for version in (found, _OLDEST)]
        raise WorkspaceError(
            f"git {words[0]} is too old to fetch repositories", hint=f"install git {words[1]} or newer"
        )


class _Reader:
    """Reads what a command writes until it ends, is silent for too long, or nobody waits any more."""

    def __init__(self, process: "subprocess.Popen[bytes]", watch: Watch, stall: float | None) -> None:
        self._process = process
        self._watch = watch
        self._stall = stall
        self._stdout = bytearray()
        self._stderr = bytearray()

    def read(self) -> tuple[bytes, bytes]:
        """Return what it wrote to stdout and the end of what it wrote to stderr."""
        silence = Deadline(self._stall)
        with selectors.DefaultSelector() as selector:
            for stream, kept in ((self._process.stdout, self._stdout), (self._process.stderr, self._stderr)):
                if stream is not None:
                    selector.register(stream, selectors.EVENT_READ, kept)
            while selector.get_map():
                ready = selector.select(_TICK)
                if not ready and self._process.poll() is not None:
                    ready = selector.select(0)  # what it has written between these two looks
                    if not ready:
                        break  # what it left behind in the background keeps the streams open
                for key, _ in ready:
                    if not self._take(key.fd, key.data):
                        selector.unregister(key.fileobj)
                if ready:
                    silence = Deadline(self._stall)
                if silence.passed:
                    raise GitError(Cause.STALL, f"nothing came for {self._stall:g} s")
                self._watch.check()
        return bytes(self._stdout), bytes(self._stderr)

    def _take(self, stream: int, kept: bytearray) -> bool:
        data = os.read(stream, _CHUNK)
        kept += data
        if len(self._stdout) > _MOST:
            raise GitError(Cause.OTHER, "git answers without an end")
        del self._stderr[:-_TAIL]
        return bool(data)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """See to it that nothing of a command runs any more, and that its streams are closed."""
    if process.poll() is None:
        for sent in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, sent)
                process.wait(_GRACE)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
