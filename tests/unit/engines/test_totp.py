"""Time-based one-time passwords."""

import asyncio
import base64
import contextlib
import functools
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.engines.harness import run

from strongroom.crypto import otp, otp_url
from strongroom.engines.totp import BACKEND
from strongroom.engines.totp.engine import MOST_WRONG, TotpKey, Used, UsedCode
from strongroom.errors import BadRequest

totp = functools.partial(run, backend=BACKEND)
SECRET = b"12345678901234567890"
KEY = base64.b32encode(SECRET).decode()
URL = f"otpauth://totp/Vault:me@example.com?secret={KEY}&issuer=Vault"


@pytest.mark.parametrize(
    ("moment", "sha1", "sha256", "sha512"),
    [
        (59, "94287082", "46119246", "90693936"),
        (1111111109, "07081804", "68084774", "25091201"),
        (1111111111, "14050471", "67062674", "99943326"),
        (1234567890, "89005924", "91819424", "93441116"),
        (2000000000, "69279037", "90698825", "38618901"),
        (20000000000, "65353130", "77737706", "47863826"),
    ],
)
def test_the_vectors_of_rfc_6238(moment, sha1, sha256, sha512):
    counter = otp.counter_at(moment, 30)
    for algorithm, length, code in (("SHA1", 20, sha1), ("SHA256", 32, sha256), ("SHA512", 64, sha512)):
        assert otp.hotp((SECRET * 4)[:length], counter, 8, algorithm) == code


@pytest.mark.parametrize(("counter", "code"), list(enumerate(["755224", "287082", "359152", "969429"])))
def test_the_vectors_of_rfc_4226(counter, code):
    assert otp.hotp(SECRET, counter, 6, "SHA1") == code


def test_a_code_counts_once_and_for_its_neighbours_with_skew():
    async def work(m):
        await m("POST", "keys/k", {"key": KEY})
        await m("POST", "keys/strict", {"key": KEY, "skew": 0})
        code = (await m("GET", "code/k")).data["code"]
        assert (await m("POST", "code/k", {"code": code})).data == {"valid": True}
        used = await m("POST", "code/k", {"code": code})
        assert (used.status, used.errors) == (400, ["code already used; wait until the next time period"])
        m.clock.advance(30)
        assert (await m("POST", "code/k", {"code": code})).status == 400
        await m("DELETE", "keys/k")
        await m("POST", "keys/k", {"key": KEY})
        assert (await m("POST", "code/k", {"code": code})).status == 400, "the memory outlives the key"
        assert (await m("POST", "code/strict", {"code": code})).data == {"valid": False}
        m.clock.advance(60)
        assert (await m("POST", "code/k", {"code": code})).data == {"valid": False}

    totp(work)


def test_one_of_many_that_check_the_same_code_at_once_gets_it():
    async def work(m):
        await m("POST", "keys/k", {"key": KEY})
        code = (await m("GET", "code/k")).data["code"]
        answers = await asyncio.gather(*(m("POST", "code/k", {"code": code}) for _ in range(6)))
        assert sorted(a.status for a in answers) == [200, *[400] * 5]

    totp(work)


def test_guessing_pushes_no_right_code_out_of_memory():
    async def work(m):
        await m("POST", "keys/k", {"key": KEY})
        code = (await m("GET", "code/k")).data["code"]
        await m("POST", "code/k", {"code": code})
        for n in range(MOST_WRONG + 20):
            guess = str(n).zfill(6)
            if guess != code:
                await m("POST", "code/k", {"code": guess})
        assert (await m("POST", "code/k", {"code": code})).status == 400
        assert (await m("POST", "code/k", {"code": str(MOST_WRONG + 19).zfill(6)})).status == 400

    totp(work)


@pytest.mark.parametrize("code", ["12345", "1234567", " 12345", ""])
def test_codes_of_the_wrong_length(code):
    async def work(m):
        await m("POST", "keys/k", {"key": KEY})
        assert (await m("POST", "code/k", {"code": code})).status == 400
        assert m.stored() == ["key/k"]

    totp(work)


def test_a_code_says_how_long_it_lives():
    async def work(m):
        await m("POST", "keys/k", {"key": KEY, "period": 3600})
        data = (await m("GET", "code/k")).data
        assert data["period"] == "1h0m0s"
        assert data["generated"] == int(m.clock.now())
        assert 0 < data["expire_time"] - data["generated"] <= 3600
        assert data["expire_time"] % 3600 == 0

    totp(work)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"generate": True, "key": KEY}, "a key should not be passed if generate is true"),
        ({"generate": True, "url": URL}, "a url should not be passed if generate is true"),
        ({"generate": True, "issuer": "i"}, "the account_name value is required for generated keys"),
        ({"generate": True, "account_name": "a"}, "the issuer value is required for generated keys"),
        ({"key": KEY, "digits": 7}, "the digits value can only be 6 or 8"),
        ({"key": KEY, "algorithm": "sha1"}, "the algorithm value is not valid"),
        ({"key": KEY, "period": 0}, "the period value must be greater than zero"),
        ({"key": KEY, "skew": 2}, "the skew value must be 0 or 1"),
        ({"key": KEY, "qr_size": -1}, "the qr_size value must be greater than or equal to zero"),
        ({"key": KEY, "qr_size": 10**9}, "the qr_size value must not be greater than 4096"),
        ({"key": KEY, "key_size": 0}, "the key_size value must be greater than zero"),
        ({"key": KEY, "key_size": 10**9}, "the key_size value must not be greater than 1024"),
        ({"key": "not base32!"}, "invalid key value: illegal base32 data at input byte 3"),
        ({"key": "8"}, "invalid key value: illegal base32 data at input byte 0"),
        ({"key": "==="}, "invalid key value: illegal base32 data at input byte 0"),
        ({}, "the key value is required"),
        ({"url": "no url at all"}, "the key value is required"),
        ({"url": URL + "&digits=x"}, "an error occurred while parsing digits value in url"),
        ({"url": URL + "&period=x"}, "an error occurred while parsing period value in url"),
        ({"url": "otpauth://[x/"}, "an error occurred while parsing url string"),
        ({"generate": True, "issuer": "i" * 3000, "account_name": "a"}, "the url is too long for a barcode"),
    ],
)
def test_keys_that_cannot_be(body, text):
    async def work(m):
        answer = await m("POST", "keys/k", body)
        assert (answer.status, answer.errors) == (400, [text])
        assert m.stored() == []

    totp(work)


def test_a_generated_keys_url_imports_as_the_same_key():
    async def work(m):
        body = {"generate": True, "issuer": "My Org/ä", "account_name": "a b@c", "digits": 8, "algorithm": "SHA512"}
        made = (await m("POST", "keys/k", body)).data
        assert base64.b64decode(made["barcode"]).startswith(b"\x89PNG\r\n\x1a\n")
        assert (await m("POST", "keys/again", {"url": made["url"]})).status == 204
        assert (await m("GET", "keys/again")).data == (await m("GET", "keys/k")).data
        assert (await m("GET", "code/again")).data == (await m("GET", "code/k")).data

    totp(work)


@pytest.mark.parametrize("name", ["me@example.com", "a", "a.b-c_d", "A@b"])
def test_an_address_is_a_name(name):
    async def work(m):
        assert (await m("POST", f"keys/{name}", {"key": KEY})).status == 204
        assert (await m("LIST", "keys")).data == {"keys": [name]}

    totp(work)


@pytest.mark.parametrize("name", ["@a", "a@", "a b", "-", "é"])
def test_what_is_no_name(name):
    async def work(m):
        for answer in (await m("GET", f"keys/{name}"), await m("POST", f"keys/{name}", {"key": KEY})):
            assert answer.status == 404
        assert m.stored() == []

    totp(work)


@given(st.binary(min_size=1, max_size=40))
def test_base32_is_read_in_either_case_with_and_without_padding(data):
    text = base64.b32encode(data).decode()
    for form in (text, text.rstrip("="), text.lower(), otp_url.encode_key(data)):
        assert otp_url.decode_key(form) == data


@given(st.text(max_size=30) | st.text(string.ascii_uppercase + "234567=\n", max_size=20))
def test_any_text_is_a_key_or_refused(text):
    with contextlib.suppress(BadRequest):
        assert otp_url.decode_key(otp_url.encode_key(otp_url.decode_key(text)))


@settings(max_examples=200)
@given(st.text(max_size=40) | st.text("otpauth://totp?=&%:[]@2aé", max_size=40).map("otpauth://totp/".__add__))
def test_any_text_is_a_url_or_refused(text):
    with contextlib.suppress(BadRequest):
        assert isinstance(otp_url.parse_url(text), otp_url.Imported)


def test_nothing_secret_shows_in_a_repr():
    url = otp_url.parse_url(URL)
    used = Used((UsedCode("123456", 1, True),))
    assert KEY not in repr(url)
    assert "1234" not in repr(TotpKey(SECRET)) + repr(used)
