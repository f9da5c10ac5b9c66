"""The sample in the manner of IBM's DevSecOps pipelines runs to its end, and what it leaves is told."""

import re
import shutil

from runner.errors import ExitCode
from tests.support.cli import Place
from tests.support.scripts import ROOT

SAMPLE = ROOT / "tests/samples/devsecops"
PARTS = ("manual", "program")
TAGS = {"greeter/manual": "1.4.0", "greeter/program": "1.4.0,latest,stable"}


def test_the_scripts_of_the_devsecops_sample_hand_on_values_secrets_and_artifacts(place: Place) -> None:
    shutil.copytree(SAMPLE, place.repo, dirs_exist_ok=True)

    run = place.exec("--source", ".", "--pipeline-type", "ci", "--property", "target-environment=test", "--output=json")

    assert run.code == ExitCode.SUCCESS, run.err
    assert run.printed("setup/register") == ["pipeline: ci, version: 1.4.0"]
    assert run.printed("test/unit") == ["4 greetings: success", "evidence: success"]
    assert run.printed("sign-artifact/sign") == [f"signed greeter/{part} with ***" for part in PARTS]
    assert run.printed("release/inventory") == [
        *(f"{key}: registry.example.test/{_archive(key)} tags {tags} scan 0" for key, tags in TAGS.items()),
        "released 1.4.0 for https://test.example.test/greeter: 2 artifacts",
        "tested: 4 greetings: success; stage test: success",
    ]
    values = run.document["values"]
    assert values["env"] == {
        "app-url": "https://test.example.test/greeter",
        "greetings": "4",
        "registry": "registry.example.test",
        "version": "1.4.0",
    }
    assert values["constants"] == ["registry"]
    assert values["repos"]["app-repo"]["path"] == "."
    assert {key: found["tags"] for key, found in values["artifacts"].items()} == TAGS
    for found in values["artifacts"].values():  # two stages that run beside each other have each added to both
        assert re.fullmatch("[0-9a-f]{64}", found["signature"])
        assert found["scan-result"] == "0"
    assert sorted(values["results"]["scan-artifact"]) == [f"{_archive(key)}.report" for key in TAGS]
    assert len(values["collected"]) == 1


def _archive(key: str) -> str:
    return f"{key.replace('/', '-')}-1.4.0.tar"
