"""What an async stage is started with: what ``trigger-task`` has frozen, and what a webhook is sent.

The former is what ``pipelinectl serialize`` prints; the latter has further keys, about the pipeline. IBM's page "Async,
parallel stage runs" lists what is handed over.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from runner.errors import UsageError, quoted
from runner.pipelinectl import layout
from runner.pipelinectl.layout import Kind
from runner.records import record

VERSION: Final = 1
LONGEST: Final = 16 << 20
"""How many bytes a payload has at most."""

_REQUEST: Final = re.compile(r"(?P<id>[0-9a-f]{8})\.(?P<stage>.+)", re.DOTALL)
_STAGE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

Properties = Mapping[str, Mapping[str, str]]
"""What is registered under keys: properties by name."""


@record
class Configuration:
    """Where the pipeline's file is: a repository at a commit, and its path in there; empty as far as nobody knows."""

    url: str = ""
    commit: str = ""
    path: str = ""


@record
class Payload:
    """What an async stage is handed. ``values`` are those that ``export_env`` has marked.

    ``marked`` are keys that it has marked, and that nobody has set. ``debug``, ``name`` and ``kind`` are those of the
    pipeline; ``parent`` is the run that asks for it, if one does.
    """

    stage: str
    values: Mapping[str, str] = field(default_factory=dict)
    marked: tuple[str, ...] = ()
    repositories: Properties = field(default_factory=dict)
    artifacts: Properties = field(default_factory=dict)
    debug: bool = False
    name: str = ""
    kind: str = ""
    configuration: Configuration = field(default_factory=Configuration)
    parent: str = ""

    def store(self) -> dict[str, bytes]:
        """Return the files of the store (``layout``) with which a run begins that was handed this."""
        files: dict[str, bytes] = {}
        for key, value in self.values.items():
            files |= layout.entry(Kind.VALUE, key, content=layout.text(value))
        for kind, things in ((Kind.REPOSITORY, self.repositories), (Kind.ARTIFACT, self.artifacts)):
            for key, properties in things.items():
                files |= layout.entry(kind, key)
                for name, value in properties.items():
                    files |= layout.entry(kind, key, name, layout.text(value))
        return files

    def document(self) -> str:
        """Return it as the JSON that a webhook is sent.

        Bytes that are no UTF-8 stand in it as half surrogate pairs: encode it by ``backslashreplace``.
        """
        return json.dumps(
            {
                "version": VERSION,
                "stage": self.stage,
                "env": dict(self.values),
                "repositories": {key: dict(each) for key, each in self.repositories.items()},
                "artifacts": {key: dict(each) for key, each in self.artifacts.items()},
                "pipeline": {"name": self.name, "type": self.kind, "debug": self.debug},
                "configuration": vars(self.configuration),
                "parent": self.parent,
            },
            ensure_ascii=False,
        )


@record
class Request:
    """A call of ``trigger-task``: the id of the run that it asks for, and what is handed to that.

    ``at`` orders the calls of one machine: seconds since it has started. Where a script makes some within a hundredth
    of a second these are the same, and ``earlier``, how many requests of its run there were before, orders them.
    """

    id: str
    payload: Payload
    at: float = 0.0
    earlier: int = 0

    @property
    def moment(self) -> tuple[float, int]:
        """When it was made, to be compared with that of others."""
        return self.at, self.earlier


def read_request(name: str, content: bytes) -> Request:
    """Return the request that a file of ``layout.REQUESTS`` is.

    Raises:
        UsageError: it is none; only a step that writes there by hand can bring that about.
    """
    found = _REQUEST.fullmatch(name)
    if found is None:
        raise UsageError(f"{quoted(name)} is no name of a request", hint="trigger-task makes them")
    payload = read_payload(content, stage=found["stage"])
    told = json.loads(content.decode("utf-8", "surrogateescape"))
    at, earlier = told.get("at"), told.get("earlier")
    return Request(
        id=found["id"],
        payload=payload,
        at=at if isinstance(at, int | float) else 0.0,
        earlier=earlier if isinstance(earlier, int) else 0,
    )


def read_payload(content: bytes, *, stage: str = "", most: int | None = LONGEST) -> Payload:
    """Return what ``Payload.document`` or, with the ``stage`` it is for, ``serialize`` has written.

    ``most`` is how many bytes it has, None where it is known to be of ours.

    Raises:
        UsageError: it is not that; the message says where.
    """
    if most is not None and len(content) > most:
        raise UsageError(f"a payload has at most {most >> 20} MiB")
    try:
        document = json.loads(content.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the payload is not JSON: {error}") from error
    found = _object(document, "the payload")
    if found.get("version") != VERSION:
        raise UsageError(f"the payload is of version {found.get('version')!r}", hint=f"this one reads {VERSION}")
    wanted = stage or _text(found.get("stage", ""), "stage")
    if not is_stage_name(wanted):
        raise UsageError(
            f"{quoted(wanted)} is no name of an async stage",
            hint="1 to 63 of a-z, 0-9 and -, with no - at either end",
        )
    pipeline = _object(found.get("pipeline", {}), "pipeline")
    configuration = _texts(found.get("configuration", {}), "configuration")
    return Payload(
        stage=wanted,
        values=_texts(found.get("env", {}), "env"),
        marked=_names(found.get("marked", [])),
        repositories=_properties(found.get("repositories", {}), "repositories"),
        artifacts=_properties(found.get("artifacts", {}), "artifacts"),
        debug=pipeline.get("debug") is True,
        name=_text(pipeline.get("name", ""), "pipeline.name"),
        kind=_text(pipeline.get("type", ""), "pipeline.type"),
        configuration=Configuration(
            url=configuration.get("url", ""),
            commit=configuration.get("commit", ""),
            path=configuration.get("path", ""),
        ),
        parent=_text(found.get("parent", ""), "parent"),
    )


def is_stage_name(name: str) -> bool:
    """Whether an async stage of this name can be started ("Triggering a stage by using async sub pipelines")."""
    return _STAGE.fullmatch(name) is not None


def _properties(value: object, where: str) -> dict[str, dict[str, str]]:
    return {key: _texts(each, f"{where}.{key}") for key, each in _object(value, where).items()}


def _texts(value: object, where: str) -> dict[str, str]:
    return {key: _text(each, f"{where}.{key}") for key, each in _object(value, where).items()}


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise UsageError("marked is no list")
    return tuple(_text(each, "marked") for each in value)


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UsageError(f"{where} is no JSON object")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where} is no text")
    if "\0" in value:
        raise UsageError(f"{where} holds a NUL character", hint="no variable, path or argument can")
    return value
