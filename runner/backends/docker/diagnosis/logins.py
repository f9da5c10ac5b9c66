"""What Docker's own configuration says: where logins come from, and which engine ``docker`` itself would ask."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import docker.auth
from docker.errors import DockerException
from docker.utils.config import find_config_file, load_general_config

from runner.backends.docker.diagnosis.check import Check, bad, note, ok

_DEFAULT = "default"
_UNUSABLE = (DockerException, ValueError, TypeError, AttributeError, LookupError)
_OTHERS = stat.S_IRGRP | stat.S_IROTH


def logins() -> Iterator[Check]:
    """Name the registries that Docker's config knows, never what it knows of them, and the helpers that it needs."""
    file = find_config_file()
    if file is None:
        yield ok("logins", "none: Docker has no config.json, so images are pulled without credentials")
        return
    path = Path(str(file))
    try:
        config = docker.auth.load_config()
        stores = {registry: str(helper) for registry, helper in config.cred_helpers.items()}
        if config.creds_store:
            stores["all registries"] = str(config.creds_store)
        stored = sorted(name for name, entry in config.auths.items() if entry)
        known = sorted(name for name in {*config.auths, *config.cred_helpers} if _is_registry(name))
    except _UNUSABLE as error:
        # Its text may quote what was read.
        found = f"{path} makes no sense ({type(error).__name__})"
        yield bad("logins", found, "no engine can be asked with it: mend or remove it, `docker login` makes a new one")
        return
    yield _helpers(path, known, stores)
    if stored and path.stat().st_mode & _OTHERS:
        found = f"others can read {path}, which holds the password for {', '.join(stored)}"
        yield note("stored logins", found, f"chmod 600 {path}")


def context() -> Iterator[Check]:
    """Say that the ``docker`` command would ask another engine than we do, if that is so."""
    config = load_general_config()
    named = os.environ.get("DOCKER_CONTEXT") or (isinstance(config, dict) and config.get("currentContext"))
    if named and named != _DEFAULT and not os.environ.get("DOCKER_HOST"):
        yield note(
            "context",
            f"the docker command uses its context {named}, runner does not",
            f"set DOCKER_HOST to what `docker context inspect {named}` shows as Host",
        )


def _is_registry(name: str) -> bool:
    """Say no to what the SDK takes for a registry in a file that has no logins: ``proxies`` and other sections."""
    return "." in name or ":" in name or name == "localhost"


def _helpers(path: Path, known: list[str], stores: dict[str, str]) -> Check:
    missing = {
        registry: helper for registry, helper in stores.items() if shutil.which(f"docker-credential-{helper}") is None
    }
    if missing:
        names = ", ".join(f"docker-credential-{helper} (for {registry})" for registry, helper in missing.items())
        return note(
            "logins",
            f"{path} names {names}, which is not on PATH",
            "pulls from there go without credentials: install it, or take it out of the file and `docker login` again",
        )
    helpers = ", ".join(sorted({f"docker-credential-{helper}" for helper in stores.values()}))
    found = f"{path} knows {', '.join(known) or 'no registry'}" + (f", with {helpers}" if helpers else "")
    return ok("logins", found)
