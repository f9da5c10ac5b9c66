"""The commands in a step, as data: every case in real containers, in every shell, as root and as anybody else."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker import APIClient

from runner.engine.specs import Source
from tests.support.attempts import BUSYBOX, DEBIAN
from tests.support.pipelinectl import Case, Outcome, lay_out, outcomes, read
from tests.support.pipelinectl_stand import ROOT, USER, Stand, Step, image_of, stand_with

DATA = Path(__file__).parent / "data"
GIVEN, OURS = read(DATA / "pipelinectl.yaml"), read(DATA / "pipelinectl_ours.yaml")
CASES = (*GIVEN, *OURS)
BASH = "runner-test-bash-as-sh:1"


@dataclass(frozen=True, kw_only=True)
class Where:
    """An image, by what its ``sh`` is, and a user."""

    shell: str
    image: str
    user: str


PLACES = [
    Where(shell=shell, image=image, user=user)
    for shell, image in (("ash", BUSYBOX), ("dash", DEBIAN), ("bash", BASH))
    for user in (ROOT, USER)
]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("cases")
    folder.chmod(0o755)
    lay_out(CASES, folder)
    swap = ["ln", "-sf", "bash", "/bin/sh"]
    with (
        closing(APIClient()) as api,
        image_of(api, DEBIAN, swap, BASH),
        stand_with(source=Source(path=folder)) as stand,
    ):
        yield stand


@pytest.fixture(scope="module")
def begun(stand: Stand) -> Mapping[Where, Step]:
    run_all = 'exec sh driver "$PWD/cases"'
    return {where: stand.begin(run_all, image=where.image, user=where.user) for where in PLACES}


@pytest.fixture(scope="module", params=PLACES, ids=lambda where: f"{where.shell}-{where.user.partition(':')[0]}")
def found(request: pytest.FixtureRequest, begun: Mapping[Where, Step]) -> Mapping[str, list[Outcome]]:
    ended = begun[request.param].end()
    assert (ended.code, ended.err) == (0, b"")
    return outcomes(ended.out)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_commands_do_what_the_case_says(case: Case, found: Mapping[str, list[Outcome]]) -> None:
    outcomes = found[case.id]
    assert len(outcomes) == len(case.steps)
    for step, outcome in zip(case.steps, outcomes, strict=True):
        step.expect.judge(outcome)


def test_every_case_takes_part_once() -> None:
    assert len(GIVEN) == 112
    assert [name for name, count in Counter(case.id for case in CASES).items() if count > 1] == []
