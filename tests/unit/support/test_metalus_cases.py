"""Whether cases of executions are read as they are written."""

from pathlib import Path

import pytest

from tests.support.metalus_cases import Case, read
from tests.support.metalus_expect import Expect

CASES = """\
format: 1
cases:
  - id: one
    kind: mapping
    application:
      globals: {version: 1.20, quoted: '1.20', text: '!x'}
      # a comment
      executions:
        - id: A
          commands:
            - |
              two
                lines
    expect:
      run: success
      log_lines:
        A/p/s: [ran]

  - id: two
    kind: validation
    application: |
      executions:
        - id: A
          globals: !x
    expect: {run: refused}

  - {id: flow, kind: graph, application: {executions: [{id: B}]}, expect: {run: failed}}
"""


@pytest.fixture
def cases(tmp_path: Path) -> dict[str, Case]:
    (tmp_path / "cases.yaml").write_text(CASES, encoding="utf-8")
    return {case.id: case for case in read(tmp_path / "cases.yaml")}


def test_an_application_is_what_stands_in_the_file(cases: dict[str, Case]) -> None:
    assert cases["one"].application.splitlines() == [
        "globals: {version: 1.20, quoted: '1.20', text: '!x'}",
        "# a comment",
        "executions:",
        "  - id: A",
        "    commands:",
        "      - |",
        "        two",
        "          lines",
    ]
    assert cases["flow"].application == "{executions: [{id: B}]}\n"


def test_an_application_that_is_a_text_is_that_text(cases: dict[str, Case]) -> None:
    assert cases["two"].application == "executions:\n  - id: A\n    globals: !x\n"
    assert cases["two"].executions.keys() == {"A"}


def test_a_case_says_what_must_come_of_it(cases: dict[str, Case]) -> None:
    assert cases["one"].kind == "mapping"
    assert cases["one"].expect.log_lines == {"A/p/s": ["ran"]}
    assert [case.is_refused for case in cases.values()] == [False, True, False]


def test_what_stands_between_forks_and_joins_is_inside() -> None:
    application = """\
executions:
  - {id: ROOT}
  - {id: IN, parents: [EACH]}
  - {id: EACH, parents: [ROOT], executionType: fork}
  - {id: INNER, parents: [IN], executionType: fork}
  - {id: DEEP, parents: [INNER]}
  - {id: CLOSE, parents: [DEEP], executionType: join}
  - {id: ALL, parents: [CLOSE], executionType: join}
  - {id: AFTER, parents: [ALL]}
"""
    case = Case(id="x", kind="fork", application=application, expect=Expect(run="success"))

    assert case.inside["EACH"] == {"EACH", "IN", "INNER", "DEEP", "CLOSE"}
    assert case.inside["INNER"] == {"INNER", "DEEP"}
    assert case.inside["ROOT"] == frozenset()
