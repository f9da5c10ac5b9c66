"""The options that only ``runner exec`` has: what it works on, what it allows, what is seen of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli import options
from runner.cli.look_options import look
from runner.cli.options import OutputFormat, SourceFilter
from runner.dispatch.subject import Given
from runner.errors import UsageError
from runner.plan.grants import Grants
from runner.records import record
from runner.settings import Settings

if TYPE_CHECKING:
    from runner.cli.look import Look
    from runner.dispatch.orders import Tree
    from runner.engine.specs import Source


@record
class Work:
    """What steps work on; without a directory that is the repository of the pipeline.

    ``url`` is a repository elsewhere, ``commit`` what is wanted of it.
    """

    directory: Path | None
    url: str
    commit: str
    submodules: bool
    bind: bool
    snapshot: bool
    source_filter: SourceFilter
    export: Path | None

    @contextmanager
    def place(self, file: Path | None, given: Given, look: "Look") -> Iterator[tuple[Path | None, Path | None]]:
        """Have the pipeline and the directory that facts are of until the end of the block; None as in the options.

        Raises:
            UsageError: there is no such repository, commit or pipeline.
            WorkspaceError: it cannot be fetched.
        """
        if not self.url:
            yield file, self.directory
            return
        from runner.cli.clone import fetched  # noqa: PLC0415 - most runs do without
        from runner.dispatch.repositories import pipeline_in, spec_of  # noqa: PLC0415 - as above

        tag, branch = given.tag or "", given.branch or ""
        spec = spec_of(self.url, commit=self.commit, tag=tag, branch=branch, submodules=self.submodules)
        with fetched(spec, look) as clone:
            yield pipeline_in(clone, file), clone

    def tree(self, root: Path, commit: str) -> "Tree":
        """Return how the same source is had again, of which ``root`` and ``commit`` are known."""
        from runner.dispatch.orders import Tree  # noqa: PLC0415 - as above

        if self.url:
            from runner.workspace.git.spec import SourceSpec  # noqa: PLC0415 - as above

            return Tree(repository=SourceSpec(url=self.url, commit=commit, submodules=self.submodules))
        return Tree(directory=str((self.directory or root).resolve()))

    def source(self, repository: Path) -> "Source":
        """Return the source of a run.

        Raises:
            UsageError: what the run changes would be written into it, or git does not tell what it tracks.
        """
        from runner.engine.specs import Source, SourceMode  # noqa: PLC0415 - --help and completion do without it

        root = self.directory or repository
        if self.export is not None and self.export.resolve() == root.resolve():
            raise UsageError("--export into the source itself would write what must not change", hint="use --bind")
        if self.source_filter is SourceFilter.TRACKED:
            from runner.workspace.tracked import tracked  # noqa: PLC0415 - as above

            return Source(path=root, mode=SourceMode.SNAPSHOT, only=tracked(root))
        mode = SourceMode.BIND if self.bind else SourceMode.SNAPSHOT if self.snapshot else SourceMode.LAYER
        return Source(path=root, mode=mode)


@record
class Ends:
    """What is seen of a run, and what is left of it."""

    look: "Look"
    keep: bool
    wait: bool
    ignore_children: bool
    shell: bool
    artifacts: Path | None


def work(  # noqa: PLR0913 - one parameter an option
    *,
    source: options.SourceDirectory = None,
    repo_url: options.RepositoryUrl = "",
    commit: options.CommitHash = "",
    submodules: options.Submodules = False,
    bind: options.Bind = False,
    snapshot: options.Snapshot = False,
    source_filter: options.SourceFilterOption = SourceFilter.ALL,
    export: options.Export = None,
) -> Work:
    """Return what the options say.

    Raises:
        UsageError: they do not go together.
    """
    if bind and (snapshot or export):
        raise UsageError("--bind goes with neither --snapshot nor --export", hint="with --bind the source is written")
    if bind and source_filter is SourceFilter.TRACKED:
        raise UsageError("--bind does not go with --source-filter tracked", hint="bound, the whole source is seen")
    if repo_url and (source or bind):
        raise UsageError("--repo-url goes with neither --source nor --bind", hint="--export writes what a run changes")
    if (commit or submodules) and not repo_url:
        option = "--commit" if commit else "--submodules"
        raise UsageError(f"{option} goes with --repo-url only", hint="a directory is taken as it stands")
    return Work(
        directory=source,
        url=repo_url,
        commit=commit,
        submodules=submodules,
        bind=bind,
        snapshot=snapshot,
        source_filter=source_filter,
        export=export,
    )


def grants(*, privileged_image: options.PrivilegedImage = None, volume: options.Volume = None) -> Grants:
    """Return what the options and the settings of this machine allow.

    Raises:
        UsageError: one of them cannot be read.
    """
    settings = Settings.read()
    return Grants.read((*settings.privileged_images, *(privileged_image or ())), (*settings.volumes, *(volume or ())))


def ends(  # noqa: PLR0913 - one parameter an option
    *,
    output: options.Output = OutputFormat.TEXT,
    quiet: options.Quiet = False,
    timestamps: options.Timestamps = False,
    no_color: options.NoColor = False,
    keep: options.Keep = False,
    no_wait: options.NoWait = False,
    ignore_children: options.IgnoreChildren = False,
    shell_on_failure: options.ShellOnFailure = False,
    artifacts: options.Artifacts = None,
) -> Ends:
    """Return what the options say.

    Raises:
        UsageError: they do not go together, or not without a terminal.
    """
    if shell_on_failure:
        from runner.cli.failure_shell import check_terminal  # noqa: PLC0415 - as above

        check_terminal(output)
    shown = look(output=output, quiet=quiet, timestamps=timestamps, no_color=no_color)
    return Ends(
        look=shown,
        keep=keep,
        wait=not no_wait,
        ignore_children=ignore_children,
        shell=shell_on_failure,
        artifacts=artifacts,
    )
