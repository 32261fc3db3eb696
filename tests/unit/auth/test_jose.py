"""JWTs: published examples verify, and what is forged, malformed, too early or too late does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.issuers import Signer, unsigned

from strongroom.auth import jose

NOW = 1_700_000_000.0

RSA_N = (
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
    "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"
    "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
)
CLAIMS = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#: The key as a JWK, and a token that it signed.
PUBLISHED = {
    "RFC 7515 A.2": (
        {"kty": "RSA", "n": RSA_N, "e": "AQAB"},
        "eyJhbGciOiJSUzI1NiJ9." + CLAIMS + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4B"
        "h-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHl"
        "b1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9F"
        "s98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ),
    "RFC 7515 A.3": (
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
        "eyJhbGciOiJFUzI1NiJ9." + CLAIMS + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTU"
        "JqPP3-Kg6NU1Q",
    ),
}
SIGNERS = {alg: Signer(alg) for alg in ("RS256", "ES256", "ES384", "ES512", "EdDSA")}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_examples_verify(name: str) -> None:
    jwk, text = PUBLISHED[name]
    token = jose.parse(text)
    jose.verify(token, jose.keys_from_jwks({"keys": [jwk]}))
    assert token.claims["iss"] == "joe"


def test_a_published_ed25519_signature_verifies() -> None:
    """RFC 8037, A.4; its payload is no JSON, so the token is put together by hand."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg=="
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    token = jose.Token({"alg": "EdDSA"}, {}, signed, base64.urlsafe_b64decode(signature))
    jose.verify(token, jose.keys_from_jwks({"keys": [jwk]}))


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_each_algorithm_verifies_with_its_own_kind_of_key_and_no_other(alg: str) -> None:
    own = next(s for s in SIGNERS.values() if jose.key_from_pem(s.pem).family == jose.ALGORITHMS[alg])
    token = jose.parse(own.sign({"sub": "a"}, alg))
    jose.verify(token, [jose.key_from_pem(own.pem)])
    for other in SIGNERS.values():
        if other is not own:
            with pytest.raises(jose.BadJWT) as refused:
                jose.verify(token, [jose.key_from_pem(other.pem)])
            assert str(refused.value) == jose.NO_KEY
            assert "fits none" in refused.value.reason


def _hmac_with_the_public_key(signer: Signer) -> str:
    signed = unsigned({"sub": "a"}, alg="HS256").removesuffix(".")
    digest = hmac.new(signer.pem.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


RS = SIGNERS["RS256"]
FORGED = {
    "no algorithm": unsigned({"sub": "a"}, alg="none"),
    "no algorithm, in capitals": unsigned({"sub": "a"}, alg="NONE"),
    "HMAC with the public key": _hmac_with_the_public_key(RS),
    "no signature": RS.sign({"sub": "a"}).rpartition(".")[0] + ".",
    "half a signature": RS.sign({"sub": "a"})[:-171],
    "another key": Signer().sign({"sub": "a"}),
    "a key that it brings along": (lambda own: own.sign({"sub": "a"}, jwk=own.jwk, jku="https://evil"))(Signer()),
    "another payload": ".".join(
        (lambda a, b: (a[0], b[1], a[2]))(RS.sign({"sub": "a"}).split("."), RS.sign({"sub": "b"}).split("."))
    ),
    "an unknown algorithm": unsigned({"sub": "a"}, alg="XX"),
}


@pytest.mark.parametrize("what", FORGED)
def test_forgeries_are_refused_with_the_same_words(what: str) -> None:
    token = jose.parse(FORGED[what])
    with pytest.raises(jose.BadJWT) as refused:
        jose.verify(token, [jose.key_from_pem(RS.pem)])
    assert str(refused.value) == jose.NO_KEY
    assert refused.value.reason != jose.NO_KEY


def test_a_named_key_is_the_only_one_that_counts() -> None:
    one, two = Signer(kid="one"), Signer(kid="two")
    keys = jose.keys_from_jwks({"keys": [one.jwk, two.jwk]})
    jose.verify(jose.parse(two.sign({})), keys)
    with pytest.raises(jose.BadJWT, match="no known key"):
        jose.verify(jose.parse(two.sign({}, kid="one")), keys)
    with pytest.raises(jose.BadJWT) as refused:
        jose.verify(jose.parse(two.sign({}, kid="three")), keys)
    assert refused.value.reason == 'none of the 2 keys is named "three"'


def test_a_key_for_one_algorithm_is_for_no_other() -> None:
    keys = jose.keys_from_jwks({"keys": [{**RS.jwk, "alg": "RS512"}]})
    jose.verify(jose.parse(RS.sign({}, "RS512")), keys)
    with pytest.raises(jose.BadJWT):
        jose.verify(jose.parse(RS.sign({}, "RS256")), keys)


USELESS: list[Any] = [
    {"kty": "oct", "k": "c2VjcmV0"},
    {"kty": "RSA"},
    {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    {"kty": "RSA", "n": "!", "e": "AQAB"},
    {"kty": "RSA", "n": RSA_N, "e": 3},
    {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "OKP", "crv": "X25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty": ["RSA"]},
    {**RS.jwk, "use": "enc"},
    "text",
    None,
]


@pytest.mark.parametrize("jwk", USELESS)
def test_keys_of_other_kinds_are_left_out_of_a_key_set(jwk: Any) -> None:
    assert [key.kid for key in jose.keys_from_jwks({"keys": [jwk, RS.jwk]})] == ["one"]


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}])
def test_a_key_set_has_keys(document: dict[str, Any]) -> None:
    with pytest.raises(jose.BadKey):
        jose.keys_from_jwks(document)


SMALL = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL+eLTrdh+0N4rTBrEkGYWkvRbvYm7Jd0cG6uA1eaSG6nIzx"
    "xBhyFXLkWbUwsFZ7Wll2b0L1jDCsCwAM/WhWtkcCAwEAAQ=="
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no pem",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        f"-----BEGIN PUBLIC KEY-----\n{SMALL}\n-----END PUBLIC KEY-----",
    ],
)
def test_what_is_no_key_is_none(text: str) -> None:
    with pytest.raises(jose.BadKey):
        jose.key_from_pem(text)


def _b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


HEADER, OBJECT = _b64('{"alg":"RS256"}'), _b64("{}")
MALFORMED = {
    "": "three parts",
    "rubbish": "three parts",
    "a.b.c.d.e": "three parts",
    "..": "no JSON object",
    f"{HEADER}.{OBJECT}.a+b": "not base64url",
    f"{HEADER}.{OBJECT}.ab=": "not base64url",
    f"{HEADER}.{OBJECT}.a": "not base64url",
    f"{HEADER}.{_b64('[]')}.": "no JSON object",
    f"{HEADER}.{_b64('{')}.": "no JSON object",
    f"{HEADER}.{_b64('[' * 9000)}.": "no JSON object",
    f"{OBJECT}.{OBJECT}.": "no algorithm",
    f"{_b64(json.dumps({'alg': ['RS256']}))}.{OBJECT}.": "no algorithm",
    f"{_b64(json.dumps({'alg': 'RS256', 'crit': ['b64'], 'b64': False}))}.{OBJECT}.": "critical",
    "a" * (jose.MAX_TOKEN + 1): "too long",
}


@pytest.mark.parametrize(("text", "why"), MALFORMED.items(), ids=range(len(MALFORMED)))
def test_malformed_tokens_are_refused(text: str, why: str) -> None:
    with pytest.raises(jose.BadJWT, match=why):
        jose.parse(text)


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["iat", "nbf", "exp", "aud", "iss", "sub", "x"])


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,20}(\.[A-Za-z0-9_-]{0,20}){0,4}", fullmatch=True))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    try:
        token = jose.parse(text)
        jose.verify(token, [jose.key_from_pem(RS.pem)])
    except jose.BadJWT:
        return
    raise AssertionError("nobody signed this")


@given(st.dictionaries(NAMES, JSONISH, max_size=6), st.dictionaries(st.text(max_size=8), JSONISH, max_size=4))
def test_any_claims_pass_or_are_refused(claims: dict[str, Any], jwk: dict[str, Any]) -> None:
    try:
        jose.check_times(claims, NOW)
        jose.check_audience(claims, ["a"])
        jose.check_text(claims, "iss", "issuer", "i")
    except jose.BadJWT as e:
        said = e.reason
    else:
        said = ""
    assert "\n" not in said
    jose.keys_from_jwks({"keys": [{"kty": "RSA", **jwk}, {"kty": "EC", "crv": "P-256", **jwk}]})


NEVER, EXPIRED, EARLY, FUTURE = "no issued at", "token is expired", "not yet valid", "issued in the future"
#: Claims as seconds from now, leeways (expiration, not before, clock skew), and the refusal, "" for none.
TIMES: list[tuple[dict[str, float], tuple[int, int, int], str]] = [
    ({}, (0, 0, 0), NEVER),
    ({"exp": 1}, (0, 0, 0), ""),
    ({"exp": -60}, (0, 0, 0), ""),
    ({"exp": -61}, (0, 0, 0), EXPIRED),
    ({"exp": -61}, (3600, 0, 0), EXPIRED),
    ({"exp": -61}, (0, 0, 61), ""),
    ({"exp": -1}, (0, 0, -1), EXPIRED),
    ({"iat": -209}, (0, 0, 0), ""),
    ({"iat": -211}, (0, 0, 0), EXPIRED),
    ({"iat": -211}, (300, 0, 0), ""),
    ({"iat": -61}, (-1, 0, 0), EXPIRED),
    ({"nbf": -211}, (0, 0, 0), EXPIRED),
    ({"iat": -999, "nbf": -100}, (0, 0, 0), ""),
    ({"nbf": 60, "exp": 999}, (0, 0, 0), ""),
    ({"nbf": 61, "exp": 999}, (0, 0, 0), EARLY),
    ({"nbf": 61, "exp": 999}, (0, 0, 61), ""),
    ({"nbf": 1, "exp": 999}, (0, 0, -1), EARLY),
    ({"exp": 211}, (0, 0, 0), EARLY),
    ({"exp": 211}, (0, 300, 0), ""),
    ({"iat": 61, "nbf": -1, "exp": 999}, (0, 0, 0), FUTURE),
    ({"iat": 61, "exp": 999}, (0, 0, 0), EARLY),
]


@pytest.mark.parametrize(("claims", "leeways", "why"), TIMES)
def test_times(claims: dict[str, float], leeways: tuple[int, int, int], why: str) -> None:
    claims = {name: NOW + seconds for name, seconds in claims.items()}
    if not why:
        jose.check_times(claims, NOW, jose.Leeways(*leeways))
        return
    with pytest.raises(jose.BadJWT, match=why):
        jose.check_times(claims, NOW, jose.Leeways(*leeways))


@pytest.mark.parametrize("value", [True, "1700000000", [1], float("inf"), {}, 10**400, -(10**400)])
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(jose.BadJWT, match="is no time"):
        jose.check_times({"exp": value}, NOW)


def test_a_reason_tells_how_late_it_is() -> None:
    with pytest.raises(jose.BadJWT) as refused:
        jose.check_times({"exp": NOW - 72}, NOW)
    assert refused.value.reason == "the token expired 72 s ago; 60 s are allowed"


@pytest.mark.parametrize(
    ("aud", "expected", "passes"),
    [
        ("a", ["a"], True),
        (["x", "a"], ["b", "a"], True),
        ("a", [], True),
        (None, [], True),
        (None, ["a"], False),
        ("x", ["a"], False),
        ([], ["a"], False),
        ("", ["a"], False),
        ([1], ["1"], False),
        ({"a": 1}, ["a"], False),
    ],
)
def test_audiences(aud: Any, expected: list[str], passes: bool) -> None:
    claims = {} if aud is None else {"aud": aud}
    if passes:
        jose.check_audience(claims, expected)
        return
    with pytest.raises(jose.BadJWT, match="aud"):
        jose.check_audience(claims, expected)


def test_a_token_never_shows_in_a_repr() -> None:
    text = RS.sign({"sub": "somebody"})
    assert "somebody" not in repr(jose.parse(text))
    assert text.rpartition(".")[2] not in repr(jose.parse(text))
