"""Real git servers on loopback: ``git http-backend`` behind a small web server, with every fault we ask it for; ssh."""

import base64
import getpass
import http.server
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.registry import Login, free_port

_START_SECONDS = 10
_HOST = "127.0.0.1"


@dataclass(kw_only=True)
class Faults:
    """What a web server does beside serving; a test changes it at any time.

    ``commits`` says whether it gives commits that are no tip (without it, it speaks the first version of the protocol,
    in which that is a setting). ``broken`` counts the requests it fails before it serves again. Requests for a path
    that begins with ``slow`` are never answered, those for a key of ``moved`` are sent elsewhere.
    """

    login: Login | None = None
    commits: bool = True
    broken: int = 0
    slow: str = ""
    moved: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class WebServer:
    """A web server for the repositories below a directory. ``asked`` are the paths of its requests.

    ``logins`` are what came in their Authorization headers.
    """

    url: str
    faults: Faults
    asked: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: Path
    served: WebServer
    ended: threading.Event

    def do_GET(self) -> None:
        """Serve, or fail as is asked for."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        faults, path = self.served.faults, urlsplit(self.path).path
        self.served.asked.append(path)
        if faults.slow and path.startswith(faults.slow):
            self.ended.wait()
        elif path in faults.moved:
            self._answer(302, {"Location": f"{faults.moved[path]}?{urlsplit(self.path).query}"})
        elif faults.broken > 0:
            faults.broken -= 1
            self._answer(503)
        elif not self._known():
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._serve(path, body)

    do_POST = do_GET  # noqa: N815 - the name is Python's

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""

    def _known(self) -> bool:
        given = self.headers.get("Authorization", "")
        if given:
            self.served.logins.append(base64.b64decode(given.removeprefix("Basic ")).decode())
        login = self.served.faults.login
        return login is None or given == "Basic " + base64.b64encode(f"{login.user}:{login.password}".encode()).decode()

    def _serve(self, path: str, body: bytes) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") if self.served.faults.commits else "",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": urlsplit(self.path).query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, check=False, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._answer(int(headers.pop("Status", "200").split()[0]), headers, content)

    def _answer(self, status: int, headers: Mapping[str, str] | None = None, content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def web_server(root: Path, certificate: Path | None = None) -> Iterator[WebServer]:
    """Serve the repositories below a directory over http, or https with a certificate and its key in one file."""
    scheme = "https" if certificate else "http"
    server = http.server.ThreadingHTTPServer((_HOST, 0), _Handler)
    served = WebServer(url=f"{scheme}://{_HOST}:{server.server_port}", faults=Faults())
    ended = threading.Event()
    server.RequestHandlerClass = type("Handler", (_Handler,), {"root": root, "served": served, "ended": ended})
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that is killed is no news
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield served
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def make_certificate(directory: Path) -> Path:
    """Make a certificate of its own for loopback; return the file with it and its key."""
    path = directory / "server.pem"
    only = directory / "only.pem"
    kind = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=loopback")
    name = ("-addext", f"subjectAltName=IP:{_HOST}")
    subprocess.run(["openssl", "req", *kind, *name, "-keyout", path, "-out", only], check=True, capture_output=True)
    with path.open("ab") as file:
        file.write(only.read_bytes())
    return path


@dataclass(frozen=True, kw_only=True)
class SshServer:
    """An ssh server for the repositories of this machine; ``key`` opens it, ``known_hosts`` knows it."""

    port: int
    key: Path
    known_hosts: Path

    def url(self, path: Path) -> str:
        """Return the address of a repository on this machine."""
        return f"ssh://{getpass.getuser()}@{_HOST}:{self.port}{path}"


@contextmanager
def ssh_server(directory: Path) -> Iterator[SshServer]:
    """Run one (Debian's openssh-server), with keys that nobody uses elsewhere, in a directory of its own."""
    directory.mkdir()
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    port = free_port()
    host_key = (directory / "host.pub").read_text(encoding="ascii")
    (directory / "known hosts").write_text(f"[{_HOST}]:{port} {host_key}", encoding="ascii")
    settings = {
        "ListenAddress": f"{_HOST}:{port}",
        "HostKey": directory / "host",
        "AuthorizedKeysFile": directory / "key.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
    }
    (directory / "config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()), encoding="ascii")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", directory / "config"], stderr=subprocess.DEVNULL
    ) as process:
        try:
            _await(host_key, port)
            yield SshServer(port=port, key=directory / "key", known_hosts=directory / "known hosts")
        finally:
            process.terminate()


def _await(host_key: str, port: int) -> None:
    end = time.monotonic() + _START_SECONDS
    command = ["ssh-keyscan", "-T", "1", "-p", str(port), _HOST]
    while host_key.split()[1] not in subprocess.run(command, check=False, capture_output=True, text=True).stdout:
        assert time.monotonic() < end, "no ssh server answers"
        time.sleep(0.05)
