import os
import re
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.plan.grants import Grants, grant
from runner.plan.model import Bind, Cache, Plan, Service, Stage, Step


def _plan(*steps: Step, services: tuple[Service, ...] = (), origins: tuple[Step, ...] = ()) -> Plan:
    return Plan(dialect="vela", stages=(Stage(name="s", steps=steps),), services=services, origins=origins)


def _step(image: str = "docker:dind", **fields: object) -> Step:
    return Step(name="a", image=image, **fields)  # type: ignore[arg-type]  # the fields of `Step`


def _granted(step: Step, *, images: tuple[str, ...] = (), volumes: tuple[str, ...] = ()) -> Step:
    return grant(_plan(step), Grants.read(images, volumes)).stages[0].steps[0]


def _mounting(source: Path | str, *, mode: str = "ro") -> Step:
    return _step(volumes=(Bind(source=str(source), target="/inside", read_only=mode == "ro"),))


@pytest.fixture
def granted(tmp_path: Path) -> Path:
    path = tmp_path / "granted"
    (path / "below").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    return path


def test_without_grants_nothing_is_privileged_or_mounted() -> None:
    assert _granted(_step()) == _step()


def test_a_step_whose_image_may_be_privileged_is() -> None:
    assert _granted(_step(), images=("docker",)).privileged
    assert _granted(_step(privileged=True), images=("other", "docker:*")).privileged
    assert not _granted(_step("evil/docker"), images=("docker",)).privileged


def test_a_service_and_a_plugin_may_be_privileged() -> None:
    plan = _plan(_step("alpine"), services=(Service(name="d", image="docker"),), origins=(_step(),))

    found = grant(plan, Grants.read(["docker"], []))

    assert (found.services[0].privileged, found.origins[0].privileged) == (True, True)
    assert not found.stages[0].steps[0].privileged


@pytest.mark.parametrize(
    ("plan", "named"),
    [
        (_plan(_step(privileged=True)), "the step s/a"),
        (_plan(_step("alpine"), origins=(_step(privileged=True),)), "the step @secrets/a"),
        (_plan(services=(Service(name="d", image="docker:dind", privileged=True),)), "the service d"),
    ],
    ids=["step", "origin", "service"],
)
def test_who_asks_to_be_privileged_without_a_grant_is_named_with_what_would_allow_it(plan: Plan, named: str) -> None:
    with pytest.raises(UsageError, match=f"^{named} wants to be privileged") as caught:
        grant(plan, Grants.read(["podman"], []))

    assert caught.value.hint == "to allow it: --privileged-image docker:dind, or the setting RUNNER_PRIVILEGED_IMAGES"


def test_an_image_that_is_not_known_yet_is_never_privileged() -> None:
    step = _step("docker:${TAG}", late=True)

    assert not _granted(step, images=("docker", "docker:*")).privileged


def test_a_pattern_that_cannot_be_read_is_bad_usage() -> None:
    with pytest.raises(UsageError, match=r"--privileged-image: the pattern '\['"):
        Grants.read(["["], [])


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("/srv", Bind(source="/srv", target="/srv")),
        ("/srv:/data", Bind(source="/srv", target="/data")),
        ("/srv:/data:ro", Bind(source="/srv", target="/data")),
        ("/srv:/data:rw", Bind(source="/srv", target="/data", read_only=False)),
        ("/srv/../srv/x/:/data", Bind(source="/srv/x", target="/data")),
    ],
)
def test_a_granted_volume_is_mounted_into_every_step_read_only_unless_told(text: str, bind: Bind) -> None:
    assert _granted(_step(), volumes=(text,)).volumes == (bind,)


def test_a_relative_path_is_that_of_this_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert Grants.read([], ["./data"]).volumes == (Bind(source=f"{tmp_path}/data", target=f"{tmp_path}/data"),)


def test_a_granted_link_is_mounted_from_where_it_points_to_and_keeps_its_name(granted: Path) -> None:
    link = granted.parent / "link"
    link.symlink_to(granted)

    assert _granted(_step(), volumes=(str(link),)).volumes == (Bind(source=str(granted), target=str(link)),)


@pytest.mark.parametrize("text", ["", ":/a", "/a:", "/a:/b:", "/a:/b:rx", "/a:/b:ro:x", "/a::ro"])
def test_a_volume_that_cannot_be_read_is_bad_usage(text: str) -> None:
    with pytest.raises(UsageError, match=r"the volume .* cannot be read"):
        Grants.read([], [text])


def test_a_volume_by_name_is_no_path() -> None:
    with pytest.raises(UsageError, match="begins with a name, not a path") as caught:
        Grants.read([], ["cache:/c"])

    assert caught.value.hint == "write ./cache:/c"


def test_a_relative_destination_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="relative destination"):
        Grants.read([], ["/srv:data"])


@pytest.mark.parametrize("below", ["", "below", "below/", "./below", "below/../below", "not/there/yet"])
def test_a_step_may_mount_what_is_granted_and_what_is_below(granted: Path, below: str) -> None:
    step = _granted(_mounting(granted / below), volumes=(f"{granted}:/granted",))

    assert [bind.target for bind in step.volumes] == ["/granted", "/inside"]
    assert step.volumes[1].source == os.path.realpath(granted / below)


@pytest.mark.parametrize("source", ["secret", "granted/../secret", "granted2", ".", "granted/link", "granted/link/x"])
def test_a_step_may_not_mount_what_is_elsewhere_whatever_way_it_takes(granted: Path, source: str) -> None:
    (granted / "link").symlink_to("../secret")

    with pytest.raises(UsageError, match="the step s/a wants to see ") as caught:
        _granted(_mounting(f"{granted.parent}/{source}"), volumes=(str(granted),))

    real = os.path.realpath(granted.parent / source)
    assert caught.value.hint == f"to allow it: --volume {real}:/inside, or the setting RUNNER_VOLUMES"


def test_a_relative_source_of_a_pipeline_is_refused(granted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(granted)

    with pytest.raises(UsageError, match="wants to see below of this machine") as caught:
        _granted(_mounting("below"), volumes=(str(granted),))

    assert "absolute path" in caught.value.hint


def test_a_step_may_write_only_what_is_granted_so(granted: Path) -> None:
    with pytest.raises(UsageError, match="wants to write") as caught:
        _granted(_mounting(granted, mode="rw"), volumes=(str(granted),))

    assert f"--volume {granted}:/inside:rw" in caught.value.hint
    assert not _granted(_mounting(granted, mode="rw"), volumes=(f"{granted}:/granted:rw",)).volumes[1].read_only


@pytest.mark.parametrize("also", [(), ("below",)])
def test_nothing_is_mounted_from_below_where_steps_may_write_since_it_could_become_a_link(
    granted: Path, also: tuple[str, ...]
) -> None:
    volumes = (f"{granted}:/granted:rw", *(f"{granted}/{path}:/other" for path in also))

    with pytest.raises(UsageError, match=f"which is below {granted}, where steps may write"):
        _granted(_mounting(granted / "below"), volumes=volumes)


def test_what_a_step_mounts_itself_takes_the_place_of_what_is_granted_there(granted: Path) -> None:
    step = _granted(_mounting(granted / "below"), volumes=(f"{granted}:/inside",))

    assert step.volumes == (Bind(source=f"{granted}/below", target="/inside"),)


@pytest.mark.parametrize("target", ["/vela", "/vela/src", "/vela/src/", "/vela/outputs"])
def test_a_volume_cannot_take_the_place_of_the_workspace(target: str) -> None:
    plan = Plan(dialect="vela", stages=(), home="/vela", workdir="/vela/src", outputs="/vela/outputs")

    with pytest.raises(UsageError, match="would hide the workspace"):
        grant(plan, Grants.read((), (f"/:{target}",)))


@pytest.mark.parametrize("target", ["/run", "/run/runner", "//run/runner/x", "/opt/../run/runner", "/run/./runner/"])
def test_nothing_is_mounted_in_the_way_of_what_every_step_needs(target: str) -> None:
    plan = Plan(dialect="vela", stages=(), home="/vela", workdir="/vela/src")

    with pytest.raises(
        UsageError, match=f"a volume or cache at {re.escape(target)} would be in the way of /run/runner"
    ):
        grant(plan, Grants.read((), (f"/:{target}",)), taken=("/opt/x", "/run/runner"))


def test_a_cache_is_not_in_the_way_of_what_every_step_needs_either() -> None:
    cached = Step(name="s", image="i", caches=(Cache(key="k", path="../../opt/x"), Cache(key="k", path="x")))
    plan = Plan(dialect="vela", stages=(Stage(name="s", steps=(cached,)),), home="/vela", workdir="/vela/src")

    with pytest.raises(UsageError, match=r"cache at \.\./\.\./opt/x would be in the way of /opt/x"):
        grant(plan, Grants(), taken=("/opt/x",))


@pytest.mark.parametrize("image", ["!image", "docker:!{tag}", "@step || docker:dind"])
def test_an_image_that_is_a_reference_may_not_be_privileged_whatever_it_looks_like(image: str) -> None:
    mapped = _step(image, pipeline="steps")

    assert not _granted(mapped, images=("docker:*", "!*", "@*", "*")).privileged
    with pytest.raises(UsageError, match="wants to be privileged"):
        _granted(_step(image, pipeline="steps", privileged=True), images=("docker:*", "*"))


def test_an_image_without_a_reference_may_be_also_where_there_are_some() -> None:
    assert _granted(_step(pipeline="steps"), images=("docker:*",)).privileged


def test_where_nothing_is_mapped_a_mark_in_an_image_means_nothing() -> None:
    assert _granted(_step("docker:!{tag}"), images=("docker:*",)).privileged
