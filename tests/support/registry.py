"""A real registry on loopback (Debian's docker-registry), and images to put there."""

import http.server
import io
import json
import os
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
import docker.errors
import yaml

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 20
_LISTEN = "0A"
"""The state of a socket that listens, as /proc/net/tcp has it."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who may use a registry."""

    user: str
    password: str


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A registry that listens; the engine takes 127.0.0.0/8 for insecure and asks it over HTTP."""

    port: int
    login: Login | None = None

    @property
    def host(self) -> str:
        """The first part of the names of its images."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def registry(
    folder: Path, login: Login | None = None, *, port: int | None = None, beside: int | None = None
) -> Iterator[Registry]:
    """Run a registry that keeps its images in ``folder``, open or with a login.

    ``beside`` is a process in whose network it listens, else in ours; ``port`` is one that is free there.
    """
    subprocess.run([_ROOT / "scripts" / "ensure-packages", "docker-registry", "apache2-utils"], check=True)
    port = port or free_port()
    config = folder / "config.yml"
    config.write_text(yaml.safe_dump(_config(folder, port, login)))
    entering = ["nsenter", f"--net=/proc/{beside}/ns/net"] if beside else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*entering, "docker-registry", "serve", config], stdout=log, stderr=log)
    try:
        _await(port, process, folder / "log")
        yield Registry(port=port, login=login)
    finally:
        process.terminate()
        process.wait(10)


def _config(folder: Path, port: int, login: Login | None) -> dict[str, object]:
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if login is not None:
        line = subprocess.run(
            ["htpasswd", "-Bbn", login.user, login.password], check=True, capture_output=True, text=True
        )
        (folder / "htpasswd").write_text(line.stdout)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    return config


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _listens(process.pid, port):
            return
        time.sleep(0.05)
    raise AssertionError(f"the registry did not start: {log.read_text()}")


def _listens(pid: int, port: int) -> bool:
    """Tell whether somebody listens on a port of the loopback in the network of a process, which may not be ours."""
    sockets = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    listening = f"0100007F:{port:04X}", _LISTEN
    return any((fields[1], fields[3]) == listening for fields in map(str.split, sockets))


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def refusing_registry(status: int, code: str, message: str) -> Iterator[Registry]:
    """Run a registry that answers every request with the same error."""

    class Refuse(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if self.command == "GET" else b"")

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
            """Say nothing on stderr."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Registry(port=server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Shelf:
    """Makes images, and removes from the engine whatever name it has seen."""

    api: docker.APIClient
    names: set[str] = field(default_factory=set)

    def make(
        self, name: str, *, members: Sequence[tarfile.TarInfo] = (), size: int = 0, changes: tuple[str, ...] = ()
    ) -> str:
        """Put an image into the engine; return its id. Its layer holds ``size`` random bytes: it is like no other."""
        repository, _, tag = name.rpartition(":")
        self.names.add(name)
        answer = self.api.import_image_from_data(
            _layer(members, size), repository=repository, tag=tag, changes=list(changes)
        )
        image_id: str = json.loads(answer.splitlines()[-1])["status"]
        return image_id

    def publish(self, registry: Registry, path: str, *, size: int = 1000, changes: tuple[str, ...] = ()) -> str:
        """Make an image, push it to a registry as ``path`` (``app:1``), forget it here; return its id."""
        name = f"{registry.host}/{path}"
        image_id = self.make(name, size=size, changes=changes)
        login = registry.login
        auth = {"username": login.user, "password": login.password} if login else {"username": "", "password": ""}
        for message in self.api.push(name, stream=True, decode=True, auth_config=auth):
            assert "error" not in message, message
        self.remove(name)
        return image_id

    def remove(self, name: str) -> None:
        """Remove a name, and what only it named: an image whose tag has moved on is still held by its digest."""
        repository = name.partition("@")[0] if "@" in name else name.rpartition(":")[0]
        for image in self.api.images(name=repository):
            for held in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())):
                if held != "<none>:<none>":
                    self._untag(held)

    def _untag(self, name: str) -> None:
        try:
            self.api.remove_image(name, force=True)
        except docker.errors.ImageNotFound:
            return

    def clear(self) -> None:
        """Remove every name."""
        for name in self.names:
            self.remove(name)
        self.names.clear()


def _layer(members: Sequence[tarfile.TarInfo], size: int) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"\0" * member.size))
        noise = tarfile.TarInfo("noise")
        noise.size = max(size, 16)
        archive.addfile(noise, io.BytesIO(os.urandom(noise.size)))
    return data.getvalue()
