"""Tokens → tree, by recursive descent; error messages are HCL1's."""

from __future__ import annotations

from strongroom.errors import HCLError
from strongroom.hcl import json
from strongroom.hcl.scan import MAX_DEPTH, Scanner, Token
from strongroom.hcl.tree import Body, Item, List, Literal, Value

SCALARS = ("STRING", "HEREDOC", "NUMBER", "FLOAT", "BOOL")


def parse(text: str, file: str = "") -> Body:
    """The tree of an HCL1 or JSON text; `file` only names it in errors. Raises `HCLError`."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return json.parse(text, file)
    return _Parser(text, file).body()


class _Parser:
    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._scanner = Scanner(text, file)
        self._tokens = [token for token in self._scanner.tokens() if token.kind != "COMMENT"]
        self._next = 0
        self._depth = 0

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        if token.kind != "EOF":
            self._next += 1
        return token

    def _error(self, message: str, token: Token, fix: str = "") -> HCLError:
        return self._scanner.error(message, token, fix)

    def body(self) -> Body:
        items = []
        while self._peek().kind != "EOF":
            items.append(self._item())
        return Body(tuple(items), self._file)

    def _item(self) -> Item:
        """`keys = value` or `keys { ... }`, and an optional comma."""
        first, keys = self._peek(), self._keys()
        start = self._take()
        if start.kind == "ASSIGN":
            if len(keys) > 1:
                raise self._error(
                    "nested object expected: LBRACE got: ASSIGN", start, "A key with labels is followed by { }"
                )
            value = self._value(self._take())
        elif start.kind == "LBRACE":
            value = self._object(start)
        else:
            name = " ".join(keys)[:200]
            raise self._error(f"key '{name}' expected start of object ('{{') or assignment ('=')", start)
        if self._peek().kind == "COMMA":
            self._take()
        return Item(keys, value, start.kind == "ASSIGN", first.line, first.column)

    def _keys(self) -> tuple[str, ...]:
        keys = []
        while (token := self._peek()).kind in ("IDENT", "STRING"):
            keys.append(str(self._take().value))
        if token.kind not in ("ASSIGN", "LBRACE", "EOF"):
            raise self._error(f"expected: IDENT | STRING | ASSIGN | LBRACE got: {token.kind}", token)
        if not keys:
            raise self._error(f"expected: IDENT | STRING got: {token.kind}", token)
        return tuple(keys)

    def _value(self, token: Token) -> Value:
        if token.kind in SCALARS:
            return Literal(token.value, token.line, token.column)
        if token.kind == "LBRACE":
            return self._object(token)
        if token.kind == "LBRACK":
            return self._list(token)
        if token.kind == "IDENT":
            raise self._error(f"Unknown token: IDENT {token.text}", token, f'Quote it: "{token.text}"')
        raise self._error(f"expected a value, got: {token.kind}", token)

    def _object(self, start: Token) -> Body:
        self._deeper(start)
        items = []
        while (token := self._peek()).kind not in ("RBRACE", "EOF"):
            items.append(self._item())
        if token.kind == "EOF":
            raise self._error("object expected closing RBRACE got: EOF", token, f"It was opened on line {start.line}")
        self._take()
        self._depth -= 1
        return Body(tuple(items), self._file, start.line, start.column)

    def _list(self, start: Token) -> List:
        self._deeper(start)
        items: list[Value] = []
        comma_due = False
        while (token := self._take()).kind != "RBRACK":
            if token.kind == "COMMA":
                comma_due = False
            elif comma_due or token.kind not in (*SCALARS, "LBRACE", "LBRACK"):
                what = "expected comma or list end" if comma_due else "unexpected token while parsing list"
                raise self._error(f"error parsing list, {what}, got: {token.kind}", token)
            else:
                items.append(self._value(token))
                comma_due = True
        self._depth -= 1
        return List(tuple(items), start.line, start.column)

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH}", token)
