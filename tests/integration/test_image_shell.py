"""Which images have a shell, asked of containers that never run."""

import tarfile
import uuid
from collections.abc import Iterator

import pytest

from runner.backends.docker.client import Engine
from runner.backends.docker.images import Images
from runner.settings import DockerSettings
from tests.support.registry import Shelf


def file(name: str, mode: int = 0o755) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = 4, mode
    return member


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def folder(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    return member


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    made = Shelf(Engine().api)
    yield made
    made.clear()


@pytest.mark.parametrize(
    ("members", "has"),
    [
        ([file("bin/sh")], True),
        ([file("bin/busybox"), link("bin/sh", "/bin/busybox")], True),
        ([file("bin/busybox"), link("bin/sh", "busybox")], True),
        ([file("usr/bin/dash"), link("usr/bin/sh", "dash"), link("bin", "usr/bin")], True),
        ([file("bin/a"), link("bin/b", "a"), link("bin/sh", "b")], True),
        ([link("bin/sh", "/bin/gone")], False),
        ([link("bin/sh", "../../../../bin/gone")], False),
        ([folder("bin/sh")], False),
        ([file("bin/sh", 0o644)], False),
        ([file("tool")], False),
    ],
    ids=["file", "link", "relative", "merged usr", "chain", "dangling", "outside", "folder", "no program", "nothing"],
)
def test_a_shell_is_found_in_a_container_that_never_ran(
    shelf: Shelf, members: list[tarfile.TarInfo], *, has: bool
) -> None:
    engine = Engine()
    name = f"shell-test-{uuid.uuid4().hex[:8]}:1"
    image_id = shelf.make(name, members=members, changes=('CMD ["/tool"]',))
    created = engine.api.create_container(image=image_id)
    try:
        images = Images(engine, DockerSettings())

        assert images.shell_in(created["Id"], images.describe(name).id) is has
        assert images.has_shell(image_id) is has
    finally:
        engine.api.remove_container(created["Id"], v=True, force=True)


@pytest.mark.parametrize(("check", "has"), [("CMD true", True), ("NONE", False)])
def test_a_health_check_is_seen(shelf: Shelf, check: str, *, has: bool) -> None:
    name = f"health-test-{uuid.uuid4().hex[:8]}:1"
    shelf.make(name, changes=(f"HEALTHCHECK {check}",))

    assert Images(Engine(), DockerSettings()).describe(name).has_healthcheck is has
