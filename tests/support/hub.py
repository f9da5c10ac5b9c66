"""A private engine for which a registry of ours is what Docker Hub is for others, and the images to put there."""

import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker import APIClient

from tests.support.attempts import BUSYBOX, build_images
from tests.support.private_engine import PrivateEngine, private_engine
from tests.support.registry import Registry, registry
from tests.support.scripts import SCRIPTS
from tests.support.workspaces import SANDBOX

_PORT = 5000
"""Nobody else is in the network of a private engine."""


def build_image(
    api: APIClient, name: str, programs: Mapping[str, str], *, base: str = BUSYBOX, entrypoint: Sequence[str] = ()
) -> None:
    """Make an image that is another one with scripts in ``/usr/local/bin``, by their names."""
    quoted = ", ".join(f'"{word}"' for word in entrypoint)
    dockerfile = f"FROM {base}\nCOPY usr /usr\n" + (f"ENTRYPOINT [{quoted}]\n" if entrypoint else "")
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        _add(archive, "Dockerfile", dockerfile)
        _add(archive, "usr/local/bin/.keep", "")
        for program, script in programs.items():
            _add(archive, f"usr/local/bin/{program}", script)
    context.seek(0)
    for message in api.build(fileobj=context, custom_context=True, tag=name, rm=True, forcerm=True, decode=True):
        assert "error" not in message, message


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o755
    archive.addfile(member, io.BytesIO(data))


@dataclass(frozen=True, kw_only=True)
class Hub:
    """An engine that pulls ``golang:latest`` from our registry, by this very name."""

    engine: PrivateEngine
    registry: Registry
    api: APIClient

    def publish(self, name: str, programs: Mapping[str, str], *, entrypoint: Sequence[str] = ()) -> None:
        """Put an image into the registry, and not into the engine; it takes the place of an older one."""
        path = name if "/" in name else f"library/{name}"
        pushed = f"{self.registry.host}/{path}"
        build_image(self.api, pushed, programs, entrypoint=entrypoint)
        for message in self.api.push(pushed, stream=True, decode=True):
            assert "error" not in message, message
        self.api.remove_image(pushed)

    def has(self, name: str) -> bool:
        """Tell whether the engine itself has an image."""
        return bool(self.api.images(name=name))


@contextmanager
def hub_in(folder: Path) -> Iterator[Hub]:
    """Start engine and registry, with what ``runner`` itself needs; at the end nothing of both is left."""
    build_images()
    subprocess.run([SCRIPTS / "ensure-packages", "iproute2"], check=True)
    mirror = f"--registry-mirror http://127.0.0.1:{_PORT}"
    with private_engine(folder, mirror) as engine:
        started = engine.ensure()
        assert started.returncode == 0, started.stderr
        assert engine.within("ip", "link", "set", "lo", "up").returncode == 0
        with (
            registry(folder, port=_PORT, beside=engine.pid) as registered,
            closing(APIClient(base_url=engine.host)) as api,
        ):
            _load(api, BUSYBOX, SANDBOX)
            yield Hub(engine=engine, registry=registered, api=api)


def _load(target: APIClient, *images: str) -> None:
    """Bring images of the machine's own engine to another one."""
    with closing(APIClient()) as source:
        for image in images:
            target.load_image(b"".join(source.get_image(image)))  # type: ignore[no-untyped-call]  # the stubs lack it
