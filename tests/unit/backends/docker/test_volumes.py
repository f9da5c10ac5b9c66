from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import docker.errors
import pytest
import requests

from runner import naming
from runner.backends.docker.client import Engine
from runner.backends.docker.volumes import Volume, Volumes, remove_volumes, whole
from runner.errors import EngineRefusedError, InfrastructureError, WorkspaceError
from runner.naming import Address, Instance

INSTANCE = Instance(id="i", kind="exec", host="h", owner="0")
RUN = Address("12345678")
STAGE = Address("12345678", "build")


def refusal(status: int) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("refused", response, f"refused with {status}")


@dataclass
class FakeApi:
    """The calls about volumes, as the engine answers them; ``refusals`` are given out first, one a call."""

    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusals: dict[str, list[int]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def create_volume(
        self, name: str, *, driver: str, driver_opts: Mapping[str, str], labels: Mapping[str, str]
    ) -> dict[str, Any]:
        fresh = {"Name": name, "Mountpoint": f"/v/{name}", "Options": dict(driver_opts) or None, "Labels": dict(labels)}
        return self.held.setdefault(name, fresh)

    def volumes(self, *, filters: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        wanted = dict(label.split("=", 1) for label in filters["label"])
        return {"Volumes": [raw for raw in self.held.values() if wanted.items() <= raw["Labels"].items()] or None}

    def remove_volume(self, name: str) -> None:
        if self.refusals.get(name):
            raise refusal(self.refusals[name].pop(0))
        if name not in self.held:
            raise refusal(404)
        self.removed.append(name)
        del self.held[name]


@dataclass
class FakeEngine:
    api: FakeApi = field(default_factory=FakeApi)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def engine_of(api: FakeApi) -> Engine:
    return cast("Engine", FakeEngine(api))


@pytest.fixture
def volumes(api: FakeApi) -> Volumes:
    return Volumes(engine_of(api), INSTANCE)


def test_a_volume_carries_the_labels_of_its_owner(volumes: Volumes, api: FakeApi) -> None:
    volumes.plain("a", STAGE)

    labels = api.held["a"]["Labels"]
    assert labels == {
        **INSTANCE.labels(),
        "io.runner.run": RUN.run,
        "io.runner.stage": "build",
        "io.runner.role": "workspace",
    }


def test_an_overlay_knows_its_options_and_a_plain_volume_has_none(volumes: Volumes, api: FakeApi) -> None:
    assert volumes.plain("a", RUN) == Volume(name="a", path="/v/a")
    assert volumes.overlay("b", RUN, "lowerdir=x") == Volume(name="b", path="/v/b", options="lowerdir=x")
    assert api.held["b"]["Options"] == {"type": "overlay", "device": "overlay", "o": "lowerdir=x"}


def test_making_a_volume_again_adopts_it(volumes: Volumes) -> None:
    assert volumes.overlay("b", STAGE, "lowerdir=x") == volumes.overlay("b", STAGE, "lowerdir=x")


def test_a_volume_with_other_options_is_refused(volumes: Volumes) -> None:
    volumes.overlay("b", RUN, "lowerdir=x")

    with pytest.raises(WorkspaceError, match="volume b exists already"):
        volumes.overlay("b", RUN, "lowerdir=y")
    with pytest.raises(WorkspaceError, match="volume b exists already"):
        volumes.plain("b", RUN)


def test_a_volume_of_another_stage_is_refused(volumes: Volumes) -> None:
    volumes.plain("a", STAGE)

    with pytest.raises(WorkspaceError, match="is not what"):
        volumes.plain("a", Address(RUN.run, "other"))


def test_the_volumes_of_a_run_are_found_by_label(volumes: Volumes) -> None:
    assert volumes.of_run(RUN.run) == {}
    volumes.plain("a", STAGE)
    volumes.plain("b", RUN)
    volumes.plain("c", Address("87654321"))

    assert set(volumes.of_run(RUN.run)) == {"a", "b"}


def test_a_mount_is_never_filled_from_the_image_and_a_missing_volume_cannot_be_mounted() -> None:
    mount = Volume(name="a", path="/v/a", labels={"io.runner.run": "r"}).mount("/w", read_only=True)

    assert (mount["Source"], mount["Target"], mount["Type"], mount["ReadOnly"]) == ("a", "/w", "volume", True)
    options = mount["VolumeOptions"]
    assert (options["NoCopy"], options["Labels"]) == (True, {"io.runner.run": "r"})
    assert options["DriverConfig"]["Options"]["device"] == "/a-volume-that-was-removed-from-outside"


def test_an_engine_that_was_started_anew_is_asked_again_for_what_a_volume_is(
    volumes: Volumes, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    volumes.overlay("b", STAGE, "lowerdir=x")
    monkeypatch.setattr(api, "create_volume", lambda name, **_: {"Name": name, "Labels": None, "Options": None})
    monkeypatch.setattr(api, "inspect_volume", lambda name: api.held[name], raising=False)

    assert volumes.overlay("b", STAGE, "lowerdir=x").options == "lowerdir=x"


def test_the_volumes_of_several_runs_are_found_where_layers_are_of_another(volumes: Volumes) -> None:
    volumes.plain("a", RUN)
    other = Address("87654321", "s")
    volumes.plain("b", other)

    assert set(volumes.among(RUN.run, ())) == {"a"}
    assert set(volumes.among(RUN.run, (other,))) == {"a", "b"}


def test_a_volume_is_filled_once(volumes: Volumes) -> None:
    filled: list[str] = []

    for _ in range(2):
        volumes.filled("a", RUN, lambda volume: filled.append(volume.name))

    assert filled == ["a"]
    assert volumes.whole("a", RUN.run) == Volume(name="a", path="/v/a")


def test_a_volume_whose_filling_failed_is_filled_anew(volumes: Volumes, api: FakeApi) -> None:
    def fail(volume: Volume) -> None:
        raise WorkspaceError("no space left")

    with pytest.raises(WorkspaceError):
        volumes.filled("a", RUN, fail)
    assert volumes.whole("a", RUN.run) is None

    filled: list[str] = []
    volumes.filled("a", RUN, lambda volume: filled.append(volume.name))

    assert filled == ["a"]
    assert api.removed == ["a"]


def test_removing_what_is_gone_is_fine_and_other_refusals_are_not(volumes: Volumes, api: FakeApi) -> None:
    volumes.remove("never-was")
    api.refusals["a"] = [500]

    with pytest.raises(EngineRefusedError):
        volumes.remove("a")


def a_run(volumes: Volumes) -> None:
    volumes.plain("upper", STAGE)
    volumes.plain("work", STAGE)
    volumes.overlay("tree", STAGE, "lowerdir=x")
    volumes.plain("source", RUN)
    volumes.overlay("another", STAGE, "lowerdir=y")


def test_overlays_are_removed_before_their_parts(volumes: Volumes, api: FakeApi) -> None:
    a_run(volumes)

    remove_volumes(engine_of(api), {naming.LABEL_RUN: RUN.run})

    assert set(api.removed[:2]) == {"tree", "another"}
    assert api.held == {}


def test_only_what_carries_the_labels_is_removed(volumes: Volumes, api: FakeApi) -> None:
    a_run(volumes)
    volumes.plain("foreign", Address("87654321"))

    remove_volumes(engine_of(api), {naming.LABEL_RUN: RUN.run, naming.LABEL_STAGE: "build"})

    assert set(api.held) == {"foreign", "source"}


def test_what_is_in_use_is_tried_again(volumes: Volumes, api: FakeApi) -> None:
    a_run(volumes)
    api.refusals = {"tree": [409, 409], "source": [409]}

    remove_volumes(engine_of(api), {naming.LABEL_RUN: RUN.run})

    assert api.held == {}


def test_the_parts_of_an_overlay_that_stays_in_use_stay_too(volumes: Volumes, api: FakeApi) -> None:
    a_run(volumes)
    api.refusals = {"tree": [409] * 100}

    with pytest.raises(InfrastructureError, match=r"left behind: tree .*refused with 409"):
        remove_volumes(engine_of(api), {naming.LABEL_RUN: RUN.run}, seconds=0.2)

    assert set(api.held) == {"tree", "upper", "work", "source"}


def test_any_other_refusal_is_told_at_once(volumes: Volumes, api: FakeApi) -> None:
    a_run(volumes)
    api.refusals = {"upper": [500] * 100}

    with pytest.raises(InfrastructureError, match="left behind: upper"):
        remove_volumes(engine_of(api), {naming.LABEL_RUN: RUN.run}, seconds=60)

    assert set(api.held) == {"upper"}


def test_the_mark_of_a_whole_volume_is_another_volume() -> None:
    assert whole("a") != "a"


def test_names_of_layers_are_short_and_differ_by_stage_and_round() -> None:
    names = {
        naming.layer(Address("12345678", stage, round=number), "w") for stage in ("a", "b", "a\01") for number in (1, 2)
    }

    assert len(names) == 6
    assert {len(name) for name in names} == {18}
    assert all(name.isalnum() for name in names)
