"""What comes of looking at one thing."""

from enum import StrEnum

from runner.records import record

_UNITS = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


class Verdict(StrEnum):
    """How well a thing is: a ``NOTE`` is a weakness or a fall-back, with ``BAD`` a run would fail."""

    OK = "ok"
    NOTE = "note"
    BAD = "bad"


@record
class Check:
    """One thing that was looked at: how well it is, what was found, and what to do unless it is well."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    """Return that a thing is as it should be."""
    return Check(name=name, verdict=Verdict.OK, found=found)


def note(name: str, found: str, advice: str) -> Check:
    """Return that runs work, but that something is weak or slower than it could be."""
    return Check(name=name, verdict=Verdict.NOTE, found=found, advice=advice)


def bad(name: str, found: str, advice: str) -> Check:
    """Return that a run would fail."""
    return Check(name=name, verdict=Verdict.BAD, found=found, advice=advice)


def amount(size: int) -> str:
    """Return a number of bytes for people."""
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
