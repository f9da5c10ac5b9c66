"""The configuration of one attempt, as it is sent to the engine."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from docker.types import Mount

from runner.backends.docker import configs
from runner.backends.docker.hostconfig import Own, Placement
from runner.engine.specs import StepSpec
from runner.errors import InfrastructureError
from runner.naming import Address
from tests.support.stub_engine import Handler, StubEngine, answer, refuse, stub_engine

SPEC = StepSpec(address=Address("0badcafe", "s", "t"), image="i", script="true", own_config=True)
PLACEMENT = Placement(
    image="i",
    network=Own(network="n"),
    role="step",
    workdir="/w",
    marks="/m",
    mounts=(Mount("/config", "v"), Mount("/w", "u")),
    has_shell=lambda _: True,
)
FILES = {PurePosixPath("mode"): b"fast\n", PurePosixPath("a/b/c d"): b"\xff", PurePosixPath("empty"): b""}
ARCHIVE = "/containers/box/archive"


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        yield found


def fill(stub: StubEngine, spec: StepSpec, placement: Placement, files: dict[PurePosixPath, bytes]) -> None:
    engine = stub.engine()
    try:
        configs.fill(engine, "box", spec, placement, files)
    finally:
        engine.api.close()


def asked(stub: StubEngine) -> list[str]:
    return [request for request in stub.requests if request != "GET /version"]


def test_files_are_roots_and_every_user_may_read_them(stub: StubEngine) -> None:
    sent: list[bytes] = []

    def take(handler: Handler) -> None:
        sent.append(handler.body)
        answer({})(handler)

    stub.script[ARCHIVE] = [take]
    fill(stub, SPEC, PLACEMENT, FILES)

    [request] = asked(stub)
    assert request == "PUT /containers/box/archive?path=%2Fconfig"
    with tarfile.open(fileobj=io.BytesIO(sent[0])) as tar:
        found = {member.name: member for member in tar}
        read = {name: file.read() for name, member in found.items() if (file := tar.extractfile(member))}
    assert read == {"mode": b"fast\n", "a/b/c d": b"\xff", "empty": b""}
    assert list(found)[:2] == ["a", "a/b"]
    assert {(member.uid, member.gid) for member in found.values()} == {(0, 0)}
    assert {member.mode for member in found.values() if member.isfile()} == {0o644}
    assert {member.mode for member in found.values() if member.isdir()} == {0o755}


@pytest.mark.parametrize(
    ("spec", "placement", "files"),
    [
        (replace(SPEC, own_config=False), PLACEMENT, FILES),
        (SPEC, replace(PLACEMENT, mounts=(Mount("/w", "u"),)), FILES),
        (SPEC, PLACEMENT, {}),
    ],
)
def test_nothing_is_written_where_a_step_has_none_of_its_own_or_mounts_something_else(
    stub: StubEngine, spec: StepSpec, placement: Placement, files: dict[PurePosixPath, bytes]
) -> None:
    fill(stub, spec, placement, files)

    assert asked(stub) == []


def test_an_engine_that_refuses_is_an_error_that_names_the_step(stub: StubEngine) -> None:
    stub.script[ARCHIVE] = [refuse(500, "no")]

    with pytest.raises(InfrastructureError, match=r"s/t \(1\.1\): writing its configuration"):
        fill(stub, SPEC, PLACEMENT, FILES)


def test_what_starts_without_a_gate_can_have_none() -> None:
    with pytest.raises(InfrastructureError, match="would start before its configuration"):
        configs.check(replace(SPEC, script=""))
    configs.check(SPEC)
    configs.check(replace(SPEC, script="", commands=("true",)))
    configs.check(replace(SPEC, script="", own_config=False))
