"""Read the tokens of an expression into a tree: the supported part of expr-lang's ``parser`` (v1.17.8)."""

from typing import NoReturn

from runner.plan.expressions.lexer import Kind, Token, tokens
from runner.plan.expressions.syntax import (
    Array,
    Binary,
    Call,
    Choice,
    FaultError,
    Literal,
    Logical,
    Name,
    Node,
    Not,
    Ordering,
    Sign,
    levels,
)

FUNCTIONS = ("hasPrefix", "hasSuffix", "len")

_DEEPEST = 100
_NEGATABLE = frozenset(["contains", "endsWith", "in", "matches", "startsWith"])
_COMPARISONS = frozenset(["==", "!="]) | _NEGATABLE
_ORDERINGS = frozenset(["<", "<=", ">", ">="])
_COALESCE = "??"
_PRECEDENCE = {
    "or": 10,
    "||": 10,
    "and": 15,
    "&&": 15,
    **dict.fromkeys(_COMPARISONS | _ORDERINGS, 20),
    _COALESCE: 500,
}
_UNARY_PRECEDENCE = {"not": 50, "!": 50, "-": 90, "+": 90}
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_UNSUPPORTED = {
    **dict.fromkeys(["+", "-", "*", "/", "%", "**", "^"], "arithmetic"),
    "..": "a range",
    "|": "a pipe",
    **dict.fromkeys([".", "?.", "["], "access to members"),
    "{": "a map",
    ";": "a sequence",
    "let": "a declaration",
    "if": "an if",
    "::": "::",
}


def parse(text: str) -> Node:
    """The tree of an expression. Raises FaultError for what is malformed, not supported, or nested too deeply."""
    parser = _Parser(tokens(text))
    root = parser.expression()
    parser.end()
    for depth, level in enumerate(levels(root)):
        if depth > _DEEPEST:
            _refuse_depth(level[0].column)
    return root


def _refuse_depth(column: int) -> NoReturn:
    raise FaultError(column, f"is nested deeper than {_DEEPEST} levels", "write it flatter")


class _Parser:
    """Precedence climbing over a list of tokens."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _next_is(self, *symbols: str) -> bool:
        return self._token.kind is Kind.SYMBOL and self._token.text in symbols

    def _take(self, symbol: str) -> bool:
        taken = self._next_is(symbol)
        self._at += taken
        return taken

    def _expect(self, symbol: str) -> None:
        if not self._take(symbol):
            self._refuse(f"{symbol} is expected")

    def _refuse(self, hint: str) -> NoReturn:
        token = self._token
        if token.kind is Kind.SYMBOL and token.text in _UNSUPPORTED:
            what = _UNSUPPORTED[token.text]
            hint = "the operators are == != < <= > >= in contains startsWith endsWith matches and or not ?: ??"
            raise FaultError(token.column, f"has {what}, which is not supported here", hint)
        where = "ends too early" if token.kind is Kind.END else f"has an unexpected {token.text}"
        raise FaultError(token.column, where, hint)

    def end(self) -> None:
        """Refuse whatever stands after the expression."""
        if self._token.kind is not Kind.END:
            self._refuse("an operator is expected, or the end")

    def expression(self, precedence: int = 0) -> Node:
        """Read operands and their operators of at least the precedence."""
        self._depth += 1
        if self._depth > _DEEPEST:
            _refuse_depth(self._token.column)
        node = self._binaries(precedence)
        if precedence == 0:
            node = self._choice(node)
        self._depth -= 1
        return node

    def _binaries(self, precedence: int) -> Node:
        left = self._primary()
        previous = ""
        while _PRECEDENCE.get(self._operator(), -1) >= precedence:
            negation = self._token if self._take("not") else None
            operator = self._token
            self._at += 1
            if previous == _COALESCE and operator.text != _COALESCE:
                raise FaultError(operator.column, f"mixes {operator.text} with ??", "put one of them in parentheses")
            previous = operator.text
            left = self._binary(left, operator)
            if negation:
                left = Not(column=negation.column, operand=left)
        return left

    def _operator(self) -> str:
        """The text of the operator that comes next, without the ``not`` before it, or nothing."""
        if not self._next_is("not"):
            return self._token.text if self._token.kind is Kind.SYMBOL else ""
        negated = self._tokens[self._at + 1]
        if negated.kind is not Kind.SYMBOL or negated.text not in _NEGATABLE:
            self._refuse("after a value, not is followed by in, contains, startsWith, endsWith or matches")
        return negated.text

    def _binary(self, left: Node, operator: Token) -> Node:
        tighter = _PRECEDENCE[operator.text] + 1
        if operator.text in _ORDERINGS:
            return self._ordering(left, operator, tighter)
        right = self.expression(tighter)
        if operator.text in _COMPARISONS or operator.text == _COALESCE:
            return Binary(column=operator.column, operator=operator.text, left=left, right=right)
        any_holds = operator.text in ("or", "||")
        # One node for a whole chain, so that its length adds no depth.
        operands = left.operands if isinstance(left, Logical) and left.any is any_holds else (left,)
        return Logical(column=operator.column, any=any_holds, operands=(*operands, right))

    def _ordering(self, left: Node, operator: Token, tighter: int) -> Node:
        operators, operands = [operator.text], [left, self.expression(tighter)]
        while self._next_is(*_ORDERINGS):
            operators.append(self._token.text)
            self._at += 1
            operands.append(self.expression(tighter))
        return Ordering(column=operator.column, operators=tuple(operators), operands=tuple(operands))

    def _choice(self, condition: Node) -> Node:
        column = self._token.column
        if not self._take("?"):
            return condition
        then = None
        if not self._take(":"):
            then = self.expression()
            self._expect(":")
        return Choice(column=column, condition=condition, then=then, otherwise=self.expression())

    def _primary(self) -> Node:
        token = self._token
        if token.kind is Kind.SYMBOL and token.text in _UNARY_PRECEDENCE:
            self._at += 1
            operand = self.expression(_UNARY_PRECEDENCE[token.text])
            if token.text in ("not", "!"):
                return Not(column=token.column, operand=operand)
            return Sign(column=token.column, negative=token.text == "-", operand=operand)
        if self._take("("):
            inner = self.expression()
            self._expect(")")
            return inner
        if self._take("["):
            return Array(column=token.column, operands=self._list("]"))
        return self._atom()

    def _atom(self) -> Node:
        token = self._token
        if token.kind in (Kind.SYMBOL, Kind.END):
            self._refuse("a value is expected")
        self._at += 1
        if token.kind is not Kind.NAME:
            return Literal(column=token.column, value=token.value)
        if token.text in _CONSTANTS:
            return Literal(column=token.column, value=_CONSTANTS[token.text])
        if self._take("("):
            return self._call(token)
        _refuse_hidden(token)
        return Name(column=token.column, name=token.text)

    def _call(self, name: Token) -> Node:
        if name.text not in FUNCTIONS:
            reason = f"calls {name.text}, which is not supported here"
            raise FaultError(name.column, reason, f"the functions are {', '.join(FUNCTIONS)}")
        return Call(column=name.column, function=name.text, operands=self._list(")"))

    def _list(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._take(closing):
            if items:
                self._expect(",")
                if self._take(closing):
                    break
            items.append(self.expression())
        return tuple(items)


def _refuse_hidden(name: Token) -> None:
    if name.text == "$env":
        raise FaultError(name.column, "has $env, which is not supported here", "write the name of the variable alone")
    if name.text == "Value":
        # Vela keeps the environment in a type with a method of this name, which expr-lang finds first.
        raise FaultError(name.column, "has the variable Value, which Vela cannot read", "give it another name")
