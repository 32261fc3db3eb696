"""`.env` and YAML: what is written is read back, and what cannot be read is refused by its line."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from strongroom.cli import dotenv, yaml, yaml_reader
from strongroom.client.jsontext import Number

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
NAMES = st.from_regex(dotenv.NAME, fullmatch=True)
#: What JSON can hold, numbers as the client has them.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(1 - 10**17, 10**17) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


class TestDotenv:
    @given(st.dictionaries(NAMES, TEXTS))
    def test_what_is_written_is_read_back(self, values: dict[str, str]) -> None:
        assert dotenv.loads(dotenv.dumps(values)) == values

    @given(st.text())
    def test_anything_is_read_or_refused(self, text: str) -> None:
        with contextlib.suppress(ValueError):  # and nothing else
            dotenv.loads(text)

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("A=1\nB=two words\n", {"A": "1", "B": "two words"}),
            ("export A = x # why\n\n# note\n  B='#no'", {"A": "x", "B": "#no"}),
            ('A="one\ntwo\\n\\"q\\" \\$x"\n', {"A": 'one\ntwo\n"q" $x'}),
            ("A=\nB=''\nC=a#b", {"A": "", "B": "", "C": "a#b"}),
            ("A=1\r\nA=2\r\n", {"A": "2"}),
            ("db.host=x\ndb-port=1", {"db.host": "x", "db-port": "1"}),
            ("# only a note", {}),
            ("", {}),
        ],
    )
    def test_what_people_write(self, text: str, values: dict[str, str]) -> None:
        assert dotenv.loads(text) == values

    @pytest.mark.parametrize(
        ("text", "line"), [("A=1\nhvs.secret", 2), ("A='hvs.secret", 1), ('\nA="x" hvs.secret', 2), ("1A=x", 1)]
    )
    def test_what_is_none_is_refused_by_its_line_alone(self, text: str, line: int) -> None:
        with pytest.raises(ValueError, match=f"^line {line}: ") as caught:
            dotenv.loads(text)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("values", [{"a b": "x"}, {"1": "x"}, {"": "x"}, {"A": "a\0b"}])
    def test_what_no_environment_holds_is_not_written(self, values: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=r"cannot be the name|NUL"):
            dotenv.dumps(values)


class TestYaml:
    @given(VALUES)
    def test_what_is_written_is_read_back(self, value: Any) -> None:
        assert yaml_reader.loads(yaml.dumps(value)) == value

    @given(st.text())
    def test_anything_is_read_or_refused(self, text: str) -> None:
        with contextlib.suppress(ValueError):  # and nothing else
            yaml_reader.loads(text)

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("---\na: 1\nb: two words # why\n", {"a": 1, "b": "two words"}),
            ("a:\n  b:\n    - 1\n    - c: 2\n      d: x\n", {"a": {"b": [1, {"c": 2, "d": "x"}]}}),
            ("a:\n- 1\n-\n  - 2\n- - 3\n", {"a": [1, [2], [3]]}),
            ("a: |\n  one\n   two\n\n  three\nb: >-\n  x\n  y\n\n  z\n", {"a": "one\n two\n\nthree\n", "b": "x y\nz"}),
            ("a: |+\n  x\n\nb: |-\n  y\n", {"a": "x\n\n", "b": "y"}),
            ("a: '#no'\nb: \"t\\tx\\u00e4\"\nc: it''s", {"a": "#no", "b": "t\txä", "c": "it''s"}),
            ('a: {"b": [1, 2.50]} # why\n"k y": x\nx:y: z', {"a": {"b": [1, "2.50"]}, "k y": "x", "x:y": "z"}),
            ("a:\nb: ~\nc: yes\nd: 010\ne: True", {"a": None, "b": None, "c": "yes", "d": "010", "e": True}),
            ("a: 2020-01-01", {"a": "2020-01-01"}),
            ("a: -1\nb: 1.5\nc: 1e3\n...", {"a": -1, "b": "1.5", "c": "1e3"}),
            ("just text", "just text"),
            ("", None),
        ],
    )  # fmt: skip
    def test_what_people_write(self, text: str, value: Any) -> None:
        assert yaml_reader.loads(text) == value

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=30),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
            max_leaves=8,
        ),
        st.sampled_from([30, 1000]),
        st.sampled_from([None, "'", '"', "|"]),
    )
    def test_what_another_program_wrote_is_never_misread(self, value: Any, width: int, style: str | None) -> None:
        text = pyyaml.safe_dump(value, width=width, default_style=style, allow_unicode=True)
        with contextlib.suppress(ValueError):  # it may be beyond what is read here
            assert yaml_reader.loads(text) == value

    def test_a_number_keeps_its_digits(self) -> None:
        assert isinstance(yaml_reader.loads("a: 1.50")["a"], Number)

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("a: &x hvs.secret", 1),
            ("b: 1\na: *x", 2),
            ("a: !!str x", 1),
            ("a: x\n---\nb: y", 2),
            ("<<: x", 1),
            ("a: [hvs.secret]", 1),
            ("a: 'hvs.secret", 1),
            ("a: hvs.secret\n  more", 2),
            ("a: x: y", 1),
            ("a: 1\na: 2", 2),
            ("a:\n\t- x", 2),
            ("a: x\nhvs.secret", 2),
            ("a:\n    b: 1\n  c: 2", 3),
            ('a: "\\q"', 1),
            ("- " * 300 + "x", 1),
        ],
    )
    def test_what_is_not_read_here_is_refused_by_its_line_alone(self, text: str, line: int) -> None:
        with pytest.raises(ValueError, match=f"^line {line}: ") as caught:
            yaml_reader.loads(text)
        assert "secret" not in str(caught.value)
