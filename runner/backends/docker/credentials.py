"""What to say to a registry: the user's own ``docker login``, read anew for each pull."""

import shutil
import threading
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import field

import docker.auth
from docker.credentials.errors import StoreError
from docker.errors import DockerException

from runner.records import record

_HIDDEN = "***"


@record
class Credentials:
    """What Docker's config has for one registry.

    ``entry`` is empty when it has nothing: the pull goes without. ``trouble`` says why what should have been there
    could not be read; like the docker command we go on without, since most images are public, and whoever reports a
    refused pull adds it.
    """

    entry: Mapping[str, str] = field(default_factory=dict, repr=False)
    trouble: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The header that hands them to the engine."""
        return {"X-Registry-Auth": docker.auth.encode_header(dict(self.entry)).decode()} if self.entry else {}

    def hide(self, text: str) -> str:
        """Return a registry's words without our secrets, should it repeat them."""
        lowered = {key.lower(): value for key, value in self.entry.items() if value}
        password = lowered.get("password", "")
        pair = f"{lowered.get('username', '')}:{password}".encode()
        secrets = (password, password and b64encode(pair).decode(), lowered.get("identitytoken", ""))
        for secret in filter(None, secrets):
            text = text.replace(secret, _HIDDEN)
        return text


def find_credentials(registry: str, *, seconds: float | None) -> Credentials:
    """Look a registry up in Docker's config (``DOCKER_CONFIG`` honoured) and its credential helpers.

    A helper may ask its user for a passphrase: it has ``seconds``, or for ever with None.
    """
    # The SDK runs helpers without a deadline, and only a thread of its own can be left behind.
    found: Future[Credentials] = Future()
    threading.Thread(target=_settle, args=(found, registry), name="credentials", daemon=True).start()
    try:
        return found.result(timeout=seconds)
    except TimeoutError:
        return Credentials(trouble=f"the credential helper for {registry} did not answer in {seconds:g} s")


def _settle(found: Future[Credentials], registry: str) -> None:
    try:
        found.set_result(_look_up(registry))
    except BaseException as error:  # noqa: BLE001  # whoever waits must learn of it
        found.set_exception(error)


def _look_up(registry: str) -> Credentials:
    helper = ""
    try:
        config = docker.auth.load_config()
        helper = config.get_credential_store(registry) or ""
        if helper and shutil.which(f"docker-credential-{helper}") is None:
            return Credentials(trouble=f"config.json names docker-credential-{helper}, which is not on PATH")
        return Credentials(entry=config.resolve_authconfig(registry) or {})
    except (DockerException, StoreError, ValueError, TypeError, AttributeError, LookupError) as error:
        # Also a config file or an answer of another shape. None of their texts is shown: they quote what was read.
        if helper:
            return Credentials(trouble=f"docker-credential-{helper} get failed for {registry}")
        return Credentials(trouble=f"Docker's config.json makes no sense ({type(error).__name__})")
