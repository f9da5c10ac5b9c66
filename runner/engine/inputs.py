"""What a run gives its scripts beside the variables of its steps: properties, and what IBM's pipelines always tell.

Keys are those that ``get_env`` knows without anybody having set them, variables those of IBM's pages "Customizing
Secrets, parameters, and properties" and of its pull request, CI and CC pipelines; as far as they mean something here.
"""

from collections.abc import Mapping
from dataclasses import field
from pathlib import PurePosixPath
from typing import Final

from runner.errors import UsageError, quoted
from runner.pipelinectl import layout
from runner.pipelinectl.layout import Kind
from runner.plan.model import Plan, Stage
from runner.plan.trigger import Trigger
from runner.records import record

PAYLOAD: Final = "trigger-payload.json"
"""The file of the configuration that holds what a webhook sent."""

DEBUG: Final = "pipeline-debug"
"""The property that asks for more output, if it is 1."""

_API_KEY, _OLDER_API_KEY = "ibmcloud-api-key", "api-key"
_KINDS: Final = {"pull_request": "pr", "deployment": "cd"}
"""The kinds of pipelines that an event starts; any other starts ``ci``."""
_PLACES: Final = {"COMMONS_PATH": "/opt/commons", "TOOLCHAIN_DATA_PATH": "/toolchain/toolchain.json"}
"""Where IBM's service has something that is not there here, unless somebody mounts it (``--volume``)."""
_UNKNOWN: Final = (
    *("IAM_ACCESS_TOKEN", "INCIDENT_ISSUES_URL", "INVENTORY_URL", "PIPELINE_RUN_URL", "PR_HTML_URL", "PR_URL"),
    "TRIGGER_PAYLOAD",
)
"""Variables of a pipeline of a kind that nothing here has a value for."""
_REPOSITORY: Final = "app-repo"
_WITH_REPOSITORY: Final = ("ci", "pr")
_SECURE_FOLDER: Final = f"{layout.CONFIG}/secure-properties"


@record
class Inputs:
    """What a run was given.

    ``properties`` and ``secure`` ones are values by name; parameters of the trigger win over properties. ``kind`` is
    that of IBM's pipelines (``ci``, ``cd``, ``pr``, ``cc``), or empty where nobody has named one. ``file`` is the path
    of the pipeline from the top of its repository, ``payload`` what a webhook sent; ``hook`` is the name of that
    webhook, if it is one of the pipeline's own.
    """

    properties: Mapping[str, str] = field(default_factory=dict)
    secure: Mapping[str, str] = field(default_factory=dict, repr=False)
    kind: str = ""
    file: str = ""
    payload: bytes = b""
    hook: str = ""
    trigger: Trigger = field(default_factory=Trigger)

    def config(self) -> dict[PurePosixPath, bytes]:
        """Return the files of the configuration; a parameter whose name no file can have is no file.

        In a pipeline of a ``kind`` what ``get_env`` knows is there as well: scripts of that kind read the files.
        """
        known = {PurePosixPath(key): layout.raw(value) for key, value in self._keys().items()} if self.kind else {}
        payload = {PurePosixPath(PAYLOAD): self.payload} if self.payload else {}
        parameters = {PurePosixPath(name): layout.raw(value) for name, value in self._parameters.items()}
        return {**known, **layout.configuration(self._plain, self._secure), **parameters, **payload}

    def config_of(self, stage: Stage) -> dict[PurePosixPath, bytes]:
        """Return the files of the configuration as a stage sees them that names some of its own (``Stage.config``).

        Raises:
            UsageError: there are no properties of such a name.
        """
        own: dict[PurePosixPath, bytes] = {}
        for name in stage.config:
            own |= {PurePosixPath(key): layout.raw(value) for key, value in self._named(stage, name).items()}
        return {**self.config(), **own}

    def check(self, plan: Plan) -> None:
        """See that every stage of a plan, an async one too, has the properties that it names in ``Stage.config``.

        Raises:
            UsageError: one has not; the message says what to give.
        """
        for stage in (*plan.stages, *plan.async_stages):
            self.config_of(stage)

    def _named(self, stage: Stage, name: str) -> dict[str, str]:
        """Return the properties ``NAME/KEY`` by their keys; of ``$PROP`` the name is the value of that property."""
        known = {**self._plain, **self._secure}
        wanted = known.get(name[1:], "") if name.startswith("$") else name
        if not wanted:
            raise UsageError(
                f"stage {stage.name} takes the name of its configuration from property {name[1:]}, and there is none",
                hint=f"--property {name[1:]}=NAME",
            )
        prefix = f"{wanted}/"
        found = {key.removeprefix(prefix): value for key, value in known.items() if key.startswith(prefix)}
        if not found:
            raise UsageError(
                f"stage {stage.name} wants the configuration {quoted(wanted)}, and nobody has given it",
                hint=f"--property {prefix}KEY=VALUE for each of its keys, or --secret {prefix}KEY=@FILE",
            )
        return found

    def store(self, home: str, workdir: str) -> dict[str, bytes]:
        """Return the first files of a run's store: what ``get_env`` knows behind the properties, and the repository.

        The latter, as ``app-repo``, where scripts count on it: in a pipeline of kind ``ci`` or ``pr``.
        """
        keys = {layout.file_name(Kind.KNOWN, key): layout.text(value) for key, value in self._keys().items()}
        if self.kind not in _WITH_REPOSITORY:
            return keys
        repository = {
            "url": self.trigger.repository.clone,
            "path": _below(home, workdir),
            "commit": self.trigger.commit.sha,
            "branch": self.trigger.facts.branch,
        }
        files = {layout.file_name(Kind.REPOSITORY, _REPOSITORY, name): layout.text(v) for name, v in repository.items()}
        return {**keys, layout.file_name(Kind.REPOSITORY, _REPOSITORY): b"", **files}

    def variables(self, run: str, stage: str, home: str, workdir: str) -> dict[str, str]:
        """Return the variables of a stage's steps that lack them; ``home`` and ``workdir`` are those of the plan.

        One that has no value here is empty: scripts may run under ``set -u``.
        """
        trigger, facts = self.trigger, self.trigger.facts
        owner, _, name = trigger.repository.name.rpartition("/")
        return {
            "APP_REPO_FOLDER": _below(home, workdir),
            "APP_REPO_NAME": name,
            "APP_REPO_OWNER": owner,
            "BUILD_NUMBER": "1",
            "CONFIG_DIR": layout.CONFIG,
            "ONE_PIPELINE_PATH": layout.HOME,
            "PIPELINE_CONFIG_PATH": self.file,
            "PIPELINE_CONFIG_REPO_PATH": _below(home, workdir),
            "PIPELINE_DEBUG": "1" if self.debug else "0",
            "PIPELINE_ID": trigger.repository.name,
            "PIPELINE_NAME": name,
            "PIPELINE_RUN_ID": run,
            "PIPELINE_RUN_NAME": f"{name or 'pipeline'}-{run}",
            "SECRET_CONFIG_DIR": _SECURE_FOLDER,
            "STAGE": stage,
            "TRIGGERED_BY": "" if self.hook else facts.sender,
            "TRIGGER_NAME": self.hook or facts.event,
            "TRIGGER_PAYLOAD_PATH": f"{layout.CONFIG}/{PAYLOAD}" if self.payload else "",
            "TRIGGER_TYPE": "generic" if self.hook else "scm" if self.payload else "manual",
            "WORKSPACE": home,
            **({**dict.fromkeys(_UNKNOWN, ""), **_PLACES, "STAGE_WORKSPACE": home} if self.kind else {}),
        }

    @property
    def debug(self) -> bool:
        """Whether scripts are to say more."""
        return {**self._secure, **self._plain}.get(DEBUG) == "1"

    @property
    def _secure(self) -> Mapping[str, str]:
        """The secure properties; one of them has an older name."""
        older = {_OLDER_API_KEY: self.secure[_API_KEY]} if _API_KEY in self.secure else {}
        return {**older, **self.secure}

    @property
    def _plain(self) -> dict[str, str]:
        return {**self.properties, **self._parameters}

    @property
    def _parameters(self) -> dict[str, str]:
        """The parameters of the trigger that are files; also over secure properties, where all look."""
        return {name: value for name, value in self.trigger.parameters.items() if layout.is_file_name(name)}

    def _keys(self) -> dict[str, str]:
        trigger, facts = self.trigger, self.trigger.facts
        event, _, action = facts.event.partition(":")
        found = {
            "pipeline_namespace": self.kind or _KINDS.get(event, "ci"),
            "branch": facts.branch,
            "git-branch": facts.branch,
            "commit-sha": trigger.commit.sha,
            "git-commit": trigger.commit.sha,
            "repository": trigger.repository.clone,
            "repository-url": trigger.repository.clone,
            "target-environment": facts.target,
        }
        if event == "pull_request" and trigger.pull_request is not None:
            request = trigger.pull_request
            owner, _, name = trigger.repository.name.rpartition("/")
            found |= {
                "action": action,
                "base-branch": request.target,
                "base-repo": trigger.repository.clone,
                "base-repo-name": name,
                "base-repo-owner": owner,
                "base_ref": request.target,
                "head-branch": request.source,
                "head-sha": trigger.commit.sha,
                "pr-title": trigger.commit.title,
            }
        return {key: value for key, value in found.items() if value}


def _below(home: str, workdir: str) -> str:
    """Return where steps begin, as scripts have it: from ``WORKSPACE``."""
    return str(PurePosixPath(workdir).relative_to(home))
