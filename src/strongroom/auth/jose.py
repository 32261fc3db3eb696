"""JSON Web Tokens: taking them apart, verifying signatures and registered claims.

A key decides which algorithms it may be used with, never the token: there is no `none`, no HMAC, and an algorithm of
another family than the key's is refused. Sources: RFC 7515, 7517, 7518, 7519, 8037 and 8725.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

import msgspec

from strongroom.errors import StrongroomError

#: Longer than any token that claims its holder's groups; what is longer is not even decoded.
MAX_TOKEN: Final = 32 << 10
#: Each algorithm and the family of keys that it belongs to.
ALGORITHMS: Final[Mapping[str, str]] = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "secp256r1",
    "ES384": "secp384r1",
    "ES512": "secp521r1",
    "EdDSA": "Ed25519",
}
MIN_RSA, MAX_RSA = 2048, 8192
MAX_KEYS: Final = 100
NO_KEY: Final = "error verifying token signature: no known key successfully validated the token signature"
#: Unix seconds in the year 9999, as far as dates go.
MAX_TIME: Final = 253_402_300_799
SKEW: Final = 60
LEEWAY: Final = 150

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_PEM = re.compile(r"-----BEGIN ([A-Z ]{1,40})-----.*?-----END \1-----", re.DOTALL)


class BadJWT(StrongroomError):
    """A token that is refused: the text is for the client, `reason` is the whole truth. Neither has the token."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason or text


class BadKey(StrongroomError):
    """What is no key that signatures can be verified with."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart; nothing of it is verified."""

    header: Mapping[str, Any] = field(repr=False)
    claims: dict[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def alg(self) -> str:
        """The algorithm that it says it was signed with."""
        return cast("str", self.header["alg"])

    @property
    def kid(self) -> str:
        """The key that it says it was signed with; "" for none."""
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else ""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key. `kid` and `alg` are "" where the key's source did not say."""

    public: Any = field(repr=False)
    family: str
    kid: str = ""
    alg: str = ""


def quoted(value: object, limit: int = 128) -> str:
    """A value from a token as logs may have it: in quotes, on one line, not too long."""
    text = value if isinstance(value, str) else repr(value)
    return json.dumps(text[:limit] + ("..." if len(text) > limit else ""))


def parse(text: str) -> Token:
    """Take a token apart.

    Raises:
        BadJWT: it is none.
    """
    if len(text) > MAX_TOKEN:
        raise BadJWT("the token is too long", f"the token has {len(text)} characters, at most {MAX_TOKEN} are read")
    parts = text.strip().split(".")
    if len(parts) != 3:
        raise BadJWT("compact JWS format must have three parts", f"the token has {len(parts)} parts in place of three")
    header, claims = _object(parts[0], "header"), _object(parts[1], "payload")
    if not isinstance(header.get("alg"), str):
        raise BadJWT("the token's header has no algorithm")
    if "crit" in header:
        raise BadJWT("the token's header has critical extensions, and none are known")
    return Token(header, claims, f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2], "signature"))


def _bytes(text: str, what: str) -> bytes:
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise BadJWT(f"the token's {what} is not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_bytes(text, what), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadJWT(f"the token's {what} is no JSON object") from None


# -- Keys --------------------------------------------------------------------------------------------------------------


def key_of(public: Any, kid: str = "", alg: str = "") -> Key:
    """A key for verifying.

    Raises:
        BadKey: it is of a kind or a size that is not accepted.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(public, rsa.RSAPublicKey):
        if not MIN_RSA <= public.key_size <= MAX_RSA:
            raise BadKey(f"an RSA key has {MIN_RSA} to {MAX_RSA} bits, this one has {public.key_size}")
        family = "RSA"
    elif isinstance(public, ec.EllipticCurvePublicKey):
        family = public.curve.name
    elif isinstance(public, ed25519.Ed25519PublicKey):
        family = "Ed25519"
    else:
        family = ""
    if family not in ALGORITHMS.values():
        raise BadKey("keys are RSA, ECDSA (P-256, P-384, P-521) or Ed25519")
    return Key(public, family, kid, alg)


def key_from_pem(text: str) -> Key:
    """The first public key or certificate of a PEM text.

    Raises:
        BadKey: there is none.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    problem = BadKey("data does not contain any valid public keys")
    for block in _PEM.finditer(text):
        try:
            data = block[0].encode()
            public: Any
            if block[1] == "CERTIFICATE":
                public = x509.load_pem_x509_certificate(data).public_key()
            else:
                public = load_pem_public_key(data)
            return key_of(public)
        except BadKey as e:
            problem = e
        except (ValueError, UnsupportedAlgorithm):
            continue
    raise problem


_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


def keys_from_jwks(document: Mapping[str, Any]) -> tuple[Key, ...]:
    """The keys for signatures of a key set. Those of kinds that are not accepted are left out, symmetric ones always.

    Raises:
        BadKey: it is no key set.
    """
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise BadKey("the key set has no keys")
    found = []
    for jwk in keys[:MAX_KEYS]:
        if isinstance(jwk, dict) and jwk.get("use") in (None, "sig"):
            key = _key_from_jwk(jwk)
            if key is not None:
                found.append(key)
    return tuple(found)


def _key_from_jwk(jwk: dict[str, Any]) -> Key | None:
    from jwt.exceptions import InvalidKeyError

    members = _MEMBERS.get(str(jwk.get("kty")))
    if members is None or not all(isinstance(jwk.get(name), str) and len(jwk[name]) <= 2048 for name in members):
        return None
    # Only the public members: a key set that shows its private keys gives us none of them.
    public = {"kty": jwk["kty"], **{name: jwk[name] for name in members}}
    texts = {name: value if isinstance(value := jwk.get(name), str) else "" for name in ("kid", "alg")}
    try:
        return key_of(_by_type()[jwk["kty"]].from_jwk(public), **texts)
    except (InvalidKeyError, BadKey, ValueError, TypeError):
        return None


@functools.cache
def _algorithms() -> dict[str, Any]:
    from jwt.algorithms import get_default_algorithms

    known = get_default_algorithms()
    return {name: known[name] for name in ALGORITHMS}


@functools.cache
def _by_type() -> dict[str, Any]:
    known = _algorithms()
    return {"RSA": known["RS256"], "EC": known["ES256"], "OKP": known["EdDSA"]}


# -- Verifying ---------------------------------------------------------------------------------------------------------


def verify(token: Token, keys: Iterable[Key]) -> None:
    """Check the signature.

    Raises:
        BadJWT: it is of no such key.
    """
    family = ALGORITHMS.get(token.alg)
    if family is None:
        raise BadJWT(NO_KEY, f"the algorithm {quoted(token.alg)} is not accepted")
    keys = tuple(keys)
    named = [key for key in keys if not token.kid or key.kid in ("", token.kid)]
    if not named:
        raise BadJWT(NO_KEY, f"none of the {len(keys)} keys is named {quoted(token.kid)}")
    fitting = [key for key in named if key.family == family and key.alg in ("", token.alg)]
    if not fitting:
        raise BadJWT(NO_KEY, f"the algorithm {token.alg} fits none of the keys")
    algorithm = _algorithms()[token.alg]
    if not any(algorithm.verify(token.signed, key.public, token.signature) for key in fitting):
        raise BadJWT(NO_KEY, "the signature is of another key, or the token was changed")


def check_algorithm(token: Token, accepted: Collection[str]) -> None:
    """Check a verified token's algorithm against a list, if there is one.

    Raises:
        BadJWT: it is not on the list.
    """
    if accepted and token.alg not in accepted:
        raise BadJWT(
            "invalid algorithm (alg) header parameter: token signed with unexpected algorithm",
            f"the token is signed with {token.alg}, accepted are {', '.join(accepted)}",
        )


@dataclass(frozen=True, slots=True)
class Leeways:
    """Tolerances in seconds: 0 is the default of each, less than 0 none at all."""

    expiration: int = 0
    not_before: int = 0
    clock_skew: int = 0


def _leeway(seconds: int, default: int) -> int:
    return max(seconds, 0) or (default if seconds == 0 else 0)


def check_times(claims: Mapping[str, Any], now: float, leeways: Leeways = Leeways(), *, needed: bool = True) -> None:
    """Check `exp`, `nbf` and `iat`. One that is absent follows from the others, as in Vault.

    `needed` says whether one of them must be there; without it, what is absent is not checked.

    Raises:
        BadJWT: it is too early or too late for the token.
    """
    issued, not_before, expires, skew = moments(claims, leeways, needed=needed)
    if expires and now - skew > expires:
        text = "invalid expiration time (exp) claim: token is expired"
        raise BadJWT(text, f"the token expired {now - expires:.0f} s ago; {skew} s are allowed")
    for when, text in (
        (not_before, "invalid not before (nbf) claim: token not yet valid"),
        (issued, "invalid issued at (iat) claim: token issued in the future"),
    ):
        if when and now + skew < when:
            raise BadJWT(text, f"the token begins in {when - now:.0f} s; {skew} s are allowed")


class Moments(NamedTuple):
    """When a token was issued, begins and ends, in Unix seconds, 0 for what does not count; `skew` in seconds."""

    issued: float
    not_before: float
    expires: float
    skew: int


def moments(claims: Mapping[str, Any], leeways: Leeways = Leeways(), *, needed: bool = True) -> Moments:
    """The moments that `check_times` checks; raises `BadJWT`."""
    issued, not_before, expires = (_date(claims, name) for name in ("iat", "nbf", "exp"))
    if needed:
        if not (issued or not_before or expires):
            raise BadJWT("no issued at (iat), not before (nbf), or expiration time (exp) claims in token")
        expires = expires or max(issued, not_before) + _leeway(leeways.expiration, LEEWAY)
        not_before = not_before or issued or expires - _leeway(leeways.not_before, LEEWAY)
    return Moments(issued, not_before, expires, _leeway(leeways.clock_skew, SKEW))


def _date(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if value is None:
        return 0
    # JSON's whole numbers have no end, and floats have no room for all of them.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -MAX_TIME <= value <= MAX_TIME:
        raise BadJWT(f"the {name} claim is no time", f"the {name} claim is {_brief(value)}")
    return value


def _brief(value: object) -> str:
    return "a number far out of range" if isinstance(value, int) and abs(value) > MAX_TIME else quoted(value)


def audiences(claims: Mapping[str, Any]) -> list[str]:
    """For whom a token is.

    Raises:
        BadJWT: the claim is neither text nor a list of texts.
    """
    value = claims.get("aud")
    if value is None:
        return []
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in found):
        raise BadJWT("invalid audience (aud) claim: it is no list of strings")
    return found


def check_audience(claims: Mapping[str, Any], expected: Collection[str]) -> None:
    """Check that a token is for one of `expected`, if there are any.

    Raises:
        BadJWT: it is for others.
    """
    found = audiences(claims)
    if expected and not set(expected).intersection(found):
        raise BadJWT(
            "invalid audience (aud) claim: audience claim does not match any expected audience",
            f"the token is for {quoted(found)}, expected is one of {quoted(list(expected))}",
        )


def check_text(claims: Mapping[str, Any], name: str, what: str, expected: str) -> None:
    """Check that a claim is what is expected, if anything is.

    Raises:
        BadJWT: it is not.
    """
    if expected and claims.get(name) != expected:
        text = f"invalid {what} ({name}) claim"
        raise BadJWT(text, f"the {what} is {quoted(claims.get(name))}, expected is {quoted(expected)}")
