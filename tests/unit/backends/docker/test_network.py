"""Which network a run stands in, and who makes the common one when several want it at once."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runner import naming
from runner.backends.docker import network
from runner.backends.docker.network import Networks
from runner.engine.specs import RunSpec
from runner.errors import EngineRefusedError, InfrastructureError
from runner.naming import Instance
from runner.settings import DockerSettings
from tests.support.stub_engine import Behaviour, Handler, StubEngine, answer, refuse, stub_engine

INSTANCE = Instance(id="i1", kind="daemon", host="h", owner="o")
COMMON = naming.common_network(INSTANCE)
RANGE = IPv4Network("10.0.0.0/16")
CREATE = "POST /networks/create"

Refusal = tuple[int, Callable[[], object]]
"""The status of a refused creation, and what somebody else does at that moment."""


@dataclass
class Ground:
    """An engine's networks. ``refusals`` are for the next creations; a removal takes a name."""

    stub: StubEngine
    found: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stub.script |= {"/networks": [self._list], "/networks/create": [self._create]}

    def networks(self, **settings: Any) -> Networks:  # noqa: ANN401 - the fields of `DockerSettings`, which checks them
        """Return what a process has, with a connection of its own."""
        return Networks(
            self.stub.engine(), DockerSettings(**{"subnets": RANGE, "confined": True, **settings}), INSTANCE
        )

    def put(self, name: str, **more: Any) -> None:  # noqa: ANN401 - whatever the engine tells of a network
        """Have a network that somebody else has made."""
        self.found.append({"Name": name, "Id": f"id-{name}", "Labels": {}, **more})
        self.stub.script[f"/networks/{name}"] = [self._remove]

    def put_common(self, container_id: str, instance: Instance = INSTANCE) -> None:
        """Have a common network with this id, of whoever it is."""
        self.put(naming.common_network(instance), Id=container_id, Labels=naming.common_labels(instance))

    @property
    def created(self) -> list[str]:
        """The names that somebody wanted to create, refused ones too."""
        return [str(body["Name"]) for body in self.asked]

    @property
    def names(self) -> list[str]:
        """The names of what there is."""
        return [str(each["Name"]) for each in self.found]

    def _list(self, handler: Handler) -> None:
        filters = json.loads(parse_qs(urlsplit(handler.path).query).get("filters", ["{}"])[0])
        wanted = [label.partition("=") for label in filters.get("label", ())]
        found = [raw for raw in self.found if raw["Name"] in filters.get("name", (raw["Name"],))]
        answer([raw for raw in found if all(raw["Labels"].get(key) == value for key, _, value in wanted)])(handler)

    def _create(self, handler: Handler) -> None:
        body = json.loads(handler.body)
        self.asked.append(body)
        if self.refusals:
            status, meanwhile = self.refusals.pop(0)
            meanwhile()
            refuse(status, "refused")(handler)
        else:
            self.put(body["Name"], Labels=body["Labels"], IPAM=body["IPAM"])
            answer({"Id": f"id-{body['Name']}", "Warning": ""})(handler)

    def _remove(self, handler: Handler) -> None:
        name = handler.path.rpartition("/")[2]
        self.found = [raw for raw in self.found if raw["Name"] != name]
        self.stub.script[f"/networks/{name}"] = [refuse(404, "no such network")]
        answer({})(handler)


@pytest.fixture
def ground() -> Iterator[Ground]:
    with stub_engine() as stub:
        yield Ground(stub)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for what another process makes."""
    monkeypatch.setattr(network, "_MAKING_SECONDS", 0.2)
    monkeypatch.setattr(network, "_PAUSE_SECONDS", 0.01)


def run(number: int, *, named: bool) -> RunSpec:
    return RunSpec(id=f"{number:08x}", home="/h", workdir="/w", named=named)


def subnet(body: dict[str, Any]) -> IPv4Network:
    found = ip_network(body["IPAM"]["Config"][0]["Subnet"])
    assert isinstance(found, IPv4Network)
    return found


def nobody() -> None:
    """Let nobody do anything."""


def test_runs_in_which_nothing_is_reached_by_name_join_one_network_that_is_made_once(ground: Ground) -> None:
    networks = ground.networks()

    joined = {networks.open(run(number, named=False)) for number in range(3)}

    assert joined == {f"id-{COMMON}"}
    assert ground.created == [COMMON]


def test_containers_of_the_common_network_do_not_reach_each_other(ground: Ground) -> None:
    ground.networks().common()

    [asked] = ground.asked
    assert asked["Options"] == {"com.docker.network.bridge.enable_icc": "false"}
    assert asked["Driver"] == "bridge"


def test_the_common_network_has_the_addresses_of_sixteen_runs_and_no_run_or_process_for_an_owner(
    ground: Ground,
) -> None:
    ground.networks(subnet_bits=26).common()

    [asked] = ground.asked
    assert subnet(asked).prefixlen == 22
    assert subnet(asked).subnet_of(RANGE)
    assert asked["Labels"] == naming.common_labels(INSTANCE)
    assert not {naming.LABEL_RUN, naming.LABEL_INSTANCE, naming.LABEL_LOCK} & asked["Labels"].keys()


def test_a_run_with_names_has_a_network_of_its_own_in_which_containers_reach_each_other(ground: Ground) -> None:
    networks = ground.networks()
    spec = run(7, named=True)

    assert networks.open(spec) == naming.network(spec.id)

    [asked] = ground.asked
    assert not asked["Options"]
    assert asked["Labels"][naming.LABEL_RUN] == spec.id
    assert subnet(asked).prefixlen == 24


def test_an_own_network_that_is_there_already_is_joined(ground: Ground) -> None:
    ground.refusals = [(409, nobody)]

    assert ground.networks().open(run(7, named=True)) == naming.network("00000007")
    assert len(ground.asked) == 1


def test_an_own_network_takes_the_next_subnet_when_somebody_was_quicker(ground: Ground) -> None:
    ground.refusals = [(403, nobody)]

    ground.networks().open(run(7, named=True))

    first, second = map(subnet, ground.asked)
    assert int(second.network_address) - int(first.network_address) == first.num_addresses


def test_what_another_network_has_is_not_tried(ground: Ground) -> None:
    networks = ground.networks(subnet_bits=17)
    for number in range(2):
        networks.open(run(number, named=True))

    with pytest.raises(InfrastructureError, match=r"no free subnet in 10\.0\.0\.0/16") as caught:
        networks.open(run(2, named=True))

    assert len(ground.asked) == 2
    assert "`runner clean`" in caught.value.hint


def test_a_common_network_that_is_there_is_found_by_its_labels_whatever_its_name(ground: Ground) -> None:
    ground.put_common("theirs", Instance(id="i9", kind="daemon", host="h", owner="another"))
    ground.put("renamed", Id="ours", Labels=naming.common_labels(INSTANCE))

    assert ground.networks().open(run(1, named=False)) == "ours"
    assert ground.asked == []


@pytest.mark.parametrize("ids", [("aa", "bb"), ("bb", "aa")])
def test_of_two_common_networks_all_join_that_of_the_smaller_id(ground: Ground, ids: tuple[str, str]) -> None:
    for each in ids:
        ground.put_common(each)

    assert ground.networks().common() == "aa"


@pytest.mark.parametrize("status", [403, 409])
def test_who_is_refused_as_another_process_makes_the_common_network_joins_that_one(ground: Ground, status: int) -> None:
    ground.refusals = [(status, lambda: ground.put_common("theirs"))]

    assert ground.networks().common() == "theirs"
    assert ground.created == [COMMON]


@pytest.mark.parametrize("status", [403, 409])
def test_one_waits_for_another_process_that_is_still_making_the_common_network(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(network, "_MAKING_SECONDS", 60.0)
    looks = 0

    def look(handler: Handler) -> None:
        nonlocal looks
        looks += 1
        if looks == 5:  # before the creation, for what is taken, and then again and again
            ground.put_common("theirs")
        ground._list(handler)

    ground.stub.script["/networks"] = [look]
    ground.refusals = [(status, nobody)]

    assert ground.networks().common() == "theirs"
    assert ground.created == [COMMON]


def test_of_many_processes_that_want_the_common_network_at_once_all_get_the_same(ground: Ground) -> None:
    """Of this engine a name is taken once it is there, as of one whose lock is held while it makes a network."""
    lock, start = threading.Lock(), threading.Barrier(4)

    def create(handler: Handler) -> None:
        with lock:
            behaviour: Behaviour = refuse(409, "taken") if COMMON in ground.names else ground._create
            behaviour(handler)

    ground.stub.script["/networks/create"] = [create]
    found: list[str | None] = []

    def want() -> None:
        networks = ground.networks()
        start.wait()
        found.append(networks.common())

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [f"id-{COMMON}"] * 4
    assert ground.names == [COMMON]


def test_a_subnet_that_somebody_else_has_taken_meanwhile_is_left_to_him(ground: Ground) -> None:
    ground.refusals = [(403, nobody)]

    assert ground.networks().common() == f"id-{COMMON}"

    first, second = map(subnet, ground.asked)
    assert not first.overlaps(second)


@pytest.mark.parametrize(
    ("subnets", "bits", "common"),
    [("10.0.0.0/24", 27, False), ("10.0.0.0/24", 24, False), ("10.0.0.0/24", 16, False), ("10.0.0.0/16", 24, True)],
)
def test_a_range_that_holds_few_networks_has_no_common_one(
    ground: Ground,
    subnets: str,
    bits: int,
    common: bool,  # noqa: FBT001 - a case of it
) -> None:
    networks = ground.networks(subnets=IPv4Network(subnets), subnet_bits=bits)
    spec = run(1, named=False)

    assert (networks.common() is not None) is common
    assert networks.open(spec) == (f"id-{COMMON}" if common else naming.network(spec.id))
    assert ground.created == [COMMON if common else naming.network(spec.id)]


def test_without_a_free_subnet_for_the_common_network_a_run_has_its_own(ground: Ground) -> None:
    for number in range(16):  # one /24 of each /20
        ground.put(f"x{number}", IPAM={"Config": [{"Subnet": f"10.0.{16 * number}.0/24"}]})
    spec = run(1, named=False)

    assert ground.networks().open(spec) == naming.network(spec.id)


def test_an_engine_that_cannot_keep_containers_apart_is_asked_once_and_runs_have_their_own(ground: Ground) -> None:
    networks = ground.networks()
    ground.refusals = [(500, nobody)]
    specs = [run(number, named=False) for number in range(2)]

    assert [networks.open(spec) for spec in specs] == [naming.network(spec.id) for spec in specs]
    assert ground.created == [COMMON, *(naming.network(spec.id) for spec in specs)]


def test_an_own_network_goes_with_its_run(ground: Ground) -> None:
    networks = ground.networks()
    spec = run(1, named=True)
    networks.open(spec)

    networks.remove(spec)
    assert ground.names == []
    networks.remove(spec)


def test_an_own_network_of_a_run_that_should_have_stood_in_the_common_one_goes_with_it_too(ground: Ground) -> None:
    networks = ground.networks(subnets=IPv4Network("10.0.0.0/24"), subnet_bits=27)
    spec = run(1, named=False)
    networks.open(spec)

    networks.remove(spec)

    assert ground.names == []


def test_the_common_network_outlives_the_runs_in_it_also_those_of_an_earlier_process(ground: Ground) -> None:
    networks = ground.networks()
    spec = run(1, named=False)
    networks.open(spec)

    ground.networks().remove(spec)
    networks.remove(spec)
    networks.remove(spec)

    assert ground.names == [COMMON]
    assert not [request for request in ground.stub.requests if request == f"DELETE /networks/{COMMON}"]


def test_a_network_to_which_something_is_attached_still_is_told(ground: Ground) -> None:
    networks = ground.networks()
    spec = run(1, named=True)
    name = networks.open(spec)
    ground.stub.script[f"/networks/{name}"] = [refuse(403, "has active endpoints")]

    with pytest.raises(EngineRefusedError, match="has active endpoints"):
        networks.remove(spec)


def test_a_range_of_sixteen_networks_leaves_all_to_runs_with_names(ground: Ground) -> None:
    networks = ground.networks(subnets=IPv4Network("10.0.0.0/24"), subnet_bits=28)

    networks.open(run(1, named=False))
    networks.open(run(2, named=True))

    assert ground.names == ["runner-00000001", "runner-00000002"]


def test_a_run_that_began_in_the_common_network_and_had_to_go_on_in_its_own_leaves_none(ground: Ground) -> None:
    networks = ground.networks()
    spec = run(1, named=False)
    networks.open(spec)
    ground.found.clear()  # somebody has cleaned up while its only sandbox was dead
    ground.refusals = [(500, lambda: None)]

    networks.open(spec)
    networks.remove(spec)

    assert ground.names == []


@pytest.mark.parametrize("there", [True, False])
def test_on_a_persons_own_machine_runs_join_the_engines_default_bridge_if_it_has_one(
    ground: Ground, *, there: bool
) -> None:
    if there:
        ground.found.append({"Name": "bridge", "Id": "b", "Labels": {}})
    networks = ground.networks(confined=False)

    joined = networks.open(run(1, named=False))

    assert (joined == "bridge", len(ground.names)) == (there, 1)
