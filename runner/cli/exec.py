"""``runner exec``: the whole pipeline, here and now."""

import typer

from runner.cli import options
from runner.cli.choice import wanted
from runner.cli.early import early
from runner.cli.exec_options import Ends, Work, ends, grants, work
from runner.cli.groups import grouped
from runner.cli.importing import importing
from runner.cli.secret_values import read_secrets, secure_properties
from runner.cli.trigger_options import given
from runner.dispatch.expected import Expected
from runner.dispatch.subject import Given, find_subject
from runner.dispatch.wanted import Wanted
from runner.pipelinectl.layout import OURS
from runner.plan.grants import Grants, grant
from runner.plan.uses import secrets_of
from runner.settings import Settings


@grouped(given=given, wanted=wanted, work=work, grants=grants, ends=ends)
def exec_command(  # noqa: PLR0913 - a group of options each, and those that belong to none
    given: Given,
    wanted: Wanted,
    work: Work,
    grants: Grants,
    ends: Ends,
    *,
    file: options.PipelineFile = None,
    secret: options.SecretOption = None,
    secret_file: options.SecretFile = None,
    max_parallel: options.MaxParallel = None,
) -> None:
    """Run a pipeline in containers, on a copy-on-write layer over the repository.

    Defaults for most of these options can stand in the file .runner.toml of a repository, in its table "exec".
    """
    with work.place(file, given, ends.look) as (pipeline, directory), early(pipeline) as place:
        subject = find_subject(pipeline, given, directory)
        plan = grant(wanted.plan(subject), grants, taken=OURS)
        # --help, completion and whoever has an invalid pipeline need not wait for the engine and the docker SDK.
        with importing(begun=place is not None or directory is not None):
            from runner.cli.execution import execute  # noqa: PLC0415 - see above
            from runner.dispatch.orders import Order  # noqa: PLC0415 - see above
            from runner.engine.inputs import Inputs  # noqa: PLC0415 - see above
            from runner.engine.job import Keep, default_parallel  # noqa: PLC0415 - see above

        secrets = read_secrets(secret or (), secrets_of(plan), secret_file or ()) if plan.stages else {}
        order = Order(
            plan=plan,
            source=work.source(subject.checkout.root),
            tree=work.tree(subject.checkout.root, subject.checkout.commit),
            secrets=secrets,
            inputs=Inputs(
                properties=given.properties,
                secure=secure_properties(secret or (), plan, secrets) if plan.stages else {},
                kind=plan.kind or wanted.kind,
                file=subject.path,
                payload=subject.payload,
                trigger=subject.trigger,
            ),
            max_parallel=max_parallel or default_parallel(),
            keep=Keep.ALWAYS if ends.keep else Keep.NEVER,
            export=work.export,
            artifacts=ends.artifacts,
            values=plan.mapped or ends.look.output is options.OutputFormat.JSON,
        )
        order.inputs.check(plan)
        if plan.async_stages and order.tree.directory:
            from runner.cli.beside import seen_by_children  # noqa: PLC0415 - hardly any pipeline has async stages

            ends.look.say(*seen_by_children(order.stored()))
        if place is None:  # else it is known
            Expected(Settings.read(), subject.content).learn(plan)
        raise typer.Exit(execute(subject.describe(), order, ends, begun=place))
