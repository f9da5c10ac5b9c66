"""What references are resolved in."""

from collections.abc import Mapping
from dataclasses import field

from runner.plan.model import Json
from runner.records import record


@record
class Scope:
    """What references of one stage, or of one of its steps, can mean.

    ``!name`` is one of ``links``, else of ``globals``, else of ``own``. A link is a text that refers to something, or
    data. ``globals`` are data. ``own`` are those that the plan gives the stage: data in whose texts references stand.

    ``responses`` hold, by pipeline and step, ``{"primaryReturn": ..., "namedReturns": {...}}``, and the values that are
    preset for the pipeline by their names. ``pipeline`` is that of the step, ``last`` pipeline and step of the one that
    has run before it.
    """

    links: Mapping[str, Json] = field(default_factory=dict)
    globals: Mapping[str, Json] = field(default_factory=dict)
    own: Mapping[str, Json] = field(default_factory=dict)
    responses: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    pipeline: str = ""
    last: tuple[str, str] | None = None
