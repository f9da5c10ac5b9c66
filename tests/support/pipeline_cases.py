"""Whole runs of ``.pipeline-config.yaml`` as data: read from YAML, and laid out as git repositories.

The fields of a case are those of the file itself (``tests/conformance/data/pipelinectl.yaml``, the cases with
``config``). In all texts ``{{name.url}}`` and ``{{name.commit1}}`` stand for the address and a commit of a repository.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from tests.support.pipeline_expect import Expect, ExpectAsync
from tests.support.repositories import Repository

FILE = ".pipeline-config.yaml"
APP = "app"
"""The repository in which a run happens."""


@dataclass(frozen=True, kw_only=True)
class Then:
    """What is done afterwards: an async stage is ``rerun``, or else the whole run again; and what must come of it."""

    rerun: str = ""
    expect_async: ExpectAsync = field(default_factory=ExpectAsync)
    expect: Expect = field(default_factory=Expect)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """Return what a case says."""
        if "rerun" in raw:
            return cls(rerun=raw["rerun"], expect_async=ExpectAsync(**{"stage": raw["rerun"], **raw["expect"]}))
        return cls(expect=Expect.read(raw["expect"]))


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is run, and with what; ``stages`` is empty for all. A repository is its commits: the content of files."""

    pipeline: str
    stages: Sequence[str] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    secure_properties: Mapping[str, str] = field(default_factory=dict)
    trigger_properties: Mapping[str, str] = field(default_factory=dict)
    configmaps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    repositories: Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]] = field(default_factory=dict)

    def arguments(self, secrets: Path) -> list[str]:
        """Return the options for a command that runs it, with a file for every secret below ``secrets``."""
        plain = {**self.properties, **_flat(self.configmaps)}
        return [
            *("--pipeline-type", self.pipeline),
            *(part for name in self.stages for part in ("--stage", name)),
            *(part for name, value in plain.items() for part in ("--property", f"{name}={value}")),
            *(part for name, value in self.trigger_properties.items() for part in ("--param", f"{name}={value}")),
            *self.secret_arguments(secrets),
        ]

    def secret_arguments(self, folder: Path) -> list[str]:
        """Return the options that give the secrets, with a file for each in ``folder``."""
        found: list[str] = []
        folder.mkdir(exist_ok=True)
        for number, (name, value) in enumerate({**self.secure_properties, **_flat(self.secrets)}.items()):
            file = folder / str(number)
            file.write_text(value, encoding="utf-8")
            found += ["--secret", f"{name}=@{file}"]
        return found


@dataclass(frozen=True, kw_only=True)
class Case:
    """A configuration, how it is run, and what must come of that."""

    id: str
    ref: str
    config: Mapping[str, Any]
    files: Mapping[str, str]
    run: Run
    expect: Expect
    then: tuple[Then, ...]
    raw: str = field(repr=False)

    def filled(self, names: Mapping[str, str]) -> "Case":
        """Return it with what ``names`` stand for."""
        text = self.raw
        for name, value in names.items():
            text = text.replace(f"{{{{{name}}}}}", value)
        return case_of(json.loads(text))


def case_of(raw: Mapping[str, Any]) -> Case:
    """Return a case from the data of a file."""
    return Case(
        id=raw["id"],
        ref=raw["ref"],
        config=raw["config"],
        files=raw.get("files", {}),
        run=Run(**raw["run"]),
        expect=Expect.read(raw["expect"]),
        then=tuple(map(Then.read, raw.get("then", ()))),
        raw=json.dumps(raw),
    )


def read(path: Path) -> tuple[Case, ...]:
    """Return the cases of a file that are whole runs."""
    cases = yaml.safe_load(path.read_text(encoding="utf-8"))["cases"]
    return tuple(case_of(case) for case in cases if "config" in case)


def lay_out(case: Case, folder: Path) -> tuple[Case, Path]:
    """Make the repositories of a case; return it with their names filled in, and the clone in which it is run.

    The configuration and its files are part of the last commit of ``app``, unless it names that very commit.
    """
    names: dict[str, str] = {}
    written = {name: each["commits"] for name, each in case.run.repositories.items()}
    app = written.pop(APP, ({},))
    for name, commits in written.items():
        names |= _made(folder / "origins" / name, commits)
    origin = folder / "origins" / APP
    names |= _made(origin, app[:-1])
    files = _files(case.filled(names))
    its_own = f"{APP}.commit{len(app)}" in files[FILE]
    names |= _made(origin, [*app[:-1], {**app[-1], **({} if its_own else files)}])
    place = folder / APP
    Repository(origin).git("clone", "--quiet", names[f"{APP}.url"], str(place))
    filled = case.filled(names)
    if its_own:
        clone = Repository(place)
        for path, content in _files(filled).items():
            clone.write(path, content)
    return filled, place


def _files(case: Case) -> dict[str, str]:
    """Return the content of the configuration and of the files beside it."""
    return {FILE: yaml.safe_dump(case.config, sort_keys=False, allow_unicode=True), **case.files}


def _made(root: Path, commits: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Bring a repository to so many commits; return what its names in texts stand for."""
    repository = Repository(root)
    name = root.name
    known = repository.git("rev-list", "--reverse", "--topo-order", "--all").split()
    for files in commits[len(known) :]:
        for path, content in files.items():
            repository.write(path, content)
        repository.git("add", "--all")
        repository.git("commit", "--quiet", "--allow-empty", "--message", "a commit")
        known.append(repository.git("rev-parse", "HEAD"))
    return {f"{name}.url": root.as_uri(), **{f"{name}.commit{n}": sha for n, sha in enumerate(known, 1)}}


def _flat(groups: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {f"{name}/{key}": value for name, keys in groups.items() for key, value in keys.items()}
