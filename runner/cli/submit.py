"""``runner submit``: asks the daemon for a run."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli import options
from runner.cli.choice import wanted
from runner.cli.completion import complete_pipeline
from runner.cli.defaults import load_defaults
from runner.cli.groups import grouped
from runner.cli.look_options import look
from runner.cli.options import OutputFormat
from runner.cli.remote_options import Follow, Queue
from runner.cli.secret_values import read_secrets
from runner.cli.submission import Origin, facts_of, inline, names_a_file, origin, subject_of
from runner.cli.trigger_options import given
from runner.dispatch.requests import Submission
from runner.dispatch.subject import Given
from runner.dispatch.wanted import Wanted
from runner.errors import UsageError
from runner.plan.uses import secrets_of

if TYPE_CHECKING:
    from runner.cli.look import Look


def _load_defaults(context: typer.Context, pipeline: str | None) -> str | None:
    """Load the defaults that a repository has for its pipeline; a registered one has its own."""
    if names_a_file(pipeline):
        load_defaults(context, None if pipeline is None else Path(pipeline))
    return pipeline


_Pipeline = Annotated[
    str | None,
    typer.Argument(
        metavar="PIPELINE|FILE",
        is_eager=True,
        callback=_load_defaults,
        autocompletion=complete_pipeline,
        help="A registered pipeline, or a file; else .vela.yml, .vela.yaml, .pipeline-config.yaml or pipeline.yml.",
    ),
]


@grouped(given=given, wanted=wanted, origin=origin, look=look)
def submit_command(  # noqa: PLR0913 - a group of options each, and those that belong to none
    given: Given,
    wanted: Wanted,
    origin: Origin,
    look: "Look",
    *,
    pipeline: _Pipeline = None,
    secret: options.SecretOption = None,
    secret_file: options.SecretFile = None,
    max_parallel: options.MaxParallel = None,
    queue: Queue = "",
    priority: Annotated[
        int, typer.Option(metavar="N", help="Of the runs that wait, those of a higher one go first.")
    ] = 0,
    follow: Follow = False,
) -> None:
    """Ask the daemon for a run: of a pipeline that it knows by name, or of the one in a file.

    Prints the id of the run. The steps of a file work on the directory of its repository as it stands, or with
    --repo-url on a commit.
    """
    if look.output is OutputFormat.EVENTS and not follow:
        raise UsageError("--output events goes with --follow", hint="--output json prints the id")
    from runner.cli.client.daemon import Daemon  # noqa: PLC0415 - --help and completion do without it
    from runner.cli.client.submitted import announce  # noqa: PLC0415 - as above

    daemon = Daemon.here()
    asked = Submission(
        properties=given.properties,
        dialect=wanted.dialect,
        kind=wanted.kind,
        strict=wanted.strict,
        choice=wanted.choice,
        max_parallel=max_parallel,
        queue=queue,
        priority=priority,
    )
    if origin.url or names_a_file(pipeline):
        beside = look if follow else replace(look, output=OutputFormat.JSON)  # stdout is for the id alone
        with subject_of(Path(pipeline) if pipeline else None, given, origin, beside) as subject:
            sent = inline(subject, origin, daemon.endpoint)
            values = read_secrets(secret or (), secrets_of(wanted.plan(subject)), secret_file or ())
        asked = replace(asked, inline=sent, secrets=values)
    else:
        values = read_secrets(secret or (), (), secret_file or ())  # the daemon has those that the pipeline declares
        asked = replace(asked, pipeline=pipeline or "", facts=facts_of(given, origin.commit), secrets=values)
    raise typer.Exit(announce(daemon, daemon.submit(asked), look, follow=follow))
