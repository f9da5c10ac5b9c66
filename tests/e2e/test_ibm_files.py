"""Files like those of IBM's users run with their scripts, against programs that only say how they were called."""

import shutil
from pathlib import Path

from runner.errors import ExitCode
from tests.support.cli import Finished, Place
from tests.support.repositories import Repository
from tests.support.scripts import ROOT

SAMPLE = ROOT / "tests/samples/devsecops-config"
TOOLS = ("curl", "docker", "git", "ibmcloud", "kubectl", "npm")
URL = "https://gitlab.example.test/shop/greeter.git"
IMAGE = "eu-de.icr.io/shop/greeter"
TOKEN, KEY = "token-of-the-repository", "key-of-the-account"
PROPERTIES = {
    "APP_REPO": URL,
    "registry-region": "ibm:yp:eu-de",
    "registry-namespace": "shop",
    "dev-region": "ibm:yp:eu-de",
    "dev-cluster-namespace": "stage",
    "custom-image-tag": "1.4,latest",
    "opt-in-dynamic-scan": "1",
}


def _run(place: Place, tmp_path: Path, *arguments: str) -> Finished:
    """Run the sample as a clone of its repository would be run, with the stand-ins first on the path."""
    shutil.copytree(SAMPLE, place.repo, dirs_exist_ok=True)
    repository = Repository(place.repo)
    repository.git("remote", "add", "origin", URL)
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", "the sample")
    stand_ins = tmp_path / "stand-ins"
    stand_ins.mkdir()
    for tool in TOOLS:
        shutil.copy(SAMPLE / "record", stand_ins / tool)
    given = {"git-token": TOKEN, "ibmcloud-api-key": KEY}
    for name, value in given.items():
        (tmp_path / name).write_text(value)
    return place.exec(
        *(f"--secret={name}=@{tmp_path / name}" for name in given),
        *(f"--property={name}={value}" for name, value in PROPERTIES.items()),
        f"--volume={stand_ins}:/stand-ins",
        "--env=PATH=/stand-ins:/usr/local/bin:/usr/bin:/bin",
        "--image=icr.io/*=debian:local",
        "--output=json",
        *arguments,
    )


def _calls(logs: Finished, path: str) -> list[str]:
    """Return how the stand-ins were called, which they say on standard error."""
    return [line.removeprefix("+ ") for line in logs.lines(path) if line.startswith("+ ")]


def _said(logs: Finished, path: str) -> list[str]:
    return [line for line in logs.lines(path) if not line.startswith("+ ")]


def _logs(place: Place, run: Finished) -> tuple[Finished, Finished]:
    """Return the logs of a run and of its only child; lines are whole there, however slowly they came."""
    (child,) = run.document["children"]
    return place.run("logs", run.document["run"]["id"]), place.run("logs", child["id"])


def test_a_file_of_version_1_runs_to_its_end_with_its_async_stage(place: Place, tmp_path: Path) -> None:
    run = _run(place, tmp_path, "--pipeline-type", "ci")

    assert run.code == ExitCode.SUCCESS, run.err
    logs, child = _logs(place, run)
    commit = Repository(place.repo).git("rev-parse", "HEAD")
    assert _said(logs, "setup/run-stage") == ["greeter of shop on gitlab"]
    assert _calls(logs, "setup/run-stage") == [
        "curl --header PRIVATE-TOKEN: *** https://gitlab.example.test/api/v4/projects/shop%2Fgreeter"
    ]
    assert _said(logs, "test/run-stage") == ["pending", "failure"]
    assert _calls(logs, "containerize/run-stage") == [
        "docker login -u iamapikey --password-stdin eu-de.icr.io < ***",
        f"docker build -t {IMAGE}:main .",
        f"docker push {IMAGE}:main",
        f"docker inspect --format={{{{index .RepoDigests 0}}}} {IMAGE}:main",
        f"docker tag {IMAGE}:main {IMAGE}:1.4",
        f"docker tag {IMAGE}:main {IMAGE}:latest",
    ]
    digest = "sha256:" + "7".zfill(64)
    assert _calls(logs, "deploy/run-stage") == [
        "ibmcloud login --apikey *** -r eu-de",
        f"kubectl apply --namespace stage -f - < image: {IMAGE}:main@{digest}",
        "kubectl get ingress --namespace stage app",
    ]
    assert _said(child, "slow-scan/run-stage") == [
        "scan http://app.example.test by greeter/scan.sh",
        "ui: '', region: ibm:yp:eu-de, key: ***",
        "app-image: main,1.4,latest",
        "results: 0, files: greeter",
    ]
    assert _said(logs, "finish/run-stage") == [
        "pipeline: Succeeded, status: 1, test: failure",
        f"app-image: {IMAGE}:main, signature '', tags main,1.4,latest",
        "<testsuite failures='1'/>",
    ]
    assert _calls(logs, "finish/run-stage") == ["git push origin v1"]
    values = run.document["values"]
    assert values["artifacts"]["app-image"]["source"] == f"{URL}#{commit}"
    assert len(values["collected"]) == 2
    assert [(each["stage"], each["status"]) for each in run.document["children"]] == [("slow-scan", "success")]
    assert TOKEN not in run.out + run.err
    assert KEY not in run.out + run.err


def test_a_file_of_version_2_runs_to_its_end_with_its_async_stage(place: Place, tmp_path: Path) -> None:
    run = _run(place, tmp_path, ".pipeline-config-v2.yaml", "--pipeline-type=pr", "--property=docs=on")

    assert run.code == ExitCode.SUCCESS, run.err
    logs, child = _logs(place, run)
    assert run.statuses == {
        "pr-code-checks/checks-setup": "success",
        "pr-code-checks/unit-test": "failure",
        "pr-code-checks/compliance-checks": "skipped",
        "pr-code-checks-docs/unit-test": "success",
        "code-pr-finish/run-stage": "success",
    }
    assert _said(logs, "pr-code-checks/checks-setup") == ["stage checks-setup of pr"]
    assert _said(logs, "pr-code-checks/unit-test") == ["suite unit finds what is built"]
    assert _said(logs, "pr-code-checks-docs/unit-test") == ["nothing of the task beside is here"]
    shown = _said(logs, "code-pr-finish/run-stage")
    assert {"pipeline: Succeeded", "WARNING: it is not started"} < set(shown)
    assert _said(child, "integration-test/run-stage")[0] == "suite unit of pr, checked: no"
    assert [each["stage"] for each in run.document["children"]] == ["integration-test"]
