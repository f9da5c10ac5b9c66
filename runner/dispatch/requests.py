"""What clients and the daemon say to each other: plain data, whose JSON form has the names that stand here.

``api`` checks what arrives against these types, and its OpenAPI document is made of them.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from runner.plan.adjust import Choice
from runner.plan.trigger import Trigger
from runner.records import record
from runner.settings import DEFAULT_QUEUE


@record
class Facts:
    """What a person says of a run of a registered pipeline; None or empty where its payload or its commit decides.

    ``payload`` is what a webhook sent, as text.
    """

    event: str = ""
    branch: str | None = None
    tag: str | None = None
    commit: str = ""
    target: str = ""
    comment: str = ""
    sender: str | None = None
    repo: str | None = None
    changed: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()
    instance: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    payload: str = ""


@record
class Repository:
    """A repository at a commit, else at a branch, tag or other ref, else at its own branch."""

    url: str
    commit: str = ""
    ref: str = ""
    submodules: bool = False


@record
class Inline:
    """A pipeline that comes with its text. ``file`` names it in messages.

    Steps work on ``repository``, else on ``directory`` of the daemon's machine (over its socket only), else on nothing.
    ``trigger`` is what the client has found out; ``payload`` what a webhook sent, as text.
    """

    text: str
    file: str = "pipeline.yml"
    repository: Repository | None = None
    directory: str = ""
    trigger: Trigger = field(default_factory=Trigger)
    payload: str = ""


@record
class Submission:
    """A run that is asked for: of the registered ``pipeline``, with ``facts``, or of an ``inline`` one.

    ``properties`` and ``secrets`` count over those of the pipeline. ``kind``, ``dialect``, ``strict`` and ``choice``
    are those of ``dispatch.wanted``. An empty ``queue`` is that of the pipeline, of an inline one ``default``; of its
    waiting runs those of higher ``priority`` begin first.
    """

    pipeline: str = ""
    inline: Inline | None = None
    facts: Facts = field(default_factory=Facts)
    properties: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    dialect: str = ""
    kind: str = ""
    strict: bool = False
    choice: Choice = field(default_factory=Choice)
    max_parallel: int | None = None
    queue: str = ""
    priority: int = 0


@record
class Again:
    """A rerun: of the whole run, or ``from_stage`` on; ``failed`` names the first stage that did not succeed.

    ``properties`` and ``secrets`` count over those of the first run.
    """

    from_stage: str = ""
    failed: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@record
class Definition:
    """A registered pipeline: where its file is, and the facts of its runs where nobody says otherwise.

    ``file`` is its path in the repository; empty for the first one that has a usual name.
    """

    repository: str
    file: str = ""
    submodules: bool = False
    facts: Facts = field(default_factory=Facts)
    dialect: str = ""
    kind: str = ""
    queue: str = DEFAULT_QUEUE


@record
class Pipeline:
    """A registered pipeline as it is shown; of its secrets the names."""

    name: str
    definition: Definition
    properties: Mapping[str, str]
    secrets: tuple[str, ...]


@record
class Submitted:
    """What came of a submission: the id of the run, what it is of in one line, and what a person should know.

    Without a stage that would run there is no run: ``id`` is empty and ``notes`` say why.
    """

    id: str
    subject: str = ""
    notes: tuple[str, ...] = ()


@record
class Summary:
    """A run in a list. Times are RFC 3339, in UTC; ``origin`` is the run that it is a rerun of.

    ``number`` counts runs in the order of their submission; lists go on ``before`` one. ``kept_until`` says how long
    the workspaces of a run that failed stay. ``child`` names the async stage that it is, if it is one, ``parent`` the
    run that has started this; it is empty where that was nobody's step.
    """

    id: str
    number: int
    pipeline: str
    queue: str
    priority: int
    status: str
    reason: str
    created: str
    started: str | None
    ended: str | None
    origin: str
    kept_until: str | None
    parent: str
    child: str


@record
class Hook:
    """A hook of a registered pipeline: a payload that is posted to ``path`` starts an async stage of it.

    The header ``header`` has to show the token, which is the secret ``secret`` of the pipeline. What is started is
    given the ``parameters``. Times are as in ``Summary``; ``rotated`` is when the token was changed.
    """

    pipeline: str
    name: str
    kind: str
    path: str
    header: str
    secret: str
    parameters: Mapping[str, str]
    created: str
    rotated: str | None


@record
class HookToken:
    """A token of a hook; empty where a new one is asked for."""

    token: str = field(default="", repr=False)


@record
class Health:
    """How the daemon is: ``ok``, ``draining``, or ``refusing`` while no new runs begin, for its ``problems``.

    ``waiting``, ``running`` and ``paused`` are numbers of runs.
    """

    status: str
    version: str
    waiting: int
    running: int
    paused: int
    problems: tuple[str, ...] = ()


def told_time(moment: datetime | None) -> str | None:
    """Return a time as clients are told it."""
    return None if moment is None else moment.isoformat(timespec="milliseconds")
