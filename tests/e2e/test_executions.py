"""The monorepo that users copy, in both dialects: what changed is built, what did not is skipped, and one may fail."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.errors import ExitCode
from runner.plan.status import Status
from tests.support.cli import Finished, Place, place_in
from tests.support.scripts import ROOT
from tests.support.standing_daemon import Standing, daemon_in, statuses

SAMPLE = ROOT / "tests/samples/monorepo"
BROKEN = ("--env", "BREAK=web")
BUILT = ["api 2.1.0 was built", "db is unchanged", "web 3.0.1 was built"]


@dataclass(frozen=True, kw_only=True)
class Form:
    """The pipeline in one of the dialects: its file, what its steps are called, and what a failure makes of a join."""

    file: str
    find: str
    unchanged: str
    build: str
    tell: str
    blocked: str
    why: str

    @property
    def pipeline(self) -> str:
        """The name of what builds, in references."""
        return self.build.rpartition("/")[0] or "steps"


NATIVE = Form(
    file=".vela.yml",
    find="list",
    unchanged="unchanged",
    build="build",
    tell="print",
    blocked="skipped",
    why="the status is 'failure'",
)
METALUS = Form(
    file="pipeline.yml",
    find="find/list",
    unchanged="evaluate/unchanged",
    build="make/build",
    tell="tell/print",
    blocked="not_run",
    why="stage each[2] has failed",
)

both = pytest.mark.parametrize(
    "form",
    [pytest.param(form, marks=pytest.mark.sampled, id=form.file) for form in (NATIVE, METALUS)],
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with place_in(tmp_path_factory.mktemp("monorepo")) as place, daemon_in(fill(place)) as found:
        yield found


def fill(place: Place) -> Place:
    shutil.copytree(SAMPLE, place.repo, dirs_exist_ok=True)
    return place


def outcomes(finished: Finished) -> dict[str, str]:
    return {name: stage["status"] for name, stage in finished.stages.items()}


def artifacts(place: Place) -> dict[str, Path]:
    """Return the files that the only run has copied out, by their path."""
    folder = place.runs[0] / "artifacts"
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


@both
def test_what_changed_is_built_and_the_rest_is_skipped_before_one_report(place: Place, form: Form) -> None:
    finished = fill(place).exec("--source", ".", "--output", "json", form.file)

    assert finished.code == ExitCode.SUCCESS, finished.err
    assert outcomes(finished) == {
        "discover": "success",
        "each[0]": "success",
        "each[1]": "skipped",
        "each[2]": "success",
        "report": "success",
    }
    assert finished.stages["each[1]"]["reason"] == "db is unchanged"
    assert finished.statuses[f"each[1]/{form.unchanged}"] == "success"
    assert finished.statuses[f"each[1]/{form.build}"] == "skipped"
    assert finished.printed(f"each[0]/{form.build}") == ["api 2.1.0 was built"]
    assert finished.printed(f"report/{form.tell}") == [*BUILT, "version of the first: 2.1.0"]
    assert finished.steps[f"discover/{form.find}"]["returns"]["primary"] == ["api", "db", "web"]
    assert finished.steps[f"each[2]/{form.build}"]["returns"] == {
        "primary": {"service": "web", "archive": "dist/web.tar"},
        "named": {"VERSION": "3.0.1"},
        "globals": {},
        "links": {},
    }
    left = artifacts(place)
    results = json.loads(left["report/dist/results.json"].read_text(encoding="utf-8"))
    assert [list(slot) for slot in results] == [[form.pipeline], ["evaluate"], [form.pipeline]]
    assert results[1]["evaluate"]["unchanged"]["primaryReturn"] == "db is unchanged"
    assert sorted(path.name for path in left.values()) == ["api.tar", "report.txt", "results.json", "web.tar"]


@both
def test_a_service_that_fails_keeps_only_the_report_from_being_made(place: Place, form: Form) -> None:
    finished = fill(place).exec("--source", ".", "--output", "json", *BROKEN, form.file)

    assert finished.code == ExitCode.FAILURE, finished.err
    assert outcomes(finished) == {
        "discover": "success",
        "each[0]": "success",
        "each[1]": "skipped",
        "each[2]": "failure",
        "report": form.blocked,
    }
    assert finished.document["run"]["reason"] == f"stage each[2]: step {form.build}: exit code 1"
    assert finished.printed(f"each[2]/{form.build}") == ["web is broken"]
    assert form.why in finished.steps[f"report/{form.tell}"]["reason"]
    assert finished.printed(f"report/{form.tell}") == []


@both
def test_the_daemon_names_branches_wherever_it_tells_of_them(daemon: Standing, form: Form) -> None:
    followed = daemon.run("submit", "--follow", *BROKEN, form.file)
    assert followed.code == ExitCode.FAILURE, followed.err
    assert followed.printed(f"each[2]/{form.build}") == ["web is broken"]

    run = daemon.client.runs(limit=1)[0].id
    shown, logs = daemon.run("show", run).out, daemon.run("logs", run).out
    one = daemon.run("logs", run, f"each[0]/{form.build}").out.splitlines()
    branch = daemon.run("logs", run, "each[1]").out.splitlines()
    branches = daemon.run("logs", run, "each").out.splitlines()

    assert statuses(daemon.client.report(run)) == {
        "discover": "success",
        "each[0]": "success",
        "each[1]": "skipped",
        "each[2]": "failure",
        "report": form.blocked,
    }
    rows = [line.split() for line in shown.splitlines()]
    assert ["each[1]", "skipped", "db", "is", "unchanged"] in rows
    assert ["primary", '["api",', '"db",', '"web"]'] in rows
    assert ["named", "VERSION", "2.1.0"] in rows
    assert f"each[2]/{form.build} | web is broken" in logs.splitlines()
    assert one == ['$ scripts/build "$SERVICE"', "api 2.1.0 was built"]
    assert branch == [f'each[1]/{form.unchanged} | $ scripts/unchanged "$SERVICE"']
    assert {line.partition("/")[0] for line in branches} == {"each[0]", "each[1]", "each[2]"}


@both
def test_a_rerun_of_what_failed_takes_the_other_branches_over(daemon: Standing, form: Form) -> None:
    failed = daemon.submit(*BROKEN, form.file)
    daemon.reaches(failed, Status.FAILURE)
    again = daemon.run("rerun", failed, "--failed", "--follow")
    done = daemon.document(daemon.client.runs(limit=1)[0].id)

    assert again.code == ExitCode.FAILURE, again.err
    assert {path for path, step in done.steps.items() if step["reason"] == f"taken over from run {failed}"} == {
        f"discover/{form.find}",
        f"each[0]/{form.unchanged}",
        f"each[0]/{form.build}",
        f"each[1]/{form.unchanged}",
    }
    assert again.printed(f"each[2]/{form.build}") == ["web is broken"]
    assert [done.stages[name]["status"] for name in ("each[2]", "report")] == ["failure", form.blocked]
