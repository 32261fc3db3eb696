"""HCL1 and JSON: what is read, with which positions, and what is refused."""

from __future__ import annotations

import pytest

from strongroom import hcl
from strongroom.errors import HCLError
from strongroom.hcl import Body, Item, List, Literal


def value(text: str) -> object:
    return hcl.plain(hcl.parse(f"v = {text}\n").items[0].value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("-17", -17),
        ("0x1F", 31),
        ("-0x10", -16),
        ("0755", 493),
        ("9223372036854775807", 2**63 - 1),
        ("1.5", 1.5),
        ("-2.", -2.0),
        ("1e3", 1000.0),
        ("1.5E-2", 0.015),
        ("true", True),
        ("false", False),
        ('""', ""),
        ('"a b"', "a b"),
        (r'"\a\b\f\n\r\t\v\\\""', '\a\b\f\n\r\t\v\\"'),
        (r'"\u00e9 \U0001F600 \x41 \101"', "é \N{GRINNING FACE} A A"),
        ('"cost $5, $$"', "cost $5, $$"),
        ('"${var.a["x"]} \\t"', '${var.a["x"]} \t'),
        ('"${a {b} \\n}"', "${a {b} \\n}"),
        ('"${a\nb}"', "${a\nb}"),
        ("[]", []),
        ("[1, 2,]", [1, 2]),
        ('["a", true, 1.5, [1], {b = 2}]', ["a", True, 1.5, [1], {"b": 2}]),
        ("[ # why\n 1, // one\n /* two */ 2 ]", [1, 2]),
        ("{}", {}),
        ('{ a = 1, b = 2 "c d" = 3 }', {"a": 1, "b": 2, "c d": 3}),
        ('{ a { b "c" { d = 1 } } }', {"a": {"b": {"c": {"d": 1}}}}),
        ("<<EOF\none\n  two\nEOF", "one\n  two\n"),
        ("<<EOF\nEOFX\n EOF", "EOFX\n"),
        ("<<-EOF\n    one\n      two\n    EOF", "one\n  two\n"),
        ("<<-EOF\n  one\n      two\n    EOF", "  one\n      two\n"),
        ("<<EOF\r\none\r\nEOF\r\n", "one\r\n"),
        ('["a", <<EOF\ntext\nEOF\n, "b"]', ["a", "text\n", "b"]),
    ],
)
def test_values(text: str, expected: object) -> None:
    got = value(text)
    assert (got, type(got)) == (expected, type(expected))


@pytest.mark.parametrize(
    "text",
    [
        "a=1 b=2",
        "a = 1\nb = 2",
        "a=1,b=2,",
        "# c\na = 1 // d\n/* e\n */ b = 2 # f",
        "\ufeffa=1\r\nb=2\r\n",
        '"a"=1 "b"=2',
    ],
)
def test_blanks_commas_and_comments_do_not_matter(text: str) -> None:
    assert hcl.plain(hcl.parse(text)) == {"a": 1, "b": 2}


@pytest.mark.parametrize("text", ["", " \n\t", "# only a comment", "/* a */ // b", "{}", " { } "])
def test_empty_texts_are_empty(text: str) -> None:
    assert hcl.parse(text).items == ()


def test_names_may_hold_letters_digits_dashes_and_dots() -> None:
    body = hcl.parse('a-b.c_9 = 1\nüber "x y" z {}')
    assert [item.keys for item in body.items] == [("a-b.c_9",), ("über", "x y", "z")]


def test_repeated_blocks_stay_in_order() -> None:
    body = hcl.parse('path "a" { x = 1 }\nother {}\npath "a" { x = 2 }\npath "a" { x = 1 }')
    assert [(item.keys, hcl.plain(item.value)) for item in body.all("path")] == [
        (("path", "a"), {"x": 1}),
        (("path", "a"), {"x": 2}),
        (("path", "a"), {"x": 1}),
    ]


def test_positions() -> None:
    body = hcl.parse('a = 1\n\n  "b" "é" {\n    c = [1,\n   "x"]\n}', file="f.hcl")
    b = body.items[1]
    assert (b.line, b.column, b.assigned) == (3, 3, False)
    assert isinstance(b.value, Body)
    assert (b.value.line, b.value.column, b.value.file) == (3, 11, "f.hcl")
    c = b.value.items[0]
    assert isinstance(c.value, List)
    assert (c.line, c.column, c.value.line, c.value.column) == (4, 5, 4, 9)
    assert [(v.line, v.column) for v in c.value.items] == [(4, 10), (5, 4)]


def test_positions_in_json() -> None:
    body = hcl.parse('{\n  "a": {"b":\n   [1, "x"]}}', file="f.json")
    a = body.items[0]
    assert isinstance(a.value, Body)
    b = a.value.items[0]
    assert isinstance(b.value, List)
    assert (a.line, a.column, b.line, b.column, b.value.line, b.value.column) == (2, 3, 2, 9, 3, 4)
    assert [(v.line, v.column) for v in b.value.items] == [(3, 5), (3, 8)]


def test_json_keeps_order_and_duplicates() -> None:
    body = hcl.parse('{"b": 1, "a": null, "b": {"x": [true, -1.5e1, "\\u00e9\\ud83d\\ude00\\n\\/"]}}')
    assert body == Body(
        (
            Item(("b",), Literal(1)),
            Item(("a",), Literal(None)),
            Item(
                ("b",), Body((Item(("x",), List((Literal(True), Literal(-15.0), Literal("é\N{GRINNING FACE}\n/")))),))
            ),
        )
    )


BLOCKS = [
    'path "a" { x = 1 } path "b" { x = 2 } path "a" { x = 3 }',
    'path = { "a" = { x = 1 } }\npath = { "b" = { x = 2 }, "a" = { x = 3 } }',
    'path { "a" { x = 1 } b { x = 2 } "a" = { x = 3 } }',
    '{"path": {"a": {"x": 1}, "b": {"x": 2}, "a": {"x": 3}}}',
    '{"path": [{"a": {"x": 1}}, {"b": {"x": 2}, "a": [{"x": 3}]}]}',
    '{"path": {"a": {"x": 1}}, "path": {"b": {"x": 2}}, "path": {"a": {"x": 3}}}',
]


@pytest.mark.parametrize("text", BLOCKS)
def test_blocks_however_they_are_written(text: str) -> None:
    blocks = hcl.parse(text).blocks("path")
    assert [(block.labels, hcl.plain(block.body)) for block in blocks] == [
        (("a",), {"x": 1}),
        (("b",), {"x": 2}),
        (("a",), {"x": 3}),
    ]


def test_blocks_without_label_and_with_too_many() -> None:
    body = hcl.parse('t { a = 1 }\nt { a = 2 }\nu "a" "b" { c = 1 }')
    assert [hcl.plain(block.body) for block in body.blocks("t", labels=0)] == [{"a": 1}, {"a": 2}]
    assert [(block.labels, hcl.plain(block.body)) for block in body.blocks("u")] == [(("a",), {"b": {"c": 1}})]


@pytest.mark.parametrize(
    "text", ["path = 1", 'path = ["a"]', 'path { caps = ["read"] }', '{"path": {"a": true}}', '{"path": null}']
)
def test_what_is_no_block_is_refused(text: str) -> None:
    with pytest.raises(HCLError, match="must be a block"):
        hcl.parse(text).blocks("path")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('path "a" { capabilities = ["read"', (1, 34), "error parsing list, expected comma or list end, got: EOF"),
        ('path "a" { capabilities = ["read" }', (1, 35), "error parsing list, expected comma or list end, got: RBRACE"),
        ('path "a" {', (1, 11), "object expected closing RBRACE got: EOF"),
        ("just words", (1, 11), "key 'just words' expected start of object ('{') or assignment ('=')"),
        ("5", (1, 1), "expected: IDENT | STRING | ASSIGN | LBRACE got: NUMBER"),
        ("a = 1\n}", (2, 1), "expected: IDENT | STRING | ASSIGN | LBRACE got: RBRACE"),
        ("= 1", (1, 1), "expected: IDENT | STRING got: ASSIGN"),
        ('a "b" = 1', (1, 7), "nested object expected: LBRACE got: ASSIGN"),
        ("a = b", (1, 5), "Unknown token: IDENT b"),
        ("a =", (1, 4), "expected a value, got: EOF"),
        ("a = [1 2]", (1, 8), "error parsing list, expected comma or list end, got: NUMBER"),
        ("a = [b]", (1, 6), "error parsing list, unexpected token while parsing list, got: IDENT"),
        ("\n a = ?", (2, 6), "illegal char"),
        ('a = "x\n"', (1, 5), "literal not terminated"),
        ('a = "${x"', (1, 5), "literal not terminated"),
        (r'a = "\q"', (1, 6), "illegal char escape"),
        (r'a = "\ud800"', (1, 6), "illegal char escape"),
        (r'a = "\xff"', (1, 6), "illegal char escape"),
        (r'a = "\U00110000"', (1, 6), "illegal char escape"),
        ('a = "\0"', (1, 6), "unexpected null character (0x00)"),
        ("a = 1 /* b", (1, 7), "comment not terminated"),
        ("a = <<EOF\nEOF x", (1, 5), "heredoc not terminated"),
        ("a = <<", (1, 5), "invalid heredoc"),
        ("a = 90s", (1, 5), "invalid number '90s'"),
        ("a = 089", (1, 5), "invalid number '089'"),
        ("a = 1.2.3", (1, 5), "invalid number '1.2.3'"),
        ("a = 9223372036854775808", (1, 5), "number out of range: 9223372036854775808"),
        ("a = " + "9" * 9999, (1, 5), "number out of range: " + "9" * 40),
        ("a = 1e999", (1, 5), "number out of range: 1e999"),
        ("a = " + "[" * 99 + "]" * 99, (1, 69), "nested deeper than 64"),
        ("a { " * 99 + "}" * 99, (1, 259), "nested deeper than 64"),
        ("{", (1, 2), "expected a text in double quotes"),
        ('{"a": 1,}', (1, 9), "expected a text in double quotes"),
        ('{"a": [1,]}', (1, 10), "expected a value, got: ']'"),
        ('{"a" 1}', (1, 6), "expected ':', got: '1'"),
        ('{"a": 1 "b": 2}', (1, 9), "expected ',' or '}', got: '\"'"),
        ('{"a": 1}\n{}', (2, 1), "nothing may follow the closing brace"),
        ('{"a": nul}', (1, 7), "expected a value, got: 'n'"),
        ('{"a": 01}', (1, 7), "expected a value, got: '0'"),
        ('{"a": 1e999}', (1, 7), "number out of range: 1e999"),
        ('{"a": 9223372036854775808}', (1, 7), "number out of range: 9223372036854775808"),
        ('{"a": "\\ud800"}', (1, 7), "half of a surrogate pair"),
        ('{"a": "\n"}', (1, 7), "literal not terminated, or with an illegal character"),
        ('{"a": ' + "[" * 99 + "]" * 99 + "}", (1, 70), "nested deeper than 64"),
    ],
)
def test_errors_name_the_place(text: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(HCLError) as caught:
        hcl.parse(text, file="x.hcl")
    error = caught.value
    assert (error.message, (error.line, error.column), error.file) == (message, place, "x.hcl")


@pytest.mark.parametrize("text", ["#" * (17 << 20), "{" + " " * (17 << 20)])
def test_too_long_a_text_is_refused(text: str) -> None:
    with pytest.raises(HCLError, match="longer than 16 MiB"):
        hcl.parse(text)


FORMATS = {
    "a block is spread": ('path "a" { capabilities=["read"] }', 'path "a" {\n  capabilities = ["read"]\n}\n'),
    "adjacent assignments are aligned, others stand apart": (
        'a {\nx = 1 # one\nlong_name="two" // two\n\nz = 3\nb { }\n}',
        'a {\n  x         = 1     # one\n  long_name = "two" // two\n\n  z = 3\n\n  b {}\n}\n',
    ),
    "top-level items are separated": ("a=1\nb=2\nc{}\nd {}", "a = 1\n\nb = 2\n\nc {}\nd {}\n"),
    "lists keep their form": ("a = [1,2]\nb = [1,\n2]", "a = [1, 2]\n\nb = [\n  1,\n  2,\n]\n"),
    "comments stay where they belong": (
        "# file\n\n# a's\na {\n  # lead\n  x = 1\n\n  # alone\n\n  /* in */ y = 2\n  # last\n}\n# end",
        "# file\n\n# a's\na {\n  # lead\n  x = 1\n\n  # alone\n\n  /* in */\n  y = 2\n\n  # last\n}\n\n# end\n",
    ),
    "comments in odd places are kept": ("a /* b */ = /* c */ 1\n", "/* b */\n/* c */\na = 1\n"),
    "comments in lists": ("a = [\n# one\n1, # two\n2\n# three\n]", "a = [\n  # one\n  1, # two\n  2,\n  # three\n]\n"),
    "objects in lists": ("a = [{b=1}]", "a = [\n  {\n    b = 1\n  },\n]\n"),
    "heredocs keep their lines": ("a {\nb = <<E\n x\ny\nE\n}", "a {\n  b = <<E\n x\ny\nE\n}\n"),
    "JSON is left alone": ('{"a":1}', '{"a":1}'),
    "nothing stays nothing": (" \n", ""),
}


@pytest.mark.parametrize(("text", "expected"), FORMATS.values(), ids=FORMATS)
def test_format(text: str, expected: str) -> None:
    assert hcl.format(text) == expected


def test_format_refuses_what_does_not_parse() -> None:
    with pytest.raises(HCLError, match="object expected closing RBRACE got: EOF"):
        hcl.format('path "a" {')
