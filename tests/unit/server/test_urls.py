from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import BadRequest
from strongroom.server.answer import Elsewhere
from strongroom.server.urls import MAX_PARAMETERS, checked, cleaned, parse_query, redirect


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("/v1/a/../b", "/v1/b"),
        ("/v1/a/..", "/v1/"),
        ("/v1/a/.", "/v1/a/"),
        ("/v1//a///b", "/v1/a/b"),
        ("/v1/a//", "/v1/a/"),
        ("/../../etc", "/etc"),
        ("/..", "/"),
        ("//", "/"),
        ("//evil.example/x", "/evil.example/x"),
    ],
)
def test_empty_and_dot_segments_are_redirected(path: str, clean: str) -> None:
    assert cleaned(path) == clean
    with pytest.raises(Elsewhere) as e:
        checked(path, "")
    assert e.value.answer.status == 307
    assert dict(e.value.answer.headers)["location"] == clean


@pytest.mark.parametrize("path", ["/v1/a/.hidden", "/v1/a/..b", "/v1/a...", "/v1/a/", "/", "/v1/ключ", "/v1/a b"])
def test_other_paths_stay(path: str) -> None:
    assert checked(path, "") == path


@pytest.mark.parametrize("path", ["/v1/a\n", "/v1/a\x00", "/v1/\x7f", "/v1/\u200b", "/v1/\u00a0", "/v1/a\ufffd"])
def test_what_does_not_print_is_refused(path: str) -> None:
    with pytest.raises(BadRequest, match="characters that do not print"):
        checked(path, "")


def test_unprintable_characters_may_be_allowed_but_not_broken_utf8() -> None:
    assert checked("/v1/a\x07", "", printable=False) == "/v1/a\x07"
    with pytest.raises(BadRequest):
        checked("/v1/a\ufffd", "", printable=False)


def test_a_redirect_cannot_smuggle() -> None:
    answer = redirect('/v1/a"><script>\r\nx: y', "q=\r\n").answer
    assert dict(answer.headers)["location"] == "/v1/a%22%3E%3Cscript%3E%0D%0Ax:%20y?q=%0D%0A"
    assert isinstance(answer.body, bytes)
    assert b"<script>" not in answer.body


@given(st.text(alphabet="/.ab", max_size=30).map(lambda t: "/" + t))
def test_cleaning_agrees_with_the_library_and_is_final(path: str) -> None:
    clean = cleaned(path)
    assert cleaned(clean) == clean
    assert clean.rstrip("/") == posixpath.normpath("/" + path.lstrip("/")).rstrip("/")
    assert not any(segment in ("", ".", "..") for segment in clean.strip("/").split("/") if clean != "/")


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        ("a", {"a": ""}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        ("a=%zz&b=%ff", {"a": "%zz", "b": "\ufffd"}),
        ("&&=x&", {"": "x"}),
    ],
)
def test_queries(text: str, parameters: dict[str, object]) -> None:
    assert parse_query(text) == parameters


def test_a_query_has_a_limit() -> None:
    with pytest.raises(BadRequest):
        parse_query("&".join(f"a{i}=1" for i in range(MAX_PARAMETERS + 1)))
