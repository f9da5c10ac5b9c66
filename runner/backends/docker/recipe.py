"""What a sandbox is created from, in the words of the engine's API: whoever makes the first has no SDK yet."""

from collections.abc import Mapping

from runner import naming
from runner.backends.docker import mounts
from runner.backends.docker.script import SANDBOX, SCRIPT
from runner.naming import Address, Instance
from runner.pipelinectl.layout import CONFIG, HOME, STATE

BRIDGE = "bridge"
"""The engine's default network, which an operator may have switched off."""

NO_LOG = "none"
"""The log driver that keeps nothing."""


def sandbox(image: str, instance: Instance, run: str, network: str) -> Mapping[str, object]:
    """Return the body of ``POST /containers/create``, which is the same whatever the plan has.

    Its stdin stays open when a client goes, and the engine keeps no log: answers hold what is to be masked. It must be
    able to read files that steps have closed to others (DAC_OVERRIDE).
    """
    return {
        "Image": image,
        "Cmd": ["/bin/sh", "-c", SCRIPT, "sandbox", STATE, HOME, CONFIG, mounts.OUTPUTS],
        "OpenStdin": True,
        "Labels": naming.labels(instance, Address(run), SANDBOX),
        "HostConfig": {
            "Init": True,
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "CapAdd": ["DAC_OVERRIDE"],
            "SecurityOpt": ["no-new-privileges"],
            "NetworkMode": network,
            "Mounts": list(mounts.of_sandbox(instance, run)),
            "LogConfig": {"Type": NO_LOG, "Config": {}},
        },
    }
