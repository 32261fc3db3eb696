"""Base64 as Go reads it, and the form of ciphertexts."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.engines.transit import encoding
from strongroom.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("YQ", 0),
        ("not base64!", 3),
        ("YWI-_w==", 3),
        ("!", 0),
        ("YQ=", 3),
        ("YQ=a", 2),
        ("YQ==YQ", 4),
        ("=", 0),
        ("Y===", 1),
        ("YWI==", 4),
        ("YWJj\nY", 5),
        ("YWJj=", 4),
        ("YWJj====", 4),
    ],
)
def test_a_refusal_says_where_go_stops(text, at):
    with pytest.raises(encoding.InvalidBase64, match=f"illegal base64 data at input byte {at}$"):
        encoding.decode(text)


@given(st.binary(max_size=64), st.lists(st.integers(0, 90), max_size=4))
def test_line_breaks_are_skipped(data, places):
    text = base64.b64encode(data).decode()
    for at in sorted(places, reverse=True):
        text = text[:at] + "\r\n" + text[at:]
    assert encoding.decode(text) == data


@given(st.text(max_size=40) | st.text("YWJj=-_\n+/ é", max_size=24))
def test_any_text_decodes_or_is_refused(text):
    try:
        data = encoding.decode(text)
    except encoding.InvalidBase64:
        assert 0 <= encoding.fault_at(text) <= len(text)
    else:
        assert encoding.decode(encoding.encode(data)) == data


@pytest.mark.parametrize("extra", [-1, 0, 1, 2, 3 * (1 << 20)])
def test_long_texts_are_converted_in_pieces_to_the_same(extra):
    data = b"\x5a" * ((1 << 20) + extra)
    text = encoding.encode(data, "p:")
    assert text == "p:" + base64.b64encode(data).decode()
    assert encoding.decode(text[2:]) == data
    for broken in (text[2:] + "====", text[2:-8] + "!" + text[-7:], text[2 : 1 << 20] + "=" + text[2:]):
        with pytest.raises(encoding.InvalidBase64):
            encoding.decode(broken)


@given(st.binary(max_size=40))
def test_the_urls_alphabet_has_no_padding(data):
    text = encoding.url_encode(data)
    assert encoding.url_decode(text) == data
    if len(data) % 3:
        with pytest.raises(encoding.InvalidBase64):
            encoding.url_decode(text + "=")


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", "invalid ciphertext: no prefix"),
        ("vault:1:AAAA", "invalid ciphertext: no prefix"),
        ("xvault:v1:AAAA", "invalid ciphertext: no prefix"),
        ("vault:v1", "invalid ciphertext: wrong number of fields"),
        ("vault:vX:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v1_0:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v" + "9" * 30 + ":AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v\u0661:AAAA", "invalid ciphertext: version number could not be decoded"),
    ],
)
def test_what_is_no_ciphertext(text, refusal):
    with pytest.raises(BadRequest) as caught:
        encoding.split(text, "ciphertext")
    assert caught.value.errors == [refusal]


@given(st.text(max_size=30) | st.text("vault:1-+", max_size=16))
def test_any_text_is_split_or_refused(text):
    try:
        version, _ = encoding.split(text, "x")
    except BadRequest:
        return
    assert isinstance(version, int)
