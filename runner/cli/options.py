"""The options that commands share, each described once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.completion import complete_dialect, complete_event, complete_stage, complete_step
from runner.cli.defaults import load_defaults
from runner.plan.model import PullPolicy

_FACTS = "Facts: why it runs (else event push, and what the local git says)"
_INPUTS = "Inputs"
_CHOICE = "Choice: what of it runs, and how"
_SOURCE = "Source"
_GRANTS = "Grants: what steps may do to this machine"
_ENDS = "Ends: what is seen and what is left"

_FLAG = ""
"""What stands behind an option that takes no value; else typer would write its type there."""


class OutputFormat(StrEnum):
    """What a command writes to stdout."""

    TEXT = "text"
    JSON = "json"
    EVENTS = "events"


class Sharing(StrEnum):
    """What the stages of a pipeline have for a workspace, whatever it says."""

    OWN = "own"
    SHARED = "shared"


class SourceFilter(StrEnum):
    """Which files of the source a run has."""

    TRACKED = "tracked"
    ALL = "all"


PipelineFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE",
        is_eager=True,
        callback=load_defaults,
        help="The pipeline; else .vela.yml, .vela.yaml, .pipeline-config.yaml or pipeline.yml.",
    ),
]

Event = Annotated[
    str,
    typer.Option(
        metavar="EVENT[:ACTION]",
        rich_help_panel=_FACTS,
        autocompletion=complete_event,
        help="push, tag, pull_request, comment, deployment, schedule, delete:branch, delete:tag or merge_group.",
    ),
]
EventFile = Annotated[
    Path | None,
    typer.Option(
        "--event-file",
        metavar="FILE",
        rich_help_panel=_FACTS,
        help="The payload of a GitHub webhook, as JSON; the options here win over it.",
    ),
]
Branch = Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=_FACTS, help="The branch.")]
Tag = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=_FACTS, help="The tag; without --event the event is a tag then."),
]
Target = Annotated[str, typer.Option(metavar="NAME", rich_help_panel=_FACTS, help="The target of a deployment.")]
Comment = Annotated[str, typer.Option(metavar="TEXT", rich_help_panel=_FACTS, help="The text of a comment.")]
Sender = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=_FACTS, help="Who caused the run; else the author of the commit."),
]
Repo = Annotated[
    str | None, typer.Option(metavar="ORG/NAME", rich_help_panel=_FACTS, help="The full name of the repository.")
]
Changed = Annotated[
    list[str] | None,
    typer.Option(
        "--changed",
        metavar="PATH",
        rich_help_panel=_FACTS,
        help="A changed path; may be repeated. Else those of the last commit and the working tree.",
    ),
]
Label = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="NAME", rich_help_panel=_FACTS, help="A label of the pull request; may be repeated."
    ),
]
InstanceName = Annotated[
    str,
    typer.Option(
        "--instance", metavar="URL", rich_help_panel=_FACTS, help="The Vela server for rules that ask for one."
    ),
]

Environment = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        "-e",
        metavar="NAME=VALUE",
        rich_help_panel=_INPUTS,
        help="A variable for every step, over what the pipeline says; may be repeated.",
    ),
]
EnvironmentFile = Annotated[
    list[Path] | None,
    typer.Option(
        "--env-file",
        metavar="FILE",
        rich_help_panel=_INPUTS,
        help="Lines NAME=VALUE, as --env, which wins over them; may be repeated.",
    ),
]
Parameter = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        rich_help_panel=_INPUTS,
        help="A parameter of a deployment; may be repeated.",
    ),
]
Property = Annotated[
    list[str] | None,
    typer.Option(
        "--property",
        metavar="NAME=VALUE",
        rich_help_panel=_INPUTS,
        help="What get_env NAME answers in a step, and the file /config/NAME; may be repeated.",
    ),
]
SecretOption = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME|NAME=@FILE",
        rich_help_panel=_INPUTS,
        help="A secret, from the environment (else asked for) or a file. Those of the pipeline need not be named; one"
        " that it does not know is a secure property: get_secret NAME answers it in every step.",
    ),
]
SecretFile = Annotated[
    list[Path] | None,
    typer.Option(
        "--secret-file", metavar="FILE", rich_help_panel=_INPUTS, help="Secrets as lines NAME=VALUE; may be repeated."
    ),
]

StageName = Annotated[
    list[str] | None,
    typer.Option(
        "--stage",
        metavar="STAGE",
        rich_help_panel=_CHOICE,
        autocompletion=complete_stage,
        help="Run only this stage; may be repeated.",
    ),
]
Needs = Annotated[
    bool,
    typer.Option(
        "--needs", metavar=_FLAG, rich_help_panel=_CHOICE, help="With --stage or --step: also run the stages they need."
    ),
]
StepName = Annotated[
    list[str] | None,
    typer.Option(
        "--step",
        metavar="[STAGE/]STEP",
        rich_help_panel=_CHOICE,
        autocompletion=complete_step,
        help="Run only this step; may be repeated.",
    ),
]
SkippedStep = Annotated[
    list[str] | None,
    typer.Option(
        "--skip-step",
        metavar="[STAGE/]STEP",
        rich_help_panel=_CHOICE,
        autocompletion=complete_step,
        help="Run all but this step; may be repeated.",
    ),
]
Image = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="OLD=NEW",
        rich_help_panel=_CHOICE,
        help="Use another image: OLD is as in the file, or without its tag, or a pattern with *; may be repeated.",
    ),
]
Pull = Annotated[
    PullPolicy | None,
    typer.Option(
        "--pull",
        metavar="POLICY",
        rich_help_panel=_CHOICE,
        help="When images are pulled, whatever the pipeline says: always, not_present, on_start or never.",
    ),
]
WorkspaceSharing = Annotated[
    Sharing | None,
    typer.Option("--workspace", rich_help_panel=_CHOICE, help="A workspace for each stage, or one for all."),
]
MaxParallel = Annotated[
    int | None,
    typer.Option(
        "--max-parallel",
        min=1,
        metavar="N",
        rich_help_panel=_CHOICE,
        help="How many stages run at a time; else twice the cores, at least 4.",
    ),
]
DialectName = Annotated[
    str,
    typer.Option(
        "--dialect",
        metavar="NAME",
        rich_help_panel=_CHOICE,
        autocompletion=complete_dialect,
        help="The dialect of the file; else found out.",
    ),
]
PipelineType = Annotated[
    str,
    typer.Option(
        "--pipeline-type",
        metavar="TYPE",
        rich_help_panel=_CHOICE,
        help="What kind of pipeline scripts are told that it is: ci, cd, pr or cc.",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", metavar=_FLAG, rich_help_panel=_CHOICE, help="Take warnings for errors.")
]

SourceDirectory = Annotated[
    Path | None,
    typer.Option(
        "--source",
        metavar="DIR",
        exists=True,
        file_okay=False,
        rich_help_panel=_SOURCE,
        help="The directory that steps work on; else the file's repository.",
    ),
]
RepositoryUrl = Annotated[
    str,
    typer.Option(
        "--repo-url",
        metavar="URL",
        is_eager=True,  # the defaults of the directory that we are in are not for another repository
        rich_help_panel=_SOURCE,
        help="A repository elsewhere, which is fetched: the pipeline is one of its files. Without --commit it is taken"
        " at --tag or --branch, else at its own branch.",
    ),
]
CommitHash = Annotated[
    str,
    typer.Option(
        "--commit", metavar="SHA", rich_help_panel=_SOURCE, help="With --repo-url: the commit, or its first digits."
    ),
]
Submodules = Annotated[
    bool,
    typer.Option("--submodules", metavar=_FLAG, rich_help_panel=_SOURCE, help="With --repo-url: its submodules, too."),
]
Bind = Annotated[
    bool,
    typer.Option(
        "--bind", metavar=_FLAG, rich_help_panel=_SOURCE, help="Mount the source read-write: what steps write stays."
    ),
]
Snapshot = Annotated[
    bool,
    typer.Option(
        "--snapshot", metavar=_FLAG, rich_help_panel=_SOURCE, help="Copy the source first, so that it may be edited."
    ),
]
SourceFilterOption = Annotated[
    SourceFilter,
    typer.Option(
        "--source-filter",
        rich_help_panel=_SOURCE,
        help="tracked: copy only the files that git tracks, as they stand, and .git.",
    ),
]
Export = Annotated[
    Path | None,
    typer.Option(
        "--export", metavar="DIR", rich_help_panel=_SOURCE, help="Write what the run changed into this directory."
    ),
]

PrivilegedImage = Annotated[
    list[str] | None,
    typer.Option(
        "--privileged-image",
        metavar="PATTERN",
        rich_help_panel=_GRANTS,
        help="Run steps of this image privileged: as root of this machine. May be repeated.",
    ),
]
Volume = Annotated[
    list[str] | None,
    typer.Option(
        "--volume",
        metavar="SRC[:DST[:MODE]]",
        rich_help_panel=_GRANTS,
        help="Mount a path of this machine into every step, read-only unless MODE is rw; may be repeated.",
    ),
]

Output = Annotated[OutputFormat, typer.Option("--output", rich_help_panel=_ENDS, help="What stdout gets.")]
Timestamps = Annotated[
    bool,
    typer.Option("--timestamps", metavar=_FLAG, rich_help_panel=_ENDS, help="Plain lines, each with its time (UTC)."),
]
NoColor = Annotated[
    bool, typer.Option("--no-color", metavar=_FLAG, rich_help_panel=_ENDS, help="No colours; as when NO_COLOR is set.")
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        metavar=_FLAG,
        rich_help_panel=_ENDS,
        help="Only what failed, with all that it printed, and how the run ended.",
    ),
]
Keep = Annotated[
    bool,
    typer.Option("--keep", metavar=_FLAG, rich_help_panel=_ENDS, help="Leave the run's volumes until `runner clean`."),
]
NoWait = Annotated[
    bool,
    typer.Option(
        "--no-wait",
        metavar=_FLAG,
        rich_help_panel=_ENDS,
        help="Let async stages go on by themselves; `runner show` and `runner logs` tell of them.",
    ),
]
IgnoreChildren = Annotated[
    bool,
    typer.Option(
        "--ignore-children",
        metavar=_FLAG,
        rich_help_panel=_ENDS,
        help="Let async stages that fail have no effect on the exit code.",
    ),
]
ShellOnFailure = Annotated[
    bool,
    typer.Option(
        "--shell-on-failure",
        metavar=_FLAG,
        rich_help_panel=_ENDS,
        help="Open a shell like each step that failed: its image, workspace, user and variables.",
    ),
]
Artifacts = Annotated[
    Path | None,
    typer.Option(
        "--artifacts",
        metavar="DIR",
        rich_help_panel=_ENDS,
        help="Where the artifacts of steps are copied to; else into the folder of the run, which is named at its end.",
    ),
]
