"""Addresses that git may be given: of known protocols, and such that no part of them is an option or a program."""

import re
from collections.abc import Collection
from dataclasses import field
from urllib.parse import unquote

from runner.errors import UsageError, quoted
from runner.records import record
from runner.workspace.addresses import read_address
from runner.workspace.git.trouble import printable

_HOST = r"(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])"
_USER = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_WEB = re.compile(rf"(?P<protocol>https?)://(?:(?P<login>[^/?#]*)@)?{_HOST}(?P<port>:\d{{1,5}})?(?P<path>/[^?#]+)")
_SSH = re.compile(rf"(?P<protocol>ssh)://(?:{_USER}@)?{_HOST}(?::\d{{1,5}})?/[^?#]+")
_SHORT = re.compile(rf"(?:{_USER}@)?{_HOST}:(?![:-])[^?#]+")
_FILE = re.compile(r"(?P<protocol>file)://(?P<path>/.*)")
_SCHEME = re.compile(r"(?P<protocol>[\w+.-]+):(?:/|:)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_HINT = "for example https://github.com/org/repo.git"


@record
class Location:
    """Where a repository is. ``url`` is what git is given; no password is in it.

    ``origin`` is protocol, host and port of one on the web, and empty for others; ``user`` and ``password`` are what
    the address said of a login there.
    """

    url: str
    protocol: str
    origin: str = ""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.url


def locate(address: str, protocols: Collection[str]) -> Location:
    """Take an address apart: ``https://…``, ``ssh://…``, ``user@host:path``, ``file:///…`` or an absolute path.

    Raises:
        UsageError: git may not be given it. The message shows no login that stands in it.
    """
    location = None if _UNPRINTABLE.search(address) else _read(address)
    if location is None:
        protocol = _SCHEME.match(address)
        if protocol and protocol["protocol"] not in ("http", "https", "ssh", "file"):
            raise _not_allowed(address, protocol["protocol"], protocols)
        raise UsageError(f"{shown(address)}: not the address of a repository", hint=_HINT)
    if location.protocol not in protocols:
        raise _not_allowed(address, location.protocol, protocols)
    return location


def shown(address: str) -> str:
    """Return an address as messages show it: without what is secret, or may be."""
    clone = read_address(address).clone
    return printable(clone) if clone else "an address that is not shown, since it may hold a password"


def beside(base: str, address: str) -> str:
    """Return the address of a submodule, which may be written from that of the repository around it, as git does.

    Raises:
        UsageError: it leads above the top of the host.
    """
    if not address.startswith(("./", "../")):
        return address
    top = re.match(r"\w+://[^/]*/?|[^/:]*:|/", base)
    root, path = base[: top.end()] if top else "", base[top.end() if top else 0 :].rstrip("/")
    parts = [part for part in path.split("/") if part]
    for part in address.split("/"):
        if part == ".." and not parts:
            raise UsageError(f"{quoted(address)}: leads out of {base}")
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return root + "/".join(parts)


def _read(address: str) -> Location | None:
    if web := _WEB.fullmatch(address):
        user, password = (unquote(part) for part in (web["login"] or "").partition(":")[::2])
        if _UNPRINTABLE.search(user + password):
            return None  # git is told of a login in lines
        origin = f"{web['protocol']}://{web['host']}{web['port'] or ''}"
        return Location(url=origin + web["path"], protocol=web["protocol"], origin=origin, user=user, password=password)
    if _SSH.fullmatch(address) or ("://" not in address and _SHORT.fullmatch(address)):
        return Location(url=address, protocol="ssh")
    file = _FILE.fullmatch(address)
    path = file["path"] if file else address
    return Location(url=f"file://{path}", protocol="file") if path.startswith("/") else None


def _not_allowed(address: str, protocol: str, protocols: Collection[str]) -> UsageError:
    return UsageError(
        f"{shown(address)}: the protocol {protocol} is not allowed",
        hint=f"RUNNER_GIT_PROTOCOLS allows {', '.join(protocols)}",
    )
