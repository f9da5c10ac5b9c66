"""The lines that steps print, as blocks for a terminal: prefixed, safe, in groups, with their messages in colour."""

import re
from collections.abc import Iterator

from rich.color import ColorSystem
from rich.style import Style

from runner.cli.live.words import Signs, one_line
from runner.logs.follow import Block
from runner.logs.lines import SGR, decode, safe
from runner.naming import Address
from runner.plan.model import Plan

_COLOURS = ("cyan", "magenta", "blue", "yellow", "green", "bright_cyan", "bright_magenta", "bright_blue")
_OTHERS = "bright_black"
_RESET = "\x1b[0m"
_INDENT = "  "
_LEVELS = {
    "error": "red",
    "warning": "yellow",
    "notice": "bold",
    "info": "blue",
    "debug": "dim",
    "trace": "dim",
}
_MARKER = re.compile(
    rf"""
    ^:: (?: group:: (?P<group>.*)
          | (?P<endgroup> endgroup:: ) .*
          | (?P<level> {"|".join(_LEVELS)} ) (?: [ ] (?P<facts>.*?) )? :: (?P<text>.*)
        ) \n
    """,
    re.MULTILINE | re.VERBOSE,
)
"""The markers of IBM's pipelines; groups do not nest, a new one ends the last.

Messages may have the facts of GitHub's, as in ``::error file=main.c,line=3::unused``.
"""


class Log:
    """Formats blocks of lines; remembers which attempts are inside a group."""

    def __init__(self, plan: Plan, signs: Signs, *, color: bool) -> None:
        self._signs = signs
        self._color = color
        self._styles: dict[str, str] = {}
        self.learn(plan)
        self._prefixes: dict[Address, str] = {}
        self._grouped: set[Address] = set()

    def learn(self, plan: Plan) -> None:
        """Have colours for the stages of a plan; one that has its colour keeps it."""
        for stage in plan.stages:
            self._styles.setdefault(stage.name, _COLOURS[len(self._styles) % len(_COLOURS)])

    def format(self, address: Address, block: Block) -> str:
        """Return lines as ``stage/step | line``; what is inside a group is indented, messages are in colour.

        No work is done for each line, as long as there are no markers. A line's colours end with the line.
        """
        text = safe(decode(block.data))
        if not self._color and "\x1b" in text:
            text = SGR.sub("", text)
        prefix = self._prefix(address)
        pieces, end = [], 0
        for marker in _MARKER.finditer(text) if "::" in text else ():
            pieces.append(self._prefixed(address, prefix, text[end : marker.start()]))
            end = marker.end()
            pieces.append(self._marked(address, prefix, marker))
        pieces.append(self._prefixed(address, prefix, text[end:]))
        return "".join(pieces)

    def words(self, text: str, style: str) -> str:
        """Return words of ours, in which there may be words of others, as a line."""
        return self._styled(one_line(text), style) + "\n"

    def _marked(self, address: Address, prefix: str, marker: re.Match[str]) -> str:
        """Return what is shown of a line with a marker."""
        if marker["level"]:
            words = ": ".join(part for part in (marker["level"], *_facts(marker["facts"]), marker["text"]) if part)
            return self._prefixed(address, prefix, self._styled(words, _LEVELS[marker["level"]]) + "\n")
        self._grouped.discard(address)
        if marker["endgroup"]:
            return ""
        self._grouped.add(address)
        heading = f"{self._signs.group} {one_line(marker['group'])}"
        return f"{prefix}{self._styled(heading, 'bold')}\n"

    def _prefixed(self, address: Address, prefix: str, text: str) -> str:
        if not text:
            return ""
        lead = prefix + _INDENT if address in self._grouped else prefix
        end = f"{_RESET}\n" if "\x1b" in text else "\n"
        return lead + text[:-1].replace("\n", end + lead) + end

    def _prefix(self, address: Address) -> str:
        if address not in self._prefixes:
            style = self._styles.get(address.stage, _OTHERS)
            self._prefixes[address] = self._styled(f"{one_line(address.path)} | ", style)
        return self._prefixes[address]

    def _styled(self, text: str, style: str) -> str:
        return Style.parse(style).render(text, color_system=ColorSystem.STANDARD) if self._color and style else text


def _facts(text: str | None) -> Iterator[str]:
    """Yield the place and the title of a message."""
    facts = dict(fact.split("=", 1) for fact in (text or "").split(",") if "=" in fact)
    yield ":".join(facts[name] for name in ("file", "line") if facts.get(name))
    yield facts.get("title", "")
