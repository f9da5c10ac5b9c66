"""Rows as lines of text, at a given width."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from runner.cli.live.layout import PullRow, Row, ServiceRow, StageRow, StepRow, SumRow, fit, summary
from runner.cli.live.model import Part, View
from runner.cli.live.phrases import ended, name_of, of_part, of_stage, verdict
from runner.cli.live.words import BAD, Signs, one_line, seconds, shorten, size, style_of
from runner.engine.backend import PullProgress
from runner.plan.status import Status

_LEAST_ROWS = 3
_LEAST_NAME, _MOST_NAME = 12, 48
_TIME = len("59 m 59 s")
_WIDE = 120
_BAR, _WIDE_BAR = 10, 30
_SIZES = len("123.4 MB of 123.4 MB")
_Piece = tuple[str, str]
"""Words and their style."""


def frame(view: View, signs: Signs, width: int, height: int) -> list[Text]:
    """Return the lines of the region under the log, on a terminal of that size.

    They take at most half of its height but 3, and leave its last column empty: a cursor behind a line is in its row.
    """
    room = max(1, min(max(_LEAST_ROWS, height // 2), height - 1))
    painter = _Painter(signs, max(1, width - 1), view.now)
    return [painter.cut(line) for line in (painter.head(view), *painter.lines(fit(view, room - 1)))]


def epilogue(view: View, signs: Signs, width: int) -> list[Text]:
    """Return the lines that stay when a run has ended: the tree once more, with reasons in full."""
    return _Painter(signs, max(1, width - 1), view.now).lines(summary(view))


@dataclass(frozen=True)
class _Painter:
    signs: Signs
    width: int
    now: float

    def head(self, view: View) -> Text:
        """Return the line of the whole run."""
        run, stages = view.run, view.stages
        steps = [step for stage in stages for step in stage.steps]
        bad = sum(step.status in BAD for step in steps)
        counts = [ended((stage.part for stage in stages), "stages")] if len(stages) > 1 else []
        counts += [ended(steps, "steps")] + [f"{bad} failed"] * bool(bad)
        time = "" if run.started is None else f"  {self._time(run)}"
        dot = f" {self.signs.dot} "
        status = run.status if run.status is not Status.PENDING else "starting"
        return Text.assemble(
            (self.signs.status(run.status), style_of(run.status)),
            (f" {f'run {run.name}: ' if run.name else ''}{status}{time}", "bold"),
            (dot + dot.join(counts), "dim"),
        )

    def lines(self, rows: Sequence[Row]) -> list[Text]:
        """Return the lines of rows, in columns."""
        longest = max((cell_len(name_of(row)) for row in rows), default=0)
        column = min(longest, _MOST_NAME, max(self.width // 3, min(self.width - 2, _LEAST_NAME)))
        return [self._line(row, column) for row in rows]

    def cut(self, line: Text) -> Text:
        """Return a line that fits."""
        if line.cell_len > self.width:
            line.truncate(max(0, self.width - 1), overflow="crop")
            line.append(self.signs.cut, "dim")
        return line

    def _line(self, row: Row, column: int) -> Text:
        name = set_cell_size(shorten(name_of(row), column, self.signs.cut), column)
        match row:
            case PullRow(pulls):
                return self._pull(_added(pulls), name)
            case StageRow(view, opened):
                return self._part(view.part, name, of_stage(view, opened=opened))
            case StepRow(part) | ServiceRow((part,)):
                return self._part(part, name, of_part(part))
            case ServiceRow(parts):
                return self._joined(parts)
            case SumRow(parts):
                return self._sum(parts)

    def _part(self, part: Part, name: str, words: Sequence[str]) -> Text:
        bare = name.lstrip(" ")
        style = style_of(part.status)
        line = Text.assemble(
            name[: len(name) - len(bare)],
            (self.signs.status(part.status), style),
            (f" {bare}", "dim" if style in ("dim", "yellow") else ""),
            (f" {self._time(part):>{_TIME}}", "dim"),
            ("  " + ", ".join(words), "red" if part.status in BAD else "dim"),
        )
        line.rstrip()
        return line

    def _time(self, part: Part) -> str:
        elapsed = part.elapsed(self.now)
        return "" if elapsed is None else seconds(elapsed, ticking=part.seconds is None)

    def _joined(self, parts: Iterable[Part]) -> Text:
        pieces: list[str | _Piece] = ["services"]
        for part in parts:
            pieces += ["  ", (self.signs.status(part.status), style_of(part.status)), f" {one_line(part.name)}"]
            pieces += [(f" {words}", "red") for words in verdict(part) if part.status in BAD]
        return Text.assemble(*pieces)

    def _sum(self, parts: Iterable[Part]) -> Text:
        counts = Counter("failed" if part.status in BAD else _KINDS.get(part.status, _OTHERS) for part in parts)
        pieces: list[str | _Piece] = []
        for status, word in {**_KINDS, Status.CANCELLED: _OTHERS}.items():
            if counts[word]:
                pieces += [(f" {self.signs.dot} ", "dim")] * bool(pieces)
                pieces += [(self.signs.status(status), style_of(status)), f" {counts[word]} {word}"]
        return Text.assemble(*pieces)

    def _pull(self, pull: PullProgress, name: str) -> Text:
        pieces: list[str | _Piece] = [(self.signs.pull, "blue"), f" {name} "]
        if pull.total:
            cells = _WIDE_BAR if self.width >= _WIDE else _BAR
            full = int(cells * min(1.0, pull.current / pull.total))
            sizes = f"{size(pull.current)} of {size(pull.total)}"
            pieces += [(self.signs.full * full, "blue"), (self.signs.rest * (cells - full), "dim")]
            pieces.append(f"  {sizes:<{_SIZES}}  ")
        line = Text.assemble(*pieces, (one_line(pull.text), "dim"))
        line.rstrip()
        return line


_KINDS = {
    Status.SUCCESS: "done",
    Status.FAILURE: "failed",
    Status.RUNNING: "running",
    Status.PENDING: "waiting",
    Status.PAUSED: "paused",
    Status.SKIPPED: "skipped",
}
_OTHERS = "not run"
"""How stages are counted that have no rows of their own."""


def _added(pulls: Sequence[PullProgress]) -> PullProgress:
    """Return what several pulls come to."""
    current, total = sum(pull.current for pull in pulls), sum(pull.total for pull in pulls)
    return pulls[0] if len(pulls) == 1 else PullProgress(image="", text="", current=current, total=total)
