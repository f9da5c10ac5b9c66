"""Where an engine listens, in the words of ``DOCKER_HOST``."""

from typing import Final

DEFAULT: Final = "unix:///var/run/docker.sock"
_SCHEMES: Final = ("unix", "http+unix")


def local_socket(address: str) -> str:
    """Return the path of the socket of an engine on this machine, as the SDK reads it; empty for one elsewhere."""
    scheme, found, path = address.partition("://")
    return f"/{path.strip('/')}" if found and path and scheme in _SCHEMES else ""
