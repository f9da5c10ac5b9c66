"""The options with which any command is told why a run happens."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from runner.cli import options
from runner.cli.trigger import Given


def with_trigger(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in place of its parameter ``given``, an option for each fact that can be given.

    typer knows no groups of options: without this every command would repeat all of them.
    """
    facts = inspect.signature(_given).parameters
    own = {name: p for name, p in inspect.signature(command).parameters.items() if name != "given"}

    @functools.wraps(command)
    def with_options(**values: Any) -> None:  # noqa: ANN401 - whatever the options of the command are
        given = _given(**{name: values.pop(name) for name in facts})
        command(given=given, **values)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own.values(), *facts.values())]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options


def _given(  # noqa: PLR0913 - one parameter an option
    *,
    event: options.Event = "",
    branch: options.Branch = None,
    tag: options.Tag = None,
    target: options.Target = "",
    comment: options.Comment = "",
    sender: options.Sender = None,
    repo: options.Repo = None,
    changed: options.Changed = None,
    label: options.Label = None,
    instance: options.InstanceName = "",
) -> Given:
    return Given(
        event=event,
        branch=branch,
        tag=tag,
        target=target,
        comment=comment,
        sender=sender,
        repo=repo,
        changed=None if changed is None else tuple(changed),
        labels=tuple(label or ()),
        instance=instance,
    )
