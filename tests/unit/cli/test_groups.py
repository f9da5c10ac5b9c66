import inspect
from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from runner.cli.groups import grouped


@dataclass(frozen=True)
class _Size:
    width: int
    height: int


def _size(
    *, width: Annotated[int, typer.Option("--width")] = 1, height: Annotated[int, typer.Option("--height")] = 2
) -> _Size:
    return _Size(width, height)


def _name(*, name: Annotated[str, typer.Option("--name")] = "nobody") -> str:
    return name.upper()


def _call(*arguments: str) -> tuple[_Size, str, bool]:
    """Return what a command with two groups and an option of its own is called with."""
    seen: list[tuple[_Size, str, bool]] = []
    app = typer.Typer()

    @app.command()
    @grouped(size=_size, whose=_name)
    def _command(size: _Size, whose: str, *, strict: Annotated[bool, typer.Option("--strict")] = False) -> None:
        seen.append((size, whose, strict))

    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return seen[0]


def test_a_command_gets_what_its_groups_make_of_their_options() -> None:
    assert _call("--height", "5", "--name", "ada", "--strict") == (_Size(1, 5), "ADA", True)


def test_without_options_the_defaults_of_the_groups_hold() -> None:
    assert _call() == (_Size(1, 2), "NOBODY", False)


def test_a_command_keeps_its_name_and_its_words() -> None:
    @grouped(size=_size)
    def command(size: _Size) -> None:
        """Do a thing."""

    assert (command.__name__, command.__doc__) == ("command", "Do a thing.")
    assert list(inspect.signature(command).parameters) == ["width", "height"]
