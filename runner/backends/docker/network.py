"""The network of a run, with addresses that we give: the engine's own pools end at about thirty networks."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, ip_network
from typing import Any

from docker.types import IPAMConfig, IPAMPool

from runner import naming
from runner.backends.docker.client import CONFLICT, GONE, Engine, tolerating, translated
from runner.errors import EngineRefusedError, InfrastructureError
from runner.naming import Address, Instance
from runner.settings import DockerSettings

_OVERLAP = 403
"""How the engine answers when a subnet is taken, or when a network is still in use."""


class Networks:
    """Makes and removes the networks of runs."""

    def __init__(self, engine: Engine, settings: DockerSettings, instance: Instance) -> None:
        self._engine = engine
        self._settings = settings
        self._instance = instance

    def create(self, run: str) -> str:
        """Make the network of a run, or find it; return its name.

        Raises:
            InfrastructureError: all addresses of the range are taken, or the engine refuses.
        """
        name = naming.network(run)
        for subnet in self._free(run):
            try:
                with tolerating(CONFLICT), translated(f"creating network {name}"):
                    self._engine.api.create_network(
                        name,
                        driver="bridge",
                        check_duplicate=True,
                        labels=naming.labels(self._instance, Address(run), "network"),
                        ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))]),
                    )
            except EngineRefusedError as error:
                if error.status == _OVERLAP:
                    continue  # somebody was quicker: take the next
                raise
            return name
        raise InfrastructureError(
            f"no free subnet in {self._settings.subnets} for the run's network",
            hint="`runner clean` removes what dead runs left; RUNNER_SUBNETS names another range",
        )

    def remove(self, run: str) -> None:
        """Remove the network of a run; one that is gone is left in peace.

        Raises:
            EngineRefusedError: something is still attached to it.
        """
        name = naming.network(run)
        with tolerating(GONE), translated(f"removing network {name}"):
            self._engine.api.remove_network(name)

    def _free(self, run: str) -> Iterator[IPv4Network]:
        with translated("listing networks"):
            networks: list[Mapping[str, Any]] = self._engine.api.networks()
        taken = [
            ip_network(pool["Subnet"], strict=False)
            for network in networks
            for pool in (network.get("IPAM") or {}).get("Config") or ()
            if pool.get("Subnet")
        ]
        prefix = max(self._settings.subnet_bits, self._settings.subnets.prefixlen)
        subnets = list(self._settings.subnets.subnets(new_prefix=prefix))
        # Each run begins elsewhere, so that runs which start at the same time do not all try the same subnet first.
        start = int(run, 16) % len(subnets) if _is_hex(run) else 0
        for subnet in (*subnets[start:], *subnets[:start]):
            if not any(isinstance(other, IPv4Network) and subnet.overlaps(other) for other in taken):
                yield subnet


def _is_hex(text: str) -> bool:
    try:
        int(text, 16)
    except ValueError:
        return False
    return True
