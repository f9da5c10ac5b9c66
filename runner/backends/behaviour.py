"""What a fake step does, as its variables ask for (``fake``).

The environment of a step or service may hold

========================  =====================================================================
``FAKE_EXIT=3``           the exit code (default 0)
``FAKE_SECONDS=2``        how long it runs, in seconds of the world's scale (default 0)
``FAKE_PRINT=text``       what it prints, with a newline
``FAKE_TAIL=text``        what it prints last, with a newline: where another step waits for its
                          turn, that arrives after its success
``FAKE_HANG=1``           it never ends by itself
``FAKE_IGNORE_TERM=1``    only KILL ends it
``FAKE_VANISH=1``         somebody removes its container while it runs, in so many attempts
``FAKE_OOM=1``            it reaches its memory limit: killed, exit code 137
``FAKE_DROP_STREAM=1``    its stream breaks in the middle
``FAKE_START_ERROR=why``  its container cannot be started
``FAKE_OUTPUT=A=1``       a line that it adds to ``.env`` of the run's outputs; so do
                          ``FAKE_MASKED_OUTPUT``, ``FAKE_BASE64_OUTPUT`` and
                          ``FAKE_MASKED_BASE64_OUTPUT`` with their files
``FAKE_SET_ENV=K=V``      a value that it leaves for later steps, as ``set_env K V`` does
``FAKE_SAVE_FILE=K=TEXT`` a file that it leaves for later steps, as ``save_file K`` does
``FAKE_EXPORT_ENV=K:L``   keys that it marks, as ``export_env K L`` does
``FAKE_SAVE_REPO=K A=1``  a repository that it registers, as ``save_repo K A=1`` does; so
                          does ``FAKE_SAVE_ARTIFACT`` with an artifact
``FAKE_TRIGGER=a:b``      async stages that it starts after all that, as ``trigger-task``
                          does; it fails if the pipeline has one of them not
``FAKE_SET_RETURN=[1]``   what it returns, as ``set_return`` does: JSON, or else a text
``FAKE_SET_GLOBAL=K=[1]`` a global that it returns, likewise
``FAKE_SET_LINK=K=!s.x``  a link that it returns, as ``set_link K '!s.x'`` does
``FAKE_WISH=stop:why``    what it asks for: ``skip``, ``stop`` or ``pause``, with a message
``FAKE_FILES=a/b:c``      files that it leaves in the workspace, below the workdir
``FAKE_READY_AFTER=2``    when it can be used, in seconds of the world's scale (default 0)
``FAKE_UNHEALTHY=why``    it can never be used
========================  =====================================================================

With ``RUNNER_MAPPED`` the value of ``FAKE_SET_ENV`` is a named return as well. What returns or asks for something fails
unless it is told who it is (``RUNNER_STEP``).
"""

import json
from collections.abc import Mapping
from dataclasses import field

from runner.pipelinectl import layout
from runner.pipelinectl.layout import Kind
from runner.records import record

_OUTPUTS = {
    "FAKE_OUTPUT": ".env",
    "FAKE_MASKED_OUTPUT": "masked.env",
    "FAKE_BASE64_OUTPUT": "base64.env",
    "FAKE_MASKED_BASE64_OUTPUT": "masked.base64.env",
}


@record
class Behaviour:
    """What a fake step does once it is released; ``outputs`` are lines by file, ``values`` files of the store.

    ``vanish`` is in how many attempts its container does, ``triggers`` are async stages. ``returns`` are files,
    which it cannot leave when it is ``nameless``.
    """

    exit_code: int = 0
    seconds: float = 0.0
    text: str = ""
    tail: str = ""
    hang: bool = False
    ignore_term: bool = False
    vanish: int = 0
    oom: bool = False
    drop_stream: bool = False
    outputs: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, bytes] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    returns: Mapping[str, bytes] = field(default_factory=dict)
    nameless: bool = False
    ready_after: float = 0.0
    unhealthy: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Behaviour":
        """Read it from the variables of a step; ValueError for a number that is none."""
        returns = _returns(environment)
        return cls(
            exit_code=int(environment.get("FAKE_EXIT", "0")),
            seconds=float(environment.get("FAKE_SECONDS", "0")),
            text=environment.get("FAKE_PRINT", ""),
            tail=environment.get("FAKE_TAIL", ""),
            hang="FAKE_HANG" in environment,
            ignore_term="FAKE_IGNORE_TERM" in environment,
            vanish=int(environment.get("FAKE_VANISH", "0")),
            oom="FAKE_OOM" in environment,
            drop_stream="FAKE_DROP_STREAM" in environment,
            outputs={file: environment[name] for name, file in _OUTPUTS.items() if name in environment},
            values=_values(environment),
            files=_listed(environment.get("FAKE_FILES", "")),
            triggers=_listed(environment.get("FAKE_TRIGGER", "")),
            returns=returns,
            nameless=bool(returns) and not environment.get(layout.STEP),
            ready_after=float(environment.get("FAKE_READY_AFTER", "0")),
            unhealthy=environment.get("FAKE_UNHEALTHY", ""),
        )


def _values(environment: Mapping[str, str]) -> dict[str, bytes]:
    return {
        **_value(environment.get("FAKE_SET_ENV", "")),
        **_file(environment.get("FAKE_SAVE_FILE", "")),
        **{layout.file_name(Kind.EXPORTED, key): b"" for key in _listed(environment.get("FAKE_EXPORT_ENV", ""))},
        **_thing(Kind.REPOSITORY, environment.get("FAKE_SAVE_REPO", "")),
        **_thing(Kind.ARTIFACT, environment.get("FAKE_SAVE_ARTIFACT", "")),
    }


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name for name in names.split(":") if name)


def _thing(kind: Kind, words: str) -> dict[str, bytes]:
    """Return the files of a repository or an artifact: a key, and properties of it."""
    key, *pairs = words.split() or [""]
    properties = (pair.partition("=") for pair in pairs)
    texts = {layout.file_name(kind, key, name): layout.text(value) for name, _, value in properties}
    return {layout.file_name(kind, key): b"", **texts} if key else {}


def _returns(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files that a step leaves among the returns of its run."""
    files: dict[str, bytes] = {}

    def leave(kind: Kind, content: bytes, part: str | None = None) -> None:
        files.update(layout.entry(kind, environment.get(layout.STEP, ""), part, content))

    if "FAKE_SET_RETURN" in environment:
        leave(Kind.PRIMARY, _returned(environment["FAKE_SET_RETURN"]))
    if "FAKE_WISH" in environment:
        word, _, message = environment["FAKE_WISH"].partition(":")
        leave(Kind.WISH, layout.raw(f"{word}\n{message}\n"))
    for name, kind in (("FAKE_SET_GLOBAL", Kind.GLOBAL), ("FAKE_SET_LINK", Kind.LINK), ("FAKE_SET_ENV", Kind.NAMED)):
        key, equals, value = environment.get(name, "").partition("=")
        if equals and (kind is not Kind.NAMED or environment.get(layout.MAPPED) == "1"):
            leave(kind, _returned(value) if kind is Kind.GLOBAL else layout.text(value), key)
    return files


def _returned(value: str) -> bytes:
    """Return what ``set_return`` leaves: with ``--json`` where the value is that."""
    try:
        json.loads(value)
    except ValueError:
        return b"text\n" + layout.raw(value)
    return b"json\n" + layout.raw(value)


def _value(pair: str) -> dict[str, bytes]:
    key, equals, value = pair.partition("=")
    return {layout.file_name(Kind.VALUE, key): layout.text(value)} if equals else {}


def _file(pair: str) -> dict[str, bytes]:
    key, equals, content = pair.partition("=")
    return {layout.file_name(Kind.FILE, key): layout.raw(content)} if equals else {}
