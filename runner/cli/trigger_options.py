"""The options with which any command is told why a run happens, and what it is given."""

from collections.abc import Iterable

from runner.cli import options
from runner.cli.inputs import check_property, read_assignments, read_files
from runner.dispatch.subject import Given


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
        UsageError: a file or an assignment cannot be read, or there can be no such property.
    """
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
        properties=_read_properties(properties or ()),
        environment={**read_files("--env-file", env_file or ()), **read_assignments("--env", env or ())},
    )


def _read_properties(texts: Iterable[str]) -> dict[str, str]:
    found = read_assignments("--property", texts)
    for name in found:
        check_property(f"--property {name}", name)
    return found
