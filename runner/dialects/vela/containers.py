"""What a step or service asks of its container beside an image: limits, mounts, caches, files to copy out."""

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TypeVar

from runner.dialects.source import Mapping, Scalar, quoted
from runner.dialects.vela.defaults import HOME, OUTPUTS, WORKDIR
from runner.dialects.vela.fields import Fields
from runner.plan import quantities
from runner.plan.model import Bind, Cache, Limits, Ready, Ulimit

_T = TypeVar("_T")
_MODES = ("ro", "rw")
_TAKEN = ("/", HOME, WORKDIR, OUTPUTS)
_MOST_PARTS = 3
_INTEGER = re.compile("-?[0-9]{1,18}")
_UNLIMITED = -1


def read_limits(step: Fields) -> Limits:
    """Return our own key ``limits``."""
    fields = step.inner("limits", f"'limits' of {step.what}")
    if fields is None:
        return Limits()
    return Limits(
        cpus=fields.parsed("cpus", quantities.cpus, None),
        memory=fields.parsed("memory", quantities.memory, None),
        pids=fields.parsed("pids", quantities.pids, None),
    )


def read_ready(service: Fields) -> Ready | None:
    """Return our own key ``ready``."""
    fields = service.inner("ready", f"'ready' of {service.what}")
    if fields is None:
        return None
    command, port = fields.text("command"), fields.parsed("port", quantities.port, None)
    if (fields.value("command") is None) == (fields.value("port") is None):
        message = f"{fields.what} needs a command or a port"
        fields.findings.error(fields.node.place, message, "write one of them")
    elif fields.value("port") is None:
        fields.required("command", "it is run until it succeeds")
    usual: float | None = Ready.timeout
    timeout = fields.parsed("timeout", quantities.timeout, usual)
    if timeout is None:
        fields.findings.error(
            fields.place("timeout"), f"{fields.what} would wait for ever", "write how long, such as 60s"
        )
    return Ready(command=command, port=port, timeout=timeout or Ready.timeout)


def read_ulimits(fields: Fields) -> tuple[Ulimit, ...]:
    """Return ``ulimits``: ``name=soft[:hard]`` or maps (``compiler/types/yaml/ulimit.go`` of go-vela/server)."""
    return _entries(fields, "ulimits", _ulimit_of_text, _ulimit_of_map)


def read_volumes(fields: Fields) -> tuple[Bind, ...]:
    """Return ``volumes``: ``src[:dst[:mode]]`` or maps (``compiler/types/yaml/volume.go`` of go-vela/server)."""
    return _entries(fields, "volumes", _bind_of_text, _bind_of_map)


def read_caches(step: Fields, repository: str) -> tuple[Cache, ...]:
    """Return our own key ``cache``, one for each key and path; no repository reads what another has left."""
    found: list[Cache] = []
    for node in step.items("cache"):
        if not isinstance(node, Mapping):
            step.wrong_kind("cache", node, "a list of maps, each with a 'key' and 'paths'")
            continue
        fields = step.beneath(node, f"a cache of {step.what}", step.kind_in("cache"))
        key, paths = fields.required("key", "it tells one cache from another"), fields.texts("paths")
        if not paths:
            fields.findings.error(fields.place("paths"), f"{fields.what} has no 'paths'", "name a directory")
        for path in paths:
            _check_cache(fields, path, {cache.path for cache in found})
        found += (Cache(key=f"{repository}:{key}", path=path) for path in paths)
    return tuple(found)


def _check_cache(fields: Fields, path: str, others: set[str]) -> None:
    """Record a path where no volume can be mounted, since something else is there."""
    full = _absolute(path)
    if not path or ".." in full.parts or full in {*map(_absolute, (*others, *_TAKEN))}:
        message = f"{quoted(path)} cannot be a directory of {fields.what}"
        fields.findings.error(fields.place("paths"), message, "write an absolute path, or one without '..', each once")


def _absolute(path: str) -> PurePosixPath:
    full = PurePosixPath(WORKDIR) / path
    return PurePosixPath("/", *full.parts[1:])  # two slashes at the beginning are no other directory


def read_artifacts(step: Fields) -> tuple[str, ...]:
    """Return the patterns of ``artifacts`` (``compiler/types/yaml/artifact.go`` of go-vela/server)."""
    fields = step.inner("artifacts", f"'artifacts' of {step.what}")
    return fields.texts("paths") if fields else ()


def _entries(
    fields: Fields, key: str, of_text: Callable[[Fields, Scalar], _T | None], of_map: Callable[[Fields], _T | None]
) -> tuple[_T, ...]:
    found: list[_T | None] = []
    for node in fields.entries(key):
        if isinstance(node, Mapping):
            kind = fields.kind_in(key)
            found.append(of_map(fields.beneath(node, f"a {kind.name} of {fields.what}", kind)))
        elif (item := fields.item(key, node)) and not item.is_null:
            found.append(of_text(fields, item))
    return tuple(entry for entry in found if entry is not None)


def _ulimit_of_text(fields: Fields, item: Scalar) -> Ulimit | None:
    name, equals, values = item.text.partition("=")
    soft, colon, hard = values.partition(":")
    if not name or not equals or "=" in values or ":" in hard or (colon and not hard):
        message = f"the ulimit {quoted(item.text)} of {fields.what} cannot be read"
        fields.findings.error(item.place, message, "write name=soft or name=soft:hard")
        return None
    return _ulimit(fields, item, name, soft, hard or soft)


def _ulimit_of_map(fields: Fields) -> Ulimit | None:
    name, soft = fields.required("name", "such as nofile"), fields.required("soft", "write a number")
    item = fields.scalar("soft")
    return _ulimit(fields, item, name, soft, fields.text("hard") or soft) if item and soft else None


def _ulimit(fields: Fields, item: Scalar, name: str, soft: str, hard: str) -> Ulimit | None:
    if not all(_INTEGER.fullmatch(text) for text in (soft, hard)):
        message = f"the ulimit {quoted(name)} of {fields.what} is not a number"
        fields.findings.error(item.place, message, "write whole numbers; -1 means no limit")
        return None
    found = Ulimit(name=name, soft=int(soft), hard=int(hard))
    if found.hard != _UNLIMITED and not _UNLIMITED < found.soft <= found.hard:
        message = f"in {fields.what} the soft limit of {quoted(name)} is above the hard one"
        fields.findings.error(item.place, message, "raise the hard one: name=soft:hard")
    return found


def _bind_of_text(fields: Fields, item: Scalar) -> Bind | None:
    parts = item.text.split(":")
    if len(parts) > _MOST_PARTS or not all(parts) or (len(parts) == _MOST_PARTS and parts[-1] not in _MODES):
        message = f"the volume {quoted(item.text)} of {fields.what} cannot be read"
        fields.findings.error(item.place, message, "write source, source:destination, or source:destination:ro or rw")
        return None
    source, target = parts[0], (parts[1] if len(parts) > 1 else parts[0])
    return _bind(fields, item, source, target, parts[2] if len(parts) == _MOST_PARTS else "ro")


def _bind_of_map(fields: Fields) -> Bind | None:
    source = fields.required("source", "name a path of the host")
    item = fields.scalar("source")
    if not source or item is None:
        return None
    return _bind(fields, item, source, fields.text("destination") or source, fields.word("access_mode", "ro"))


def _bind(fields: Fields, item: Scalar, source: str, target: str, mode: str) -> Bind | None:
    for what, path in (("source", source), ("destination", target)):
        if not path.startswith("/"):
            message = f"the {what} {quoted(path)} of a volume in {fields.what} is not an absolute path"
            fields.findings.error(item.place, message, "begin it with '/'")
            return None
    return Bind(source=source, target=target, read_only=mode == "ro")
