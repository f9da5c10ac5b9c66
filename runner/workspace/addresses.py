"""The address of a git remote, without what is secret in it."""

import re

from runner.records import record

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:\d+)?")
_LOGIN = re.compile(r"[\w.-]+")
_WEB = ("http", "https")
_BY_USER = ("ssh", "git+ssh")


@record
class Remote:
    """A repository on another machine, or elsewhere on this one.

    ``name`` is the last two parts of its path: ``org/name``. ``clone`` is its address without password, query and
    fragment; ``link`` the same for a browser. Both are empty where the address cannot be told from a password.
    """

    name: str = ""
    clone: str = ""
    link: str = ""


def read_address(address: str) -> Remote:
    """Take apart ``https://host/path``, ``ssh://user@host/path``, ``user@host:path`` or a path."""
    scheme, _, rest = address.rpartition("://")
    if scheme:
        return _of_url(scheme, re.split("[?#]", rest)[0])
    user, _, rest = address.rpartition("@")
    host, _, path = rest.partition(":")
    if path and "/" not in host:
        login = f"{user}@" if _LOGIN.fullmatch(user) else ""
        return _remote(path, clone=f"{login}{host}:{path}", host=host)
    return Remote(name=_name(rest), clone=address if address.startswith(("/", ".")) or not user else "")


def _of_url(scheme: str, rest: str) -> Remote:
    user, _, rest = rest.rpartition("@")
    host, _, path = rest.partition("/")
    if not host:
        return Remote(name=_name(path), clone=f"{scheme}:///{path}")
    name = user.partition(":")[0]
    login = f"{name}@" if name and scheme in _BY_USER else ""
    return _remote(path, clone=f"{scheme}://{login}{host}/{path}", host=host, web=scheme in _WEB)


def _remote(path: str, *, clone: str, host: str, web: bool = False) -> Remote:
    below = "/".join(_parts(path))
    known = _HOST.fullmatch(host)
    if not known or not below:
        return Remote(name=_name(path))
    # A port is that of a browser only if the address is one for browsers.
    return Remote(name=_name(path), clone=clone, link=f"https://{host if web else known['name']}/{below}")


def _name(path: str) -> str:
    return "/".join(_parts(path)[-2:])


def _parts(path: str) -> list[str]:
    return [part for part in path.removesuffix("/").removesuffix(".git").split("/") if part not in ("", ".", "..")]
