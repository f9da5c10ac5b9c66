"""The options that commands share, each described once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class OutputFormat(StrEnum):
    """What a command writes to stdout."""

    TEXT = "text"
    JSON = "json"
    EVENTS = "events"


PipelineFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE", help="The pipeline; else .vela.yml, .vela.yaml, .pipeline-config.yaml or pipeline.yml."
    ),
]
Event = Annotated[str, typer.Option(help="Why the run happens: push, tag, pull_request, comment, deployment, ...")]
Branch = Annotated[str | None, typer.Option(help="The branch; else the one of the local git.")]
Tag = Annotated[str | None, typer.Option(help="The tag; makes the event a tag unless another is given.")]
Target = Annotated[str, typer.Option(help="The target of a deployment.")]
Comment = Annotated[str, typer.Option(help="The text of a comment.")]
Sender = Annotated[str | None, typer.Option(help="Who caused the run; else the author of the last commit.")]
Repo = Annotated[str | None, typer.Option(help="The repository as org/name; else as the local git has it.")]
Changed = Annotated[
    list[str] | None,
    typer.Option("--changed", help="A changed path; may be repeated. Else those of the last commit and working tree."),
]
Label = Annotated[list[str] | None, typer.Option("--label", help="A label of the pull request; may be repeated.")]
InstanceName = Annotated[str, typer.Option("--instance", help="The address of the Vela server to pretend.")]
DialectName = Annotated[str, typer.Option("--dialect", help="The dialect of the file; else found out.")]
Strict = Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")]
SourceDirectory = Annotated[
    Path | None,
    typer.Option(
        "--source",
        exists=True,
        file_okay=False,
        help="The directory that steps work on; else the file's repository.",
    ),
]
Environment = Annotated[
    list[str] | None, typer.Option("--env", "-e", metavar="K=V", help="A variable for every step; may be repeated.")
]
SecretOption = Annotated[
    list[str] | None,
    typer.Option(
        "--secret", metavar="NAME|NAME=@FILE", help="A secret from the environment, else asked for; or from a file."
    ),
]
MaxParallel = Annotated[int | None, typer.Option("--max-parallel", min=1, help="How many stages run at a time.")]
Bind = Annotated[bool, typer.Option("--bind", help="Mount the source read-write: what steps write stays.")]
Snapshot = Annotated[bool, typer.Option("--snapshot", help="Copy the source first, so that it may be edited.")]
Export = Annotated[Path | None, typer.Option("--export", help="Write what the run changed into this directory.")]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the run's volumes until `runner clean`.")]
Output = Annotated[OutputFormat, typer.Option("--output", help="What stdout gets.")]
