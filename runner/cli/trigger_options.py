"""The options with which any command is told why a run happens, and what it is given."""

from runner.cli import options
from runner.cli.inputs import read_assignments, read_files
from runner.cli.trigger import Given
from runner.errors import UsageError


def given(  # noqa: PLR0913 - one parameter an option
    *,
    event: options.Event = "",
    event_file: options.EventFile = None,
    branch: options.Branch = None,
    tag: options.Tag = None,
    target: options.Target = "",
    comment: options.Comment = "",
    sender: options.Sender = None,
    repo: options.Repo = None,
    changed: options.Changed = None,
    label: options.Label = None,
    instance: options.InstanceName = "",
    env: options.Environment = None,
    env_file: options.EnvironmentFile = None,
    param: options.Parameter = None,
    properties: options.Property = None,
) -> Given:
    """Return what the options say.

    Raises:
        UsageError: a file or an assignment cannot be read.
    """
    if properties:
        raise UsageError("--property: no dialect that can be read has properties", hint="give a variable with --env")
    return Given(
        event=event,
        event_file=event_file,
        branch=branch,
        tag=tag,
        target=target,
        comment=comment,
        sender=sender,
        repo=repo,
        changed=None if changed is None else tuple(changed),
        labels=tuple(label or ()),
        instance=instance,
        parameters=read_assignments("--param", param or ()),
        environment={**read_files("--env-file", env_file or ()), **read_assignments("--env", env or ())},
    )
