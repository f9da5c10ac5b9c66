"""What steps on a real engine find of the commands, values and configuration of their run, and what is read of them."""

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.values import LIMITS
from runner.engine.specs import RunSpec, StageSpec
from runner.errors import InfrastructureError
from runner.naming import ORIGINS, SERVICES, Address, new_run_id, volume
from runner.pipelinectl.values import Store
from tests.support.attempts import BUSYBOX, DEBIAN
from tests.support.backends import DockerPlace, docker_backend
from tests.support.pipelinectl_stand import Stand

CONFIG = {PurePosixPath("plain"): b"1", PurePosixPath("secure-properties/token"): b"hidden"}
ENGINE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(scope="module")
def place() -> Iterator[DockerPlace]:
    with docker_backend() as made:
        assert isinstance(made, DockerPlace)
        yield made


@pytest.fixture(scope="module")
def stand(place: DockerPlace) -> Iterator[Stand]:
    made = Stand(place, config=CONFIG)
    yield made
    made.backend.close_run(made.run, keep=False)
    assert place.left(made.run.id) == ()


def mute(stand: Stand) -> None:
    """Let no sandbox answer any more, so that all goes through the engine."""
    assert isinstance(stand.backend, DockerBackend)
    for sandbox in stand.backend._sandboxes.live(stand.run.id):
        sandbox.answers.cut()


@pytest.mark.parametrize(
    ("image", "shell"), [(BUSYBOX, ""), (DEBIAN, ""), (DEBIAN, "bash")], ids=["ash", "dash", "bash"]
)
@pytest.mark.parametrize(("user", "path"), [("", None), ("1000", ""), ("1234:99", "/bin:/usr/bin")])
def test_every_step_finds_the_commands_first_and_may_set_values(
    stand: Stand, image: str, shell: str, user: str, path: str | None
) -> None:
    environment = {} if path is None else {"PATH": path}
    script = (
        'umask 077; set_env k "$(id -u)"; set_secret s x; get_env k; get_secret s; command -v set_env; echo "$PATH"'
    )

    lines = stand.step(script, image=image, shell=shell, user=user, environment=environment).lines

    assert lines == [
        user.partition(":")[0] or "0",
        "x",
        "/opt/runner/bin/set_env",
        f"/opt/runner/bin:{path or ENGINE_PATH}",
    ]
    assert stand.values().contents["e.k"].decode().strip() == lines[0]


@pytest.mark.parametrize(("environment", "expected"), [({}, ENGINE_PATH), ({"PATH": "/bin"}, "/bin")])
def test_so_does_one_without_a_gate(stand: Stand, environment: dict[str, str], expected: str) -> None:
    entrypoint = ("/bin/sh", "-c", 'set_env direct "$PATH"')

    assert stand.step("", commands=(), entrypoint=entrypoint, environment=environment).code == 0

    assert stand.values().contents["e.direct"].decode() == f"/opt/runner/bin:{expected}\n"


def test_a_detached_step_and_one_that_fetches_secrets_are_no_exception(stand: Stand) -> None:
    assert stand.step("set_env beside 1; get_env direct", alias="beside").code == 0
    origin = stand.open_stage(ORIGINS)
    assert stand.step("set_env origin 1", stage=origin).code == 0

    assert {"e.beside", "e.origin"} <= set(stand.values().contents)


def test_a_service_sees_none_of_it(stand: Stand) -> None:
    services = Address(stand.run.id, SERVICES)
    script = 'ls /opt/runner /run/runner /run/runner-secrets /config; echo "$PATH"'

    ended = stand.step(
        "", stage=services, commands=(), entrypoint=("/bin/sh", "-c", script), workspace=False, alias="db"
    )

    assert ended.out.decode().splitlines() == [ENGINE_PATH]
    assert ended.err.count(b"No such file") == 4


def test_what_a_step_only_reads_cannot_be_changed_even_by_root(stand: Stand) -> None:
    script = "for place in /opt/runner /opt/runner/bin /config; do touch $place/x 2>/dev/null && echo $place; done"

    assert stand.step(script + "; get_env plain; get_secret token; ls -a /config").lines == [
        "1",
        "hidden",
        ".",
        "..",
        "plain",
        "secure-properties",
    ]


def test_a_mark_is_written_with_any_umask_and_user_and_a_read_only_store_loses_nothing(stand: Stand) -> None:
    assert stand.step("umask 777; true", user="4711").code == 0
    step = stand.begin("sleep 600")
    assert step.beside("set_env k v", values="ro").code != 0
    stand.backend.discard(step.spec.address)


def test_a_store_that_a_hostile_step_has_filled_is_read_without_waiting_for_it(stand: Stand) -> None:
    script = (
        "cd /run/runner/values; mkfifo e.fifo f.fifo; ln -s /dev/zero e.zero; ln -s /etc/shadow e.link;"
        "mknod e.dev c 1 5; mkdir -p e.dir/deep; echo 1 >e.dir/e.deep; truncate -s 100G f.sparse; echo 1 >e.good;"
        "touch -- -x 'e.a b' .draft"
    )
    assert stand.step(script).code == 0
    begun = time.monotonic()

    found = stand.values()

    assert time.monotonic() - begun < 3
    assert found.contents["e.good"] == b"1\n"
    assert found.sizes == {"f.sparse": 100 << 30}
    assert not {"e.fifo", "e.zero", "e.link", "e.dev", "e.dir", "-x", "e.a b", ".draft"} & set(found.contents)
    assert stand.step("cd /run/runner/values; rm -rf e.* f.* -- -x .draft").code == 0


def test_a_value_is_read_in_milliseconds(stand: Stand) -> None:
    stand.step("for n in $(seq 50); do set_env key$n value$n; done")
    times = []
    for _ in range(15):
        begun = time.perf_counter()
        assert len(stand.values().contents) >= 50
        times.append(time.perf_counter() - begun)

    sys.stdout.write(f"a store of 50 values: {statistics.median(times) * 1000:.2f} ms\n")
    assert statistics.median(times) < 0.05


def test_a_store_that_is_too_large_is_an_error_and_goes_on_when_it_is_smaller(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.backends.docker.values.LIMITS", replace(LIMITS, members=200))
    stand.step("cd /run/runner/values; seq 201 | sed 's/^/x.many/' | xargs touch")
    with pytest.raises(InfrastructureError, match="holds more than 200 files or 64 MiB"):
        stand.values()
    stand.step("cd /run/runner/values; rm -f x.many*; truncate -s 200G e.big")
    begun = time.monotonic()
    with pytest.raises(InfrastructureError, match="holds more than 200 files or 64 MiB"):
        stand.values()
    assert time.monotonic() - begun < 10

    stand.step("rm /run/runner/values/e.*; set_env k v")
    assert stand.values().contents["e.k"] == b"v\n"


def test_without_an_answer_all_goes_through_the_engine_and_at_last_through_a_dead_sandbox(place: DockerPlace) -> None:
    made = Stand(place)
    mute(made)
    assert made.step("set_env k v; echo 12345 >file; save_file f file").code == 0

    made.backend.put_values(made.run.id, {"p.a": b"1\n", "e.k": b"over\n"})
    made.backend.put_values(made.run.id, {"p.a": b"2\n"})

    expected = Store(contents={"p.a": b"2\n", "e.k": b"over\n"}, sizes={"f.f": 6})
    assert made.values() == expected
    assert made.step("get_env k; stat -c %a /run/runner/values/e.k").lines == ["over", "666"]
    for sandbox in made.backend._sandboxes.live(made.run.id):  # type: ignore[attr-defined]  # of Docker's
        place._engine.api.kill(sandbox.id)
    assert made.values() == expected
    made.backend.close_run(made.run, keep=False)
    assert place.left(made.run.id) == ()


def test_a_run_that_is_kept_keeps_its_values_until_it_is_closed_for_good(place: DockerPlace) -> None:
    made = Stand(place, config=CONFIG)
    made.step("set_env k v")

    made.backend.close_run(made.run, keep=True)

    kept = place.left(made.run.id)
    assert f"volume {volume(made.run.id, 'v')}" in kept
    assert all(name.startswith("volume ") for name in kept)
    made.backend.close_run(made.run, keep=False)
    assert place.left(made.run.id) == ()


def test_opening_a_run_with_outputs_values_and_configuration_fills_all_of_it_before_the_first_stage(
    place: DockerPlace,
) -> None:
    run = RunSpec(
        id=new_run_id(),
        home="/w",
        workdir="/w",
        outputs="/w/out",
        values={"p.a": b"1\n"},
        config=CONFIG,
    )
    backend = place.client()
    backend.open_run(run)
    assert backend.values(run.id, wanted=lambda: True) == Store(contents={"p.a": b"1\n"})
    backend.open_stage(StageSpec(address=Address(run.id, "s")), lambda _: None)
    assert backend.outputs(Address(run.id, "s")) == {}
    backend.close_run(run, keep=False)
