import pytest

from runner.dialects.findings import MAX_ERRORS, MAX_WARNINGS, Findings, nearest, quoted
from runner.errors import InvalidPipelineError, Place, Severity


def at(line: int) -> Place:
    return Place(file="pipeline.yml", line=line, column=3)


def test_warnings_alone_do_not_refuse_a_file() -> None:
    findings = Findings()
    findings.warning(at(1), "unknown key 'stepz'", "did you mean 'steps'?")
    findings.raise_if_errors()

    assert [str(item) for item in findings.items] == [
        "pipeline.yml:1:3: warning: unknown key 'stepz' (did you mean 'steps'?)"
    ]


def test_errors_are_raised_together_in_the_order_of_the_file() -> None:
    findings = Findings()
    findings.error(at(9), "no image", "add 'image:'")
    findings.warning(at(4), "odd")
    findings.error(at(2), "no name")

    with pytest.raises(InvalidPipelineError) as caught:
        findings.raise_if_errors()

    assert caught.value.message.splitlines() == [
        "pipeline.yml:2:3: no name",
        "pipeline.yml:4:3: warning: odd",
        "pipeline.yml:9:3: no image (add 'image:')",
    ]


def test_findings_are_listed_as_they_were_made() -> None:
    findings = Findings()
    findings.error(at(9), "second in the file")
    findings.warning(at(2), "first in the file")

    assert [(item.place.line, item.severity) for item in findings.items] == [
        (9, Severity.ERROR),
        (2, Severity.WARNING),
    ]


def test_no_findings_raise_nothing() -> None:
    findings = Findings()
    findings.raise_if_errors()
    assert findings.items == ()


def test_a_failure_raises_at_once_with_what_was_found_before() -> None:
    findings = Findings()
    findings.error(at(1), "bad key")

    with pytest.raises(InvalidPipelineError) as caught:
        findings.fail(at(5), "not YAML", "close the quote")

    assert [finding.message for finding in caught.value.findings] == ["bad key", "not YAML"]


def test_what_is_wrong_at_one_place_is_told_once() -> None:
    findings = Findings()
    for _ in range(2 * MAX_ERRORS):
        findings.error(at(1), "no image", "add 'image:'")
        findings.warning(at(2), "odd")

    assert [item.message for item in findings.items] == ["no image", "odd"]


def test_the_same_words_at_another_place_or_as_a_warning_are_something_else() -> None:
    findings = Findings()
    findings.error(at(1), "odd")
    findings.warning(at(1), "odd")
    findings.error(at(2), "odd")

    assert len(findings.items) == 3


def test_a_failure_is_an_error_ever_after() -> None:
    findings = Findings()
    with pytest.raises(InvalidPipelineError):
        findings.fail(at(5), "not YAML")
    with pytest.raises(InvalidPipelineError):
        findings.raise_if_errors()


def test_endless_errors_end_with_a_note_that_says_so() -> None:
    findings = Findings()
    for line in range(1, MAX_ERRORS):
        findings.error(at(line), "wrong")

    with pytest.raises(InvalidPipelineError) as caught:
        findings.error(at(MAX_ERRORS), "wrong")

    errors = [finding for finding in caught.value.findings if finding.severity is Severity.ERROR]
    assert len(errors) == MAX_ERRORS
    assert "the rest of the file was not read" in caught.value.message


def test_endless_warnings_end_with_a_note_but_the_reading_goes_on() -> None:
    findings = Findings()
    for line in range(1, 2 * MAX_WARNINGS):
        findings.warning(at(line), "odd")
    findings.error(at(1), "wrong")

    assert len(findings.items) == MAX_WARNINGS + 2
    assert [finding.message for finding in findings.items[-2:]] == [f"{MAX_WARNINGS} warnings; there are more", "wrong"]


def test_a_warning_that_is_told_again_does_not_count() -> None:
    findings = Findings()
    for _ in range(2 * MAX_WARNINGS):
        findings.warning(at(1), "odd")

    assert len(findings.items) == 1


def test_names_are_compared_until_it_is_too_much_for_one_file() -> None:
    findings, known = Findings(), [f"name{n}" for n in range(9000)]

    assert [findings.nearest("name1x", known) is None for _ in range(3)] == [False, False, True]
    assert Findings().nearest("name1x", known) is not None


def test_too_much_work_ends_the_reading_where_it_is() -> None:
    findings = Findings()
    findings.work(at(1), 4_000_000)

    with pytest.raises(InvalidPipelineError, match=r"^pipeline\.yml:2:3: the patterns up to here are too much work"):
        findings.work(at(2), 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("comands", "commands"), ("Commands", "commands"), ("IMAGE", "image"), ("rulset", "ruleset"), ("zzz", None)],
)
def test_the_nearest_known_name_is_found_whatever_the_case(name: str, expected: str | None) -> None:
    assert nearest(name, ["image", "commands", "ruleset"]) == expected


def test_the_nearest_name_keeps_its_own_case() -> None:
    assert nearest("execution_mode", ["executionMode", "steps"]) == "executionMode"


def test_nothing_is_near_when_nothing_is_known() -> None:
    assert nearest("a", []) is None


@pytest.mark.timeout(1)
def test_an_endless_name_costs_nothing_to_compare() -> None:
    assert nearest("a" * 1_000_000, ["a" * 1_000_000]) is None


def test_a_users_text_is_shown_on_one_line_without_control_characters() -> None:
    assert quoted("a\nb\x1b[2J") == r"'a\nb\x1b[2J'"


def test_an_endless_text_is_shown_by_its_beginning() -> None:
    shown = quoted("x" * 10_000)
    assert len(shown) == 62
    assert shown.endswith("xxx...'")
