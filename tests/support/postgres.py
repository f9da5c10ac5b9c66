"""A PostgreSQL server of the tests' own: one for each process of tests, in a temporary directory, on a unix socket.

It starts with the first database that is asked for, and ends with the process, be it killed. A server of the system is
neither used nor touched.
"""

import atexit
import functools
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

USER = "postgres"
GUARDED = "guarded"
"""A user who needs a password, which nobody has."""

_STARTS_WITHIN = 30.0
_numbers = itertools.count(1)


class Server:
    """A server that runs. It may lose what it has when the machine dies, which makes it fast."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        folder.chmod(0o755)
        if os.getuid() == 0:
            shutil.chown(folder, USER, USER)
        subprocess.run(
            [*_as_user(), _program("initdb"), "-D", self._data, "-U", USER, "--auth=trust", "--encoding=UTF8", "-N"],
            check=True,
            capture_output=True,
        )
        (self._data / "pg_hba.conf").write_text(f"local all {GUARDED} scram-sha-256\nlocal all all trust\n", "ascii")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        with self._connection() as connection:
            connection.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'nobody has it'")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ("fsync=off", "listen_addresses=", f"unix_socket_directories={self._folder}", "max_connections=60")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_as_user("--pdeathsig=QUIT"),
                    _program("postgres"),
                    *("-D", self._data),
                    *(word for option in options for word in ("-c", option)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that Ctrl-C ends the tests first
            )
        deadline = time.monotonic() + _STARTS_WITHIN
        while True:
            try:
                return self._connection().close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError((self._folder / "log").read_text("utf-8")) from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop it at once, as a machine that dies; what was committed is there when it is started again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_STARTS_WITHIN)

    def database(self) -> str:
        """Make an empty database, and return its name."""
        name = f"test{next(_numbers)}"
        with self._connection() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def url(self, database: str, user: str = USER) -> str:
        """Return the address of a database, for SQLAlchemy."""
        return f"postgresql://{user}@/{database}?host={self._folder}"

    def _connection(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(self._folder), user=USER, dbname="postgres", autocommit=True)


@functools.cache
def server() -> Server:
    """Return the server of this process."""
    folder = Path(tempfile.mkdtemp(prefix="runner-postgres-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    found = Server(folder)
    atexit.register(found.stop)
    return found


def _program(name: str) -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    assert found, "PostgreSQL is not there; install Debian's package postgresql"
    return found[-1]


def _as_user(*options: str) -> list[str]:
    """Return what starts a program as a user that PostgreSQL accepts: it does not run as root."""
    user = [f"--reuid={USER}", f"--regid={USER}", "--init-groups"] if os.getuid() == 0 else []
    return ["setpriv", *user, *options] if user or options else []
