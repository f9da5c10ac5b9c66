"""The size gate: what it counts and what it refuses."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.support.scripts import load

TIDY = '''
def double(value: int) -> int:
    """Return twice the value.

    And some more lines
    that do not count.
    """
    return 2 * value
'''


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load("measure")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_tidy.py").write_text("\n" * 2000)
    return tmp_path


def gate(script: ModuleType, tree: Path, text: str) -> int:
    (tree / "source" / "code.py").write_text(text)
    code = script.main(["--gate", str(tree / "source"), str(tree / "tests")])
    assert isinstance(code, int)
    return code


def test_a_tidy_tree_passes_and_docstring_lines_do_not_count(
    script: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(script, tree, TIDY) == 0

    printed = capsys.readouterr().out
    assert "files 1  lines 8" in printed
    assert "functions 1  median 2  p90 2 (budget 25)  max 2" in printed
    assert "over budget" not in printed


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TIDY + "\n" * 400, "408 lines > 400"),
        ("def f() -> None:\n" + "    print()\n" * 60, "f: 61 lines > 60"),
        ("def f() -> None:\n" + "    print()\n" * 26, "p90 of the functions: 27 lines > 25"),
        ("def f(value) -> None:\n    print(value)\n", "f: not fully annotated"),
        ("def f():\n    print()\n", "f: not fully annotated"),
        ("def f(*, value) -> None:\n    print(value)\n", "f: not fully annotated"),
        ("x = 1\n" * 201, "files <= 200 lines: 0 % < 75 %"),
        ("x = 1\n" * 200 + TIDY * 200, "test ratio: "),
    ],
)
def test_the_gate_names_what_is_over_its_budget(
    script: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    assert gate(script, tree, text) == 1
    assert complaint in capsys.readouterr().out


def test_without_the_gate_the_table_is_printed_and_the_exit_code_is_zero(
    script: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "source" / "code.py").write_text("x = 1\n" * 401)

    assert script.main([str(tree / "source"), str(tree / "tests")]) == 0
    assert "over budget" in capsys.readouterr().out


def test_methods_inner_functions_and_coroutines_are_counted(script: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(
        "class A:\n    async def method(self) -> None:\n        def inner(x: int) -> int:\n            return x\n"
    )

    found = {function.place.split()[-1]: function for function in script.functions_in(path)}

    assert set(found) == {"method", "inner"}
    assert found["method"].typed
    assert found["method"].lines == 3
    assert found["method"].needs_docstring


def test_compiled_leftovers_are_not_counted(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "old.py").write_text("x = 1\n")
    (tmp_path / "new.py").write_text("x = 1\n")

    assert list(script.sizes_of(tmp_path).values()) == [1]


@pytest.mark.parametrize(("values", "share", "expected"), [([], 0.5, 0), ([3, 1, 2], 0.5, 2), (range(1, 11), 0.9, 10)])
def test_quantile(script: ModuleType, values: list[int], share: float, expected: int) -> None:
    assert script.quantile(values, share) == expected
