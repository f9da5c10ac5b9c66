"""The only place that spells the names and labels of what we make.

Names are derived from the address of what they name, so whoever knows the address finds the object again after a
crash. Volume names are short: each layer of a workspace costs its name's length in a mount option of 4,095 bytes.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from urllib.parse import quote

from runner.records import record

LABEL = "io.runner"
LABEL_INSTANCE = f"{LABEL}.instance"  # the process or daemon that owns the object
LABEL_KIND = f"{LABEL}.kind"  # what kind of instance that is: "exec" or "daemon"
LABEL_HOST = f"{LABEL}.host"  # where it runs, since an engine may serve several machines
LABEL_OWNER = f"{LABEL}.owner"  # as which user
LABEL_LOCK = f"{LABEL}.lock"  # the file that it holds a lock on while it lives
LABEL_RUN = f"{LABEL}.run"
LABEL_STAGE = f"{LABEL}.stage"
LABEL_STEP = f"{LABEL}.step"
LABEL_ATTEMPT = f"{LABEL}.attempt"
LABEL_ROLE = f"{LABEL}.role"  # "step", "service", "sandbox", "workspace", ...
LABEL_CACHE = f"{LABEL}.cache"  # of a cache: its key and path, for people
LABEL_SHIM = f"{LABEL}.shim"  # of a volume with the commands of steps: the digest of what it holds

CACHE, SHIM = LASTING = "cache", "shim"
"""The roles of volumes that live between runs."""

COMMON = "common network"
"""The role of the network that lives between runs."""

_SLUG = 24
_LONGEST_FILE_NAME = 200


@dataclass(frozen=True, order=True)
class Address:
    """What an entry of the journal, a container or a log belongs to.

    ``round`` counts the attempts of the stage, ``attempt`` those of the step within it; both from 1. An empty ``step``
    means the stage, an empty ``stage`` the run. A service has the stage name ``SERVICES``, which no stage can have, and
    a step that fetches secrets ``ORIGINS``.
    """

    run: str
    stage: str = ""
    step: str = ""
    round: int = 1
    attempt: int = 1

    def of_stage(self) -> "Address":
        """Return the address of the stage around."""
        return replace(self, step="", attempt=1)

    @property
    def path(self) -> str:
        """``stage/step`` as people read it, or what there is of it."""
        return "/".join(part for part in (self.stage, self.step) if part)

    @property
    def attempts(self) -> str:
        """``round.attempt``, the pair that tells one container of a step from the next."""
        return f"{self.round}.{self.attempt}"

    def __str__(self) -> str:
        return f"{self.path or self.run} ({self.attempts})"


SERVICES = "@services"
ORIGINS = "@secrets"
"""The stage of the steps that fetch secrets, whose layer is below those of all others; no stage can have the name."""

SHARED = "@shared"
"""Whose tree it is that the stages with a shared workspace work in; no stage can have the name."""


@record
class Instance:
    """Who makes objects on an engine: one process of ``exec``, or one daemon. ``lock`` is a path on ``host``."""

    id: str
    kind: str
    host: str
    owner: str
    lock: str = ""

    def labels(self) -> dict[str, str]:
        """Return the labels that every object of this instance carries."""
        return {
            LABEL_INSTANCE: self.id,
            LABEL_KIND: self.kind,
            LABEL_HOST: self.host,
            LABEL_OWNER: self.owner,
            LABEL_LOCK: self.lock,
        }


def new_run_id() -> str:
    """Return an id for a run: eight hexadecimal digits."""
    return secrets.token_hex(4)


def labels(instance: Instance, address: Address, role: str) -> dict[str, str]:
    """Return all labels of an object that belongs to an address."""
    found = {**instance.labels(), LABEL_RUN: address.run, LABEL_ROLE: role}
    if address.stage:
        found[LABEL_STAGE] = address.stage
    if address.step:
        found[LABEL_STEP] = address.step
        found[LABEL_ATTEMPT] = address.attempts
    return found


def container(address: Address) -> str:
    """Return the name of the container of one attempt: readable, and unique by the digest at its end."""
    parts = (_slug(address.stage), _slug(address.step), address.attempts, _digest(address.stage, address.step))
    return f"runner-{address.run}-{'-'.join(part for part in parts if part)}"


def network(run: str) -> str:
    """Return the name of a run's network."""
    return f"runner-{run}"


def common_network(instance: Instance) -> str:
    """Return the name of the network of all runs in which nothing is reached by its name; shared as a cache is."""
    return f"runner-common-{_owned(instance)}"


def common_labels(instance: Instance) -> dict[str, str]:
    """Return the labels of that network, which goes with no run or process."""
    return {**_owner_labels(instance), LABEL_ROLE: COMMON}


def sandbox(run: str, number: int) -> str:
    """Return the name of a run's n-th sandbox."""
    return f"runner-{run}-sandbox-{number}"


def volume(run: str, what: str) -> str:
    """Return the short name of a run's volume."""
    return f"r{run}{what}"


def layer(stage: Address, what: str) -> str:
    """Return the short name of a volume of one round of a stage; 40 bits tell the stages of a run apart."""
    return volume(stage.run, _short(f"{stage.stage}\0{stage.round}") + what)


def of_attempt(attempt: Address, what: str) -> str:
    """Return the short name of a volume of one attempt; 40 bits tell the attempts of a run apart."""
    return volume(attempt.run, _short(f"{attempt.stage}\0{attempt.step}\0{attempt.attempts}") + what)


def cache_volume(instance: Instance, key: str, path: str) -> str:
    """Return the name of the volume of a cache; all instances of one kind, host and owner share it."""
    return f"runner-cache-{_owned(instance, key, path)}"


def cache_labels(instance: Instance, key: str, path: str) -> dict[str, str]:
    """Return the labels of a cache: whose it is, but no run or process with which it would go."""
    return {**_owner_labels(instance), LABEL_ROLE: CACHE, LABEL_CACHE: f"{key} at {path}"}


def shim_volume(instance: Instance, digest: str) -> str:
    """Return the name of the volume of the commands of steps; shared as a cache is. ``digest`` is of what it holds."""
    return f"runner-shim-{_owned(instance, digest)}"


def shim_labels(instance: Instance, digest: str) -> dict[str, str]:
    """Return the labels of such a volume, which goes with no run or process."""
    return {**_owner_labels(instance), LABEL_ROLE: SHIM, LABEL_SHIM: digest}


def returns(attempt: Address) -> str:
    """Return what stands for an attempt among the returns of its run, and of a rerun that takes it over: 80 bits."""
    name = f"{attempt.stage}\0{attempt.step}\0{attempt.attempts}".encode("utf-8", "surrogatepass")
    return base64.b32encode(hashlib.sha256(name).digest()[:10]).decode().lower()


def log(address: Address) -> str:
    """Return the file name, without extension, of the log of one attempt."""
    parts = (_slug(address.stage), _slug(address.step), address.attempts, _digest(address.stage, address.step))
    return "-".join(parts)


def file_name(name: str) -> str:
    """Return any name as that of a file or folder, readable where it can be; different names stay different."""
    encoded = quote(name, safe=" ", errors="surrogatepass")
    if len(encoded) > _LONGEST_FILE_NAME or encoded in ("", ".", ".."):
        # "%~" stands in no encoded name.
        return f"{encoded[:_LONGEST_FILE_NAME]}%~{_digest(name)}"
    return encoded


def _owned(instance: Instance, *names: str) -> str:
    """Return 80 bits that stand for these names of one kind, host and owner."""
    parts = (instance.kind, instance.host, instance.owner, *names)
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(digest[:10]).decode().lower()


def _owner_labels(instance: Instance) -> dict[str, str]:
    return {LABEL_KIND: instance.kind, LABEL_HOST: instance.host, LABEL_OWNER: instance.owner}


def _short(name: str) -> str:
    return base64.b32encode(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:5]).decode().lower()


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "_", name)[:_SLUG].strip("_.")


def _digest(*names: str) -> str:
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogatepass")).hexdigest()[:6]
