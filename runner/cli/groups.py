"""Options that belong together, given to a command as one value."""

import functools
import inspect
from collections.abc import Callable
from typing import Any


def grouped(**groups: Callable[..., object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command, in place of its parameter ``name``, the options of ``groups[name]``.

    A group is a function whose parameters are options; the command gets what it returns. typer knows no groups:
    without this every command would repeat all of their options.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options = {name: inspect.signature(group).parameters for name, group in groups.items()}
        own = [each for name, each in inspect.signature(command).parameters.items() if name not in groups]

        @functools.wraps(command)
        def with_options(**values: Any) -> None:  # noqa: ANN401 - whatever the options of the command are
            for name, group in groups.items():
                values[name] = group(**{option: values.pop(option) for option in options[name]})
            command(**values)

        found = [*(each for group in options.values() for each in group.values()), *own]
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in found]
        with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
        with_options.__annotations__ = {each.name: each.annotation for each in parameters}
        return with_options

    return decorate
