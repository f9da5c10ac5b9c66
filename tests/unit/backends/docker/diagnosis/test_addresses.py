from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from runner.backends.docker.diagnosis import addresses as subject
from runner.backends.docker.diagnosis.addresses import Route, addresses, read_routes
from runner.errors import InfrastructureError
from runner.settings import DockerSettings
from tests.support.diagnosed import shown
from tests.support.stub_engine import StubEngine, answer, refuse, stub_engine

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT    \n"
DEFAULT = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0  \n"
DOCKER = "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
VPN = "tun0\t0000000A\t0100000A\t0003\t0\t0\t50\t000000FF\t0\t0\t0\n"
REJECTED = "*\t0000D50A\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
DOWN = "eth1\t0000D50A\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0\n"


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as engine:
        yield engine


@pytest.fixture
def routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "route"
    path.write_text(HEAD + DEFAULT)
    monkeypatch.setattr(subject, "_ROUTES", path)
    return path


def network(name: str, *subnets: str) -> dict[str, Any]:
    return {"Name": name, "IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]}}


def seen(stub: StubEngine, subnets: str, *networks: object, near: bool = False) -> dict[str, str]:
    stub.script["/networks"] = [answer([{"Name": "none", "IPAM": {"Config": None}}, {"Name": "host"}, *networks])]
    engine = stub.engine()
    checks = list(addresses(engine, DockerSettings(subnets=IPv4Network(subnets)), near=near))
    engine.api.close()
    return shown(checks)


def test_runs_are_counted_by_the_addresses_that_are_free(stub: StubEngine) -> None:
    assert seen(stub, "10.213.0.0/16", network("bridge", "172.17.0.0/16", "fd00::/64")) == {
        "subnets": "ok 10.213.0.0/16: addresses for 256 more runs at a time"
    }


def test_a_range_for_one_run_is_one(stub: StubEngine) -> None:
    assert seen(stub, "10.213.7.0/28") == {"subnets": "ok 10.213.7.0/28: addresses for 1 more run at a time"}


def test_networks_in_the_range_are_named(stub: StubEngine) -> None:
    some = [network(f"n{number}", f"10.213.{number}.0/24") for number in range(4)]

    assert seen(stub, "10.213.0.0/16", *some)["subnets"] == (
        "ok 10.213.0.0/16: addresses for 252 more runs at a time (taken: n0, n1, n2 and 1 more)"
    )


def test_a_network_around_the_range_leaves_no_addresses(stub: StubEngine) -> None:
    assert seen(stub, "10.213.0.0/24", network("lan", "10.0.0.0/8"))["subnets"] == (
        "bad 10.213.0.0/24: addresses for 0 more runs at a time (taken: lan)"
    )


def test_a_range_that_is_mostly_taken_is_weak(stub: StubEngine) -> None:
    assert seen(stub, "10.213.0.0/22", network("a", "10.213.0.0/23"))["subnets"].startswith("ok ")
    assert seen(stub, "10.213.0.0/22", network("a", "10.213.0.0/23"), network("b", "10.213.2.1/32"))[
        "subnets"
    ].startswith("note 10.213.0.0/22: addresses for 1 more run at a time (taken: a, b)")


def test_the_setting_that_helps_is_named(stub: StubEngine) -> None:
    stub.script["/networks"] = [answer([network("lan", "10.0.0.0/8")])]
    engine = stub.engine()

    (check,) = addresses(engine, DockerSettings(), near=False)
    engine.api.close()

    assert "RUNNER_SUBNETS" in check.advice


def test_routes_elsewhere_and_those_of_the_engines_networks_are_well(stub: StubEngine, routes: Path) -> None:
    routes.write_text(HEAD + DEFAULT + DOCKER)
    bridge = network("bridge", "172.17.0.0/16")

    assert seen(stub, "10.213.0.0/16", bridge, near=True)["routes"] == (
        "ok no route of this machine leads into 10.213.0.0/16"
    )
    assert seen(stub, "172.16.0.0/12", bridge, near=True)["routes"].startswith("ok ")


def test_a_route_into_the_range_is_weak(stub: StubEngine, routes: Path) -> None:
    routes.write_text(HEAD + DEFAULT + VPN)

    assert seen(stub, "10.213.0.0/16", near=True)["routes"].startswith(
        "note this machine reaches others through 10.0.0.0/8 by tun0: "
    )


def test_routes_are_of_no_interest_when_the_engine_is_elsewhere(stub: StubEngine, routes: Path) -> None:
    routes.write_text(HEAD + VPN)

    assert "routes" not in seen(stub, "10.213.0.0/16", near=False)


@pytest.mark.parametrize("text", [HEAD + "tun0 x\n", HEAD + VPN.replace("000000FF", "0000000000FF00000000"), None])
def test_routes_that_cannot_be_read_are_told(stub: StubEngine, routes: Path, text: str | None) -> None:
    if text is None:
        routes.unlink()
    else:
        routes.write_text(text)

    assert seen(stub, "10.213.0.0/16", near=True)["routes"].startswith(f"note {routes} cannot be read")


def test_a_routing_table_is_read_less_what_leads_nowhere_in_particular() -> None:
    assert list(read_routes(HEAD + DEFAULT + DOCKER + VPN + REJECTED + DOWN)) == [
        Route(network=IPv4Network("172.17.0.0/16"), interface="docker0"),
        Route(network=IPv4Network("10.0.0.0/8"), interface="tun0"),
    ]
    assert list(read_routes("")) == []


@pytest.mark.parametrize("networks", [{"a": 1}, [{"IPAM": {"Config": [{"Subnet": "nonsense"}]}}], [5]])
def test_networks_of_another_shape_are_our_error(stub: StubEngine, networks: object) -> None:
    stub.script["/networks"] = [answer(networks)]
    engine = stub.engine()

    with pytest.raises(InfrastructureError, match="says of its networks makes no sense"):
        list(addresses(engine, DockerSettings(), near=False))

    engine.api.close()


def test_an_engine_that_lists_no_networks_is_our_error(stub: StubEngine) -> None:
    stub.script["/networks"] = [refuse(500, "broken")]
    engine = stub.engine()

    with pytest.raises(InfrastructureError, match="listing networks: broken"):
        list(addresses(engine, DockerSettings(), near=False))

    engine.api.close()
