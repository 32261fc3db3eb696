import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.databases.plugin import DatabaseError
from strongroom.databases.statements import MYSQL, POSTGRESQL, Dialect, Prepared, expand, fill, scan, split

DIALECTS = pytest.mark.parametrize("dialect", [POSTGRESQL, MYSQL], ids=["postgresql", "mysql"])


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("A; B", ["A", "B"]),
        (" A ;; ;B;", ["A", "B"]),
        ("", []),
        (";", []),
        ("SELECT ';'; B", ["SELECT ';'", "B"]),
        ("SELECT 'it''s;'; B", ["SELECT 'it''s;'", "B"]),
        ('SELECT ";"";"; B', ['SELECT ";"";"', "B"]),
        ("SELECT E'\\';'; B", ["SELECT E'\\';'", "B"]),
        ("SELECT '\\'; B", ["SELECT '\\'", "B"]),
        ("DO $$ x; y $$; B", ["DO $$ x; y $$", "B"]),
        ("DO $a$ x; $$ ; $$ y $a$; B", ["DO $a$ x; $$ ; $$ y $a$", "B"]),
        ("SELECT a$b$c; B", ["SELECT a$b$c", "B"]),
        ("SELECT $1; B", ["SELECT $1", "B"]),
        ("A -- x; y\n; B", ["A -- x; y", "B"]),
        ("A /* x; /* y; */ z; */; B", ["A /* x; /* y; */ z; */", "B"]),
        ("-- only this", []),
        ("CASE x END; B", ["CASE x END; B"]),
        ("SELECT 'END'; B", ["SELECT 'END'", "B"]),
        ("SELECT sender; BEND", ["SELECT sender", "BEND"]),
        ("SELECT 'open; B", ["SELECT 'open; B"]),
    ],
)
def test_postgresql_statements_are_taken_apart_outside_of_quotes(text: str, statements: list[str]) -> None:
    assert split(text, POSTGRESQL) == statements


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("SELECT '\\';'; B", ["SELECT '\\';'", "B"]),
        ("SELECT `;`; B", ["SELECT `;`", "B"]),
        ("A # x; y\n; B", ["A # x; y", "B"]),
        ("A /* x /* ; */; B", ["A /* x /* ; */", "B"]),
        ("SELECT $$; B", ["SELECT $$", "B"]),
    ],
)
def test_mysql_statements_are_taken_apart_outside_of_quotes(text: str, statements: list[str]) -> None:
    assert split(text, MYSQL) == statements


@DIALECTS
@given(text=st.text(alphabet=st.sampled_from("a;'\"`$-/*#\\\nE END"), max_size=60))
def test_pieces_make_up_the_text_again(dialect: Dialect, text: str) -> None:
    assert "".join(piece.text for piece in scan(text, dialect)) == text
    split(text, dialect)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(["A", "B; C"]),
        base64.b64encode(b"A; B; C").decode(),
        base64.b64encode(json.dumps(["A", "B", "C"]).encode()).decode(),
    ],
)
def test_texts_may_be_json_lists_and_base64(text: str) -> None:
    assert expand([text], POSTGRESQL) == ["A", "B", "C"]


@given(st.text(max_size=40))
def test_any_text_can_be_expanded(text: str) -> None:
    expand([text], POSTGRESQL)


@pytest.mark.parametrize(
    ("statement", "value", "filled"),
    [
        ('CREATE ROLE "{{name}}"', "v-a-b", 'CREATE ROLE "v-a-b"'),
        ('CREATE ROLE "{{name}}"', 'x"; DROP', 'CREATE ROLE "x""; DROP"'),
        ("PASSWORD '{{name}}'", "a'b\\c", "PASSWORD 'a''b\\c'"),
        ("PASSWORD E'{{name}}'", "a'b\\c", "PASSWORD E'a''b\\\\c'"),
        ("SELECT '{{username}}' || '{{other}}' || '{{ name }}'", "x", "SELECT 'x' || '{{other}}' || '{{ name }}'"),
        ("DO $$ x '{{name}}' $$", "v-a", "DO $$ x 'v-a' $$"),
        ("SELECT {{name}}", "v_a-b.c", "SELECT v_a-b.c"),
    ],
)
def test_values_are_written_as_their_place_demands(statement: str, value: str, filled: str) -> None:
    assert fill(statement, {"name": value, "username": value}, POSTGRESQL) == filled


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("CREATE ROLE {{name}}", "x; DROP"),
        ("CREATE ROLE {{name}}", "x--y"),
        ("DO $$ x '{{name}}' $$", "it's"),
        ("DO $a$ x {{name}} $a$", "x $a$ y"),
        ("SELECT 1 /* {{name}} */", "*/ x"),
        ("SELECT '{{name}}'", "a\nb"),
        ("SELECT '{{name}}'", "a\0b"),
    ],
)
def test_values_that_could_become_sql_are_refused_and_not_repeated(statement: str, value: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        fill(statement, {"name": value}, POSTGRESQL)
    assert value not in str(caught.value)


@DIALECTS
@given(value=st.text(max_size=20))
def test_no_value_gets_out_of_its_quotes(dialect: Dialect, value: str) -> None:
    for quote in dialect.quotes:
        try:
            filled = fill(f"A {quote}{{{{name}}}}{quote} B", {"name": value}, dialect)
        except DatabaseError:
            continue
        assert [piece.text for piece in scan(filled, dialect)][::2] == ["A ", " B"]


def test_the_time_is_written_as_it_is() -> None:
    time = "2026-01-31 12:00:00+0000"
    assert fill("VALID UNTIL '{{expiration}}'", {"expiration": time}, POSTGRESQL) == f"VALID UNTIL '{time}'"


@pytest.mark.parametrize(
    ("texts", "joinable"),
    [
        (["A; B"], True),
        (["A -- x", "B"], True),
        (["SELECT 'open", "B'"], False),
        (["A /* open", "B"], False),
        (["DO $$ x", "B"], False),
        (["CASE x END; B", "C"], False),
        ([], True),
        (["SELECT 1", "copy t TO STDOUT"], False),
        (["/* */ COPY t FROM STDIN"], False),
        (["SELECT copying FROM t", "SELECT 1"], True),
    ],
)
def test_only_statements_that_come_apart_again_are_sent_together(texts: list[str], joinable: bool) -> None:
    assert Prepared(texts, POSTGRESQL).joinable is joinable


@DIALECTS
@given(st.lists(st.text("ab{}'\"$;- {{name}}")), st.text("a'\"\\"))
def test_prepared_statements_are_filled_like_others(dialect: Dialect, texts: list[str], name: str) -> None:
    values = {"name": name}
    texts = [text + "'{{name}}'" for text in texts]
    try:
        expected = [fill(text, values, dialect) for text in expand(texts, dialect)]
    except DatabaseError:
        with pytest.raises(DatabaseError):
            Prepared(texts, dialect).fill(values)
    else:
        assert Prepared(texts, dialect).fill(values) == expected
