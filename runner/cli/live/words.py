"""Small things that a terminal shows: signs, times, sizes, and names that are made to fit."""

from rich.cells import cell_len, set_cell_size

from runner.logs.lines import SGR, safe
from runner.plan.status import Status
from runner.records import record

_MINUTE, _HOUR = 60, 3600
_KILO = 1000.0


@record
class Signs:
    """The characters of the tree, each one cell wide."""

    good: str = "✓"
    bad: str = "✗"
    running: str = "●"
    waiting: str = "○"
    passed: str = "–"  # noqa: RUF001 - a dash of that width is meant
    pull: str = "↓"
    full: str = "━"
    rest: str = "─"
    dot: str = "·"
    group: str = "▸"
    cut: str = "…"

    @classmethod
    def of(cls, encoding: str) -> "Signs":
        """Return the signs that an encoding can show: these, or those of ASCII."""
        try:
            "".join(vars(cls()).values()).encode(encoding)
        except UnicodeEncodeError:
            return _ASCII
        return cls()

    def status(self, status: Status) -> str:
        """Return the sign of a status."""
        if status in BAD:
            return self.bad
        known = {Status.SUCCESS: self.good, Status.RUNNING: self.running, Status.PENDING: self.waiting}
        return known.get(status, self.passed)


_ASCII = Signs(
    good="+",
    bad="x",
    running="*",
    waiting=".",
    passed="-",
    pull="v",
    full="#",
    rest="-",
    dot="|",
    group=">",
    cut="~",
)

BAD = (Status.FAILURE, Status.ERROR, Status.TIMEOUT, Status.LOST, Status.STOPPED)
"""What a person has to look at."""

_STYLES = {Status.SUCCESS: "green", Status.RUNNING: "cyan", Status.PENDING: "dim", Status.PAUSED: "yellow"}


def style_of(status: Status) -> str:
    """Return the colour of a status, as rich names it."""
    return "red" if status in BAD else _STYLES.get(status, "yellow")


def one_line(text: str) -> str:
    """Return words of others as one line without anything that could move a cursor or colour what follows."""
    text = SGR.sub("", safe(text))
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def shorten(text: str, width: int, cut: str) -> str:
    """Return a text in at most ``width`` cells, with its middle cut out if need be."""
    if cell_len(text) <= width:
        return text
    room = width - cell_len(cut)
    return _first(text, room - room // 2) + cut + _last(text, room // 2) if room >= 0 else ""


def seconds(value: float, *, ticking: bool = False) -> str:
    """Return a duration for people; while it is ``ticking``, in whole seconds."""
    whole = int(value)
    if whole >= _HOUR:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} m"
    if whole >= _MINUTE:
        return f"{whole // _MINUTE} m {whole % _MINUTE:02d} s"
    return f"{whole} s" if ticking else f"{value:.1f} s"


def size(value: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "kB", "MB"):
        if value < _KILO:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _KILO
    return f"{value:.1f} GB"


def _first(text: str, width: int) -> str:
    return set_cell_size(text, width).rstrip() if width else ""


def _last(text: str, width: int) -> str:
    start = len(text)
    while start and cell_len(text[start - 1 :]) <= width:
        start -= 1
    return text[start:]
