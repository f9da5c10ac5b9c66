"""Whether the addresses that networks of runs are given are free: on the engine, and on its machine."""

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

from runner.backends.docker.client import Engine, translated
from runner.backends.docker.diagnosis.check import Check, bad, note, ok
from runner.backends.docker.diagnosis.facts import understood
from runner.records import record
from runner.settings import DockerSettings

_ROUTES = Path("/proc/net/route")
_UP, _REJECTED = 0x1, 0x200
_SETTING = "RUNNER_SUBNETS names another range, for example 172.28.0.0/16"
_NAMED = 3


@record
class Route:
    """A way of the machine's to a network."""

    network: IPv4Network
    interface: str


def addresses(engine: Engine, settings: DockerSettings, *, near: bool) -> Iterator[Check]:
    """Count the runs for which there are addresses, and look for other users of these.

    The machine's routes are ours to see only if the engine is ``near``.

    Raises:
        InfrastructureError: the engine does not list its networks.
    """
    with translated("listing networks"):
        networks: list[Mapping[str, Any]] = engine.api.networks()
    with understood("its networks"):
        taken = dict(_pools(networks))
    yield _subnets(settings, taken)
    if near:
        try:
            routes = tuple(read_routes(_ROUTES.read_text()))
        except (OSError, ValueError, struct.error) as error:
            yield note("routes", f"{_ROUTES} cannot be read ({error})", "see to it that no route leads into the range")
        else:
            yield _routes(settings.subnets, taken, routes)


def read_routes(text: str) -> Iterator[Route]:
    """Read what Linux writes to /proc/net/route, less the default route and what is refused or down.

    Raises:
        ValueError: it is something else.
        struct.error: an address is too large.
    """
    for line in text.splitlines()[1:]:
        interface, destination, _, flags, _, _, _, mask = line.split()[:8]
        up = int(flags, 16) & (_UP | _REJECTED) == _UP
        if up and int(mask, 16):
            yield Route(network=IPv4Network(f"{_address(destination)}/{_address(mask)}"), interface=interface)


def _address(text: str) -> str:
    return socket.inet_ntoa(struct.pack("=I", int(text, 16)))


def _pools(networks: Iterable[Mapping[str, Any]]) -> Iterator[tuple[IPv4Network, str]]:
    for raw in networks:
        for pool in (raw.get("IPAM") or {}).get("Config") or ():
            subnet = ip_network(pool["Subnet"], strict=False) if pool.get("Subnet") else None
            if isinstance(subnet, IPv4Network):
                yield subnet, str(raw["Name"])


def _subnets(settings: DockerSettings, taken: Mapping[IPv4Network, str]) -> Check:
    whole = settings.subnets
    prefix = max(settings.subnet_bits, whole.prefixlen)
    parts = list(whole.subnets(new_prefix=prefix))
    others = {network: name for network, name in taken.items() if network.overlaps(whole)}
    free = sum(not any(part.overlaps(network) for network in others) for part in parts)
    found = f"{whole}: addresses for {free} more run{'' if free == 1 else 's'} at a time"
    if others:
        names = sorted(others.values())
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        found += f" (taken: {', '.join(names[:_NAMED])}{more})"
    if not free:
        return bad("subnets", found, f"`runner clean` removes what dead runs left; {_SETTING}")
    if free < len(parts) // 2:
        return note("subnets", found, _SETTING)
    return ok("subnets", found)


def _routes(whole: IPv4Network, taken: Mapping[IPv4Network, str], routes: Iterable[Route]) -> Check:
    strange = [route for route in routes if route.network.overlaps(whole) and route.network not in taken]
    if not strange:
        return ok("routes", f"no route of this machine leads into {whole}")
    ways = ", ".join(f"{route.network} by {route.interface}" for route in strange)
    found = f"this machine reaches others through {ways}: a run with the same addresses would cut them off"
    return note("routes", found, _SETTING)
