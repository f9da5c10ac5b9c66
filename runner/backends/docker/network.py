"""The networks that steps stand in, with addresses that we give: the engine's own pools end at about thirty networks.

To make and remove a network costs 280 ms, and only a run in which something is reached by its name needs one of its
own. All others stand in a common one. On a person's own machine that is the engine's default bridge, as for ``docker
run``: another one costs 75 ms more for each sandbox. The runs of a daemon stand in one that lives between runs, for all
of one kind, host and owner, and in which no two containers reach each other.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, ip_network
from typing import Any

from docker.types import IPAMConfig, IPAMPool

from runner import naming
from runner.backends.docker.client import CONFLICT, GONE, Engine, tolerating, translated
from runner.backends.docker.recipe import BRIDGE
from runner.engine.specs import RunSpec
from runner.errors import EngineRefusedError, InfrastructureError
from runner.naming import Address, Instance
from runner.settings import DockerSettings

_OVERLAP = 403
"""How the engine answers when a subnet is taken, or when a network is still in use."""

_COMMON_BITS = 4
"""The common network has the addresses of so many doublings of a run's, if the range holds as many of these again."""

_APART = {"com.docker.network.bridge.enable_icc": "false"}

_REFUSED_SECONDS = 600.0
"""After how long an engine is asked once more for a common network that it did not want to make."""

_MAKING_SECONDS, _PAUSE_SECONDS = 2.0, 0.05  # of another process; the engine takes 0.1


class Networks:
    """Makes and removes the networks of runs."""

    def __init__(self, engine: Engine, settings: DockerSettings, instance: Instance) -> None:
        self._engine = engine
        self._settings = settings
        self._instance = instance
        self._in_common: set[str] = set()
        self._refused = 0.0

    def open(self, run: RunSpec) -> str:
        """Return what the containers of a run join, made if it is not there: a name or an id.

        Raises:
            InfrastructureError: all addresses of the range are taken, or the engine refuses.
        """
        common = None if run.named else self.common()
        if common is None:
            return self._own(run.id)
        self.joined(run)
        return common

    def joined(self, run: RunSpec) -> None:
        """Note that a run stands in the common network: it has none of its own to be removed."""
        self._in_common.add(run.id)

    def common(self) -> str | None:
        """Return the name or id of the common network, made if it is not there; None where there can be none.

        Raises:
            InfrastructureError: the engine does not answer, or refuses.
        """
        if not self._settings.confined and self._has_bridge():
            return BRIDGE
        if self._refused and time.monotonic() - self._refused < _REFUSED_SECONDS:
            return None
        if self._prefix - self._settings.subnets.prefixlen < 2 * _COMMON_BITS:
            return None
        return self._known() or self._make_common()

    def remove(self, run: RunSpec) -> None:
        """Remove the network of a run, if it has one of its own; one that is gone is left in peace.

        Raises:
            EngineRefusedError: something is still attached to it.
        """
        if run.id in self._in_common:
            self._in_common.discard(run.id)
            return
        name = naming.network(run.id)
        with tolerating(GONE), translated(f"removing network {name}"):
            self._engine.api.remove_network(name)

    def leave(self, network: str, container: str) -> None:
        """Take a container off a network: 50 ms.

        Raises:
            InfrastructureError: the engine does not answer, or refuses.
        """
        with translated(f"taking container {container} off network {network}"):
            self._engine.api.disconnect_container_from_network(container, network)

    @property
    def _prefix(self) -> int:
        return max(self._settings.subnet_bits, self._settings.subnets.prefixlen)

    def _own(self, run: str) -> str:
        name = naming.network(run)
        self._in_common.discard(run)
        # Each run begins elsewhere, so that runs which start at the same time do not all try the same subnet first.
        for subnet in self._free(self._prefix, int(run, 16) if _is_hex(run) else 0):
            try:
                with tolerating(CONFLICT):
                    self._create(name, subnet, naming.labels(self._instance, Address(run), "network"), {})
            except EngineRefusedError as error:
                if error.status == _OVERLAP:
                    continue  # somebody was quicker: take the next
                raise
            return name
        raise InfrastructureError(
            f"no free subnet in {self._settings.subnets} for the run's network",
            hint="`runner clean` removes what dead runs left; RUNNER_SUBNETS names another range",
        )

    def _has_bridge(self) -> bool:
        with translated("looking for the default bridge"):
            return bool(self._engine.api.networks(names=[BRIDGE], filters={"type": "builtin"}))

    def _make_common(self) -> str | None:
        """Make the common network, where nobody else does so at the same time: all try the same subnet first."""
        name = naming.common_network(self._instance)
        deadline = time.monotonic() + _MAKING_SECONDS
        for subnet in self._free(self._prefix - _COMMON_BITS, int(name[-4:], 36)):
            try:
                return self._create(name, subnet, naming.common_labels(self._instance), _APART)
            except EngineRefusedError as error:
                if error.status not in (_OVERLAP, CONFLICT):
                    self._refused = time.monotonic()  # it may not be able to keep containers of one network apart
                    return None
            if made := self._made_by_another(deadline):
                return made
        return None

    def _made_by_another(self, deadline: float) -> str | None:
        while (known := self._known()) is None and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
        return known

    def _known(self) -> str | None:
        """Return the id of the common network; of two, which an engine may have made at once, always the same."""
        labels = [f"{name}={value}" for name, value in naming.common_labels(self._instance).items()]
        with translated("looking for the common network"):
            found = self._engine.api.networks(filters={"label": labels})
        return min((str(raw["Id"]) for raw in found), default=None)

    def _create(self, name: str, subnet: IPv4Network, labels: Mapping[str, str], options: Mapping[str, str]) -> str:
        with translated(f"creating network {name}"):
            made: Mapping[str, Any] = self._engine.api.create_network(
                name,
                driver="bridge",
                check_duplicate=True,
                labels=dict(labels),
                options=dict(options),
                ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))]),
            )
        return str(made["Id"])

    def _free(self, prefix: int, first: int) -> Iterator[IPv4Network]:
        """Yield the subnets of the range that nobody has, from the ``first`` on."""
        taken = self._taken()
        subnets = list(self._settings.subnets.subnets(new_prefix=prefix))
        start = first % len(subnets)
        for subnet in (*subnets[start:], *subnets[:start]):
            if not any(subnet.overlaps(other) for other in taken):
                yield subnet

    def _taken(self) -> Sequence[IPv4Network]:
        with translated("listing networks"):
            networks: list[Mapping[str, Any]] = self._engine.api.networks()
        pools = [pool for network in networks for pool in (network.get("IPAM") or {}).get("Config") or ()]
        found = (ip_network(pool["Subnet"], strict=False) for pool in pools if pool.get("Subnet"))
        return [subnet for subnet in found if isinstance(subnet, IPv4Network)]


def _is_hex(text: str) -> bool:
    try:
        int(text, 16)
    except ValueError:
        return False
    return True
