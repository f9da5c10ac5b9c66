"""Runs as the live face shows them, told in events by hand: ``scripts/golden`` writes their frames down."""

from collections.abc import Callable
from pathlib import Path

from runner.cli.live.face import LiveFace
from runner.engine.backend import PullProgress
from runner.engine.events import Event, Notice, Pulling
from runner.naming import Address
from runner.plan.model import Plan
from runner.plan.status import Status
from tests.support.engine import ManualClock
from tests.support.faces import address, block, changed, service
from tests.support.plans import plan, stage, step
from tests.support.plans import service as a_service
from tests.support.terminal import Terminal

FRAMES = Path(__file__).parent.parent / "golden" / "live"
COLUMNS = (80, 200)
_ZERO = 1000.0


class Show:
    """A face on a terminal, at a time that is told."""

    def __init__(
        self, of: Plan, columns: int = 80, lines: int = 24, *, color: bool = True, encoding: str = "utf-8"
    ) -> None:
        self.clock = ManualClock()
        self.terminal = Terminal(columns, lines)
        self.pauses: list[float] = []
        self.face = LiveFace(
            self.terminal,
            of,
            color=color,
            encoding=encoding,
            size=lambda: self.terminal.size,
            clock=self.clock,
            pause=self._sleep,
        )

    def at(self, seconds: float) -> "Show":
        """Let it be so many seconds after the start of the run."""
        self.clock.time = _ZERO + seconds
        return self

    def tell(self, *events: Event) -> "Show":
        """Let events happen."""
        for event in events:
            self.face.event(event)
        return self

    def now(self, where: Address, status: Status, *, exit_code: int | None = None, reason: str = "") -> "Show":
        """Let an address enter a status at this moment."""
        at = self.clock.time - _ZERO
        return self.tell(changed(where, status, at=at, exit_code=exit_code, reason=reason))

    def prints(self, path: str, text: str) -> "Show":
        """Let a step print."""
        self.face.lines(address(path), block(text.encode()))
        return self

    def frame(self, title: str) -> str:
        """Return what is seen now."""
        self.face.flush()
        width, height = self.terminal.size
        return "\n".join([f"=== {title} ({width} x {height})", *self.terminal.screen, ""])

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.time += seconds


SHOP = plan(
    stage("build", step("compile"), step("unit tests", retry=2), step("package")),
    stage("lint", step("ruff"), step("spelling of the 日本語 documentation 🚀 and of everything else there is")),
    stage("image", step("proxy", detach=True), step("push"), needs=("build", "lint")),
    stage("deploy-to-the-staging-environment-in-the-region-of-the-customer", step("apply"), needs=("image",)),
    services=(a_service("db"), a_service("cache")),
)


def pulls(columns: int) -> str:
    """Images on their way before anything runs."""
    show = Show(SHOP, columns).at(0).now(address(), Status.RUNNING)
    show.tell(Pulling(PullProgress(image="docker.io/library/golang:1.24", text="asking the registry")))
    first = show.at(0.5).frame("one image is asked for")
    for number, name in enumerate(
        ("docker.io/library/golang:1.24", "example.org:5000/a/team/with/a-long/name:v1", "x")
    ):
        progress = PullProgress(image=name, text="Downloading", current=(number + 1) * 12_345_678, total=73_400_320)
        show.tell(Pulling(progress))
    second = show.at(3.2).frame("three images")
    for number in range(6):
        show.tell(Pulling(PullProgress(image=f"other:{number}", text="Extracting", current=10**9, total=10**9)))
    third = show.at(71).frame("nine images")
    show.at(80).now(service("db"), Status.RUNNING)
    return first + second + third + show.at(80.5).frame("all are there")


def _begin(show: Show) -> Show:
    show.at(0).now(address(), Status.RUNNING)
    show.at(0.4).now(service("db"), Status.RUNNING).now(service("cache"), Status.RUNNING)
    for name, first in (("build", "compile"), ("lint", "ruff")):
        show.at(0.5).now(address(name), Status.RUNNING).now(address(f"{name}/{first}"), Status.RUNNING)
    return show


def running(columns: int) -> str:
    """Lines of several steps, services, a retry, and what is odd in output."""
    show = _begin(Show(SHOP, columns))
    show.prints("build/compile", "$ make\n\n\tcc -c main.c\n")
    show.prints("lint/ruff", "\x1b[32mAll checks passed!\n\x1b]0;title\x07\x1b[2Jquiet\n")
    first = show.at(2.6).frame("two stages run")
    show.at(3).now(address("build/compile"), Status.SUCCESS).now(address("build/unit tests"), Status.RUNNING)
    show.at(3.1).now(address("lint/ruff"), Status.SUCCESS)
    show.now(address(f"lint/{SHOP.stages[1].steps[1].name}"), Status.RUNNING)
    show.prints("build/unit tests", "a long line: " + "0123456789" * 24 + "\n")
    show.prints("build/unit tests", "日本語 and 🚀 are wide\n")
    show.at(4).now(address("build/unit tests"), Status.FAILURE, exit_code=1)
    show.at(4.1).now(address("build/unit tests", attempts=(1, 2)), Status.RUNNING)
    show.now(service("cache"), Status.FAILURE, exit_code=7)
    second = show.at(65.2).frame("a step is tried again, a service has died")
    return first + second


def groups(columns: int) -> str:
    """Groups of lines."""
    show = _begin(Show(SHOP, columns))
    show.prints("build/compile", "before\n::group::Get the tools\nget a\nget b\n")
    show.prints("lint/ruff", "another step between\n")
    show.prints("build/compile", "get c\n::endgroup::\nafter\n::group::One\n1\n::group::Two\n2\n")
    return show.at(2).frame("groups")


def resize(columns: int) -> str:
    """A terminal that gets narrower, wider and higher while the run goes."""
    show = _begin(Show(SHOP, columns))
    show.prints("build/compile", "a line before\n")
    frames = show.at(1).frame("before")
    for number, (width, height) in enumerate(((columns - 30, 24), (columns + 20, 30), (24, 30))):
        show.terminal.resize(width, height)
        show.prints("build/compile", f"line {number}\n")
        frames += show.at(2 + number).frame("resized")
    return frames


def failure(columns: int) -> str:
    """A run that fails, to its end."""
    show = _begin(Show(SHOP, columns, 40))
    show.prints("build/compile", "boom\n")
    show.at(3).now(address("build/compile"), Status.FAILURE, exit_code=137, reason="it was too big")
    show.tell(Notice("could not remove the container", address("build/compile")))
    for name in ("unit tests", "package"):
        show.now(address(f"build/{name}"), Status.SKIPPED, reason="status is failure")
    show.at(3.2).now(address("build"), Status.FAILURE, reason="step compile: it was too big")
    first = show.at(3.3).frame("a stage has failed")
    show.now(address("lint/ruff"), Status.SUCCESS)
    show.now(address(f"lint/{SHOP.stages[1].steps[1].name}"), Status.SUCCESS).now(address("lint"), Status.SUCCESS)
    for stages in SHOP.stages[2:]:
        for each in stages.steps:
            show.now(address(f"{stages.name}/{each.name}"), Status.SKIPPED, reason="status is failure")
        show.now(address(stages.name), Status.SKIPPED)
    for name in ("db", "cache"):
        show.at(4).now(service(name), Status.CANCELLED, reason="it ended with the run")
    show.at(4.2).now(address(), Status.FAILURE, reason="stage build: step compile: it was too big")
    return first + show.frame("the end")


def _wide(count: int) -> Plan:
    stages = [stage(f"part-{n:02d}", *(step(f"step {k}") for k in range(1, 4)), needs=_need(n)) for n in range(count)]
    return plan(*stages)


def _need(number: int) -> tuple[str, ...]:
    return (f"part-{number - 10:02d}",) if number >= 10 else ()


def _end_stage(show: Show, name: str, status: Status = Status.SUCCESS, code: int = 0) -> None:
    for number in range(1, 4):
        where = address(f"{name}/step {number}")
        show.now(where, Status.RUNNING)
        show.now(where, status if number == 3 else Status.SUCCESS, exit_code=code if number == 3 else 0)
    show.now(address(name), status, reason=f"step step 3: exit code {code}" if code else "")


def thirty(columns: int) -> str:
    """Thirty stages: few at a time, many at a time, and the end."""
    show = Show(_wide(30), columns, 30).at(0).now(address(), Status.RUNNING)
    for number in range(4):
        show.now(address(f"part-{number:02d}"), Status.RUNNING)
        show.now(address(f"part-{number:02d}/step 1"), Status.RUNNING)
    frames = show.at(1).frame("four run")
    for number in range(4):
        _end_stage(show, f"part-{number:02d}", Status.FAILURE if number == 2 else Status.SUCCESS, number // 2 * 3)
    for number in range(4, 24):
        show.now(address(f"part-{number:02d}"), Status.RUNNING)
        show.now(address(f"part-{number:02d}/step 1"), Status.RUNNING)
    frames += show.at(8).frame("one has failed, twenty run")
    show.terminal.resize(columns, 60)
    for number in range(4, 30):
        _end_stage(show, f"part-{number:02d}")
    show.at(3725).now(address(), Status.FAILURE, reason="stage part-02: step step 3: exit code 3")
    return frames + show.frame("the end")


def small(columns: int) -> str:
    """A terminal of six lines, and one that knows ASCII only."""
    show = _begin(Show(_wide(30), columns, 6, encoding="ascii"))
    for number in range(8):
        show.now(address(f"part-{number:02d}"), Status.RUNNING)
        show.prints(f"part-{number:02d}/step 1", f"naïve {number}\n")
    return show.at(3).frame("three rows")


SCENES: dict[str, Callable[[int], str]] = {
    scene.__name__: scene for scene in (pulls, running, groups, resize, failure, thirty, small)
}


def frames() -> dict[Path, str]:
    """Return every file of frames and the text it must have."""
    return {FRAMES / f"{name}-{width}.txt": scene(width) for name, scene in SCENES.items() for width in COLUMNS}
