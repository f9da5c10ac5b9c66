"""When images are fetched, with a real registry."""

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from docker import APIClient
from docker.errors import ImageNotFound

from runner.errors import ExitCode
from tests.support.cli import Place, derive
from tests.support.registry import Shelf, registry


@dataclass
class Versions:
    """Makes images that know their version, and removes them, also those whose tag has moved on."""

    shelf: Shelf
    made: list[str] = field(default_factory=list)

    def make(self, name: str, number: int) -> None:
        self.shelf.names.add(name)
        self.made.append(derive(self.shelf.api, name, f"ENV VERSION={number}"))

    def push(self, name: str) -> None:
        for message in self.shelf.api.push(name, stream=True, decode=True):
            assert "error" not in message, message

    def remove(self, name: str) -> None:
        self.shelf.remove(name)

    def clear(self) -> None:
        self.shelf.clear()
        for image in self.made:
            with suppress(ImageNotFound):
                self.shelf.api.remove_image(image, force=True)


@pytest.fixture
def versions() -> Iterator[Versions]:
    with closing(APIClient()) as api:
        made = Versions(Shelf(api))
        try:
            yield made
        finally:
            made.clear()


def pulling(names: dict[str, str], policies: dict[str, str]) -> str:
    steps = "".join(
        f'  - {{name: {what}, image: "{names[what]}", pull: {policy}, commands: [echo "version $VERSION"]}}\n'
        for what, policy in policies.items()
    )
    first = """{name: first, image: "busybox:local", commands: [echo ready, 'until [ -e go ]; do sleep 0.1; done']}"""
    return f'version: "1"\nsteps:\n  - {first}\n{steps}'


def test_pull_policies_fetch_when_they_say(place: Place, versions: Versions, tmp_path: Path) -> None:
    policies = {"new": "always", "old": "not_present", "absent": "not_present", "here": "never", "late": "on_start"}
    with registry(tmp_path) as registered:
        names = {what: f"{registered.host}/{what}:1" for what in policies}
        for name in names.values():
            versions.make(name, 2)
        for what in ("new", "old", "absent"):
            versions.push(names[what])
        for what in ("new", "old", "here"):
            versions.make(names[what], 1)
        for what in ("absent", "late"):
            versions.remove(names[what])
        place.write(pulling(names, policies))
        running = place.start("exec", "--output", "json", "--bind")
        running.until("first | ready")
        versions.make(names["late"], 3)
        versions.push(names["late"])
        versions.remove(names["late"])
        (place.repo / "go").touch()
        finished = running.finish()
        versions.remove(names["here"])
        missing = place.exec()

    assert finished.code == ExitCode.SUCCESS, finished.err
    assert {what: finished.printed(f"steps/{what}") for what in policies} == {
        "new": ["version 2"],
        "old": ["version 1"],
        "absent": ["version 2"],
        "here": ["version 1"],
        "late": ["version 3"],
    }
    assert missing.code == ExitCode.INFRASTRUCTURE
    assert f"image {names['here']} is not there" in missing.out.splitlines()[-1]
