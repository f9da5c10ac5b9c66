"""What is computed in advance, and the tree that is left of it."""

import pytest

from runner.plan.expressions.folding import fold
from runner.plan.expressions.parser import parse
from runner.plan.expressions.syntax import (
    Array,
    Binary,
    Call,
    Choice,
    Literal,
    Logical,
    Name,
    Node,
    Not,
    Ordering,
    Sign,
    children,
    levels,
)

_SHORT = {"None": "nil", "True": "true", "False": "false"}


def _written(node: Node) -> str:
    """The tree as text, with a bracket around everything that has operands."""
    match node:
        case Literal():
            return _SHORT.get(repr(node.value), repr(node.value))
        case Name():
            return node.name
    parts = " ".join(_written(child) for child in children(node))
    return f"({_label(node)} {parts})".replace(" )", ")")


def _label(node: Node) -> str:
    match node:
        case Logical():
            return "or" if node.any else "and"
        case Sign():
            return "-" if node.negative else "+"
        case Ordering():
            return " ".join(node.operators)
        case Binary():
            return node.operator
        case Call():
            return node.function
        case Not() | Array() | Choice():
            return type(node).__name__.lower()
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("A == 'a'", "(== A 'a')"),
        ("A and B or C", "(or (and A B) C)"),
        ("A or B and C", "(or A (and B C))"),
        ("A or B or C", "(or A B C)"),
        ("(A or B) or C", "(or A B C)"),
        ("A or (B or C)", "(or A (or B C))"),
        ("A && B and C", "(and A B C)"),
        ("not A and B", "(and (not A) B)"),
        ("not A in B", "(in (not A) B)"),
        ("A not in B", "(not (in A B))"),
        ("A not contains B == C", "(== (not (contains A B)) C)"),
        ("A == B == C", "(== (== A B) C)"),
        ("A < B <= C", "(< <= A B C)"),
        ("A < B == C", "(== (< A B) C)"),
        ("A == B < C", "(< (== A B) C)"),
        ("(A < B) < C", "(< (< A B) C)"),
        ("A ? B : C ? D : E", "(choice A B (choice C D E))"),
        ("A ?: B", "(choice A B)"),
        ("A or B ? C : D", "(choice (or A B) C D)"),
        ("A ?? B ?? C", "(?? (?? A B) C)"),
        ("A == B ?? C", "(== A (?? B C))"),
        ("not A ?? B", "(not (?? A B))"),
        ("-A ?? B", "(- (?? A B))"),
        ("-len(A) < +1", "(< (- (len A)) (+ 1))"),
        ("[A, [], nil,]", "(array A (array) nil)"),
        ("hasPrefix(A, true ? B : C)", "(hasPrefix A (choice true B C))"),
    ],
)
def test_operators_bind_as_in_expr_lang(text: str, tree: str) -> None:
    assert _written(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("A", "A"),
        ("not true", "false"),
        ("not not true", "true"),
        ("not A", "(not A)"),
        ("not 1", "(not 1)"),
        ("-1", "-1"),
        ("- -1.5", "1.5"),
        ("+1", "1"),
        ("-A", "(- A)"),
        ("-true", "(- true)"),
        ("-'a'", "(- 'a')"),
        ("1 == 1", "true"),
        ("1 == 2", "false"),
        ("'a' == 'a'", "true"),
        ("true == false", "false"),
        ("-1 == -1", "true"),
        ("1 == true", "(== 1 true)"),
        ("1 == 1.0", "(== 1 1.0)"),
        ("1.0 == 1.0", "(== 1.0 1.0)"),
        ("nil == nil", "(== nil nil)"),
        ("1 != 1", "(!= 1 1)"),
        ("1 < 2", "(< 1 2)"),
        ("A == 'a'", "(== A 'a')"),
        ("A or true", "true"),
        ("true or A", "true"),
        ("A or B or true or C", "true"),
        ("A or false", "A"),
        ("false or A or false", "A"),
        ("A or false or B", "(or A B)"),
        ("false or false", "false"),
        ("A and false", "false"),
        ("A and true", "A"),
        ("true and A and true and B", "(and A B)"),
        ("true and true", "true"),
        ("A and B", "(and A B)"),
        ("A or (B and false)", "A"),
        ("A or (B or true)", "true"),
        ("A and not (1 == 1)", "false"),
        ("A and 1 == 1", "A"),
        ("A and nil", "(and A nil)"),
        ("A or 1", "(or A 1)"),
        ("(A or true) == (B and false)", "false"),
        ("[A or true, -1]", "(array true -1)"),
        ("-1 < -A < 1", "(< < -1 (- A) 1)"),
        ("A or true ? B and true : C or false", "(choice true B C)"),
        ("A or true ?: C or false", "(choice true C)"),
        ("len([1 == 1]) == 1", "(== (len (array true)) 1)"),
        ("A in ['a' == 'a']", "(in A (array true))"),
    ],
)
def test_only_what_expr_lang_computes_is_computed(text: str, tree: str) -> None:
    assert _written(fold(parse(text))) == tree


def test_folding_leaves_the_tree_as_written_alone() -> None:
    written = parse("A or not false")

    fold(written)

    assert _written(written) == "(or A (not false))"


def test_a_computed_part_keeps_the_column_of_its_operator() -> None:
    folded = fold(parse("A == (1 == 1)"))

    assert [node.column for node in children(folded)] == [1, 9]


def test_the_levels_of_a_tree_go_from_the_root_to_the_leaves() -> None:
    found = [[_written(node) for node in level] for level in levels(parse("A or not (B == 'b')"))]

    assert found == [["(or A (not (== B 'b')))"], ["A", "(not (== B 'b'))"], ["(== B 'b')"], ["B", "'b'"]]
