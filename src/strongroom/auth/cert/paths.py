"""Paths of certificates: from a client's up to an authority that a role trusts.

`cryptography` builds and verifies them after RFC 5280: signatures, validity, basic constraints, path length, name
constraints, key usage, and critical extensions that nobody knows. An authority is trusted by itself, whether it is a
root or not. Keys and signatures are those of the web: RSA of 2048 bits, ECDSA on P-256, P-384 and P-521, SHA-2.
"""

from __future__ import annotations

import datetime
import functools
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from strongroom.auth.cert.pem import UNREADABLE, Certificates, for_clients, is_authority
from strongroom.auth.jose import quoted

#: How many authorities may stand between a client's certificate and the trusted one.
MOST_BETWEEN: Final = 8
_DAY: Final = 86400


class Untrusted(Exception):
    """There is no path; the text says why, for logs."""


def path(leaf: x509.Certificate, rest: Certificates, anchors: Certificates, now: float) -> Certificates:
    """The path from a client's certificate to one of the trusted, that one included.

    Raises:
        Untrusted: there is none.
    """
    if leaf.version is x509.Version.v1:
        return _plain(leaf, anchors, now)
    when = datetime.datetime.fromtimestamp(now, datetime.UTC)
    ca, client = _policies()
    try:
        verifier = (
            PolicyBuilder()
            .store(Store(list(anchors)))
            .time(when)
            .max_chain_depth(MOST_BETWEEN)
            .extension_policies(ca_policy=ca, ee_policy=client)
            .build_client_verifier()
        )
        return tuple(verifier.verify(leaf, list(rest)).chain)
    except VerificationError as e:
        raise Untrusted(_reason(str(e), leaf, (*rest, *anchors), now)) from None
    except UNREADABLE as e:
        raise Untrusted(f"a certificate of the path cannot be read: {type(e).__name__}") from None


def _plain(leaf: x509.Certificate, anchors: Certificates, now: float) -> Certificates:
    """The path from a certificate of version 1, as `openssl x509 -req` makes them, to the authority that signed it.

    The library takes none of these. They have no extensions, so there is little to verify; the authority must be one of
    the trusted itself, and without constraints, which could not be applied.
    """
    for anchor in anchors:
        if anchor.subject == leaf.issuer and issued(leaf, anchor):
            problem = next((f"{called(one.subject)} {why}" for one in (leaf, anchor) if (why := times(one, now))), "")
            problem = problem or _not_plain(anchor)
            if problem:
                raise Untrusted(problem)
            return leaf, anchor
    raise Untrusted("a certificate of version 1 must be signed by a trusted authority itself")


def _not_plain(anchor: x509.Certificate) -> str:
    """Why an authority cannot sign a certificate without extensions, "" when it can."""
    found = {type(ext.value): ext.value for ext in anchor.extensions}
    usage: Any = found.get(x509.KeyUsage)
    if not is_authority(anchor) or (usage is not None and not usage.key_cert_sign):
        return "its issuer is no authority that may sign certificates"
    if x509.NameConstraints in found or not for_clients(anchor):
        return "its issuer is an authority with constraints, which a certificate of version 1 cannot keep"
    return ""


def issued(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether a certificate is signed by another, which is called what it says."""
    try:
        one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def times(one: x509.Certificate, now: float) -> str:
    """Why a certificate is not valid at a moment, "" when it is."""
    after, before = one.not_valid_after_utc, one.not_valid_before_utc
    if now > after.timestamp():
        return f"expired on {after:%Y-%m-%d %H:%M:%S} UTC, {_ago(now - after.timestamp())} ago"
    if now < before.timestamp():
        return f"is not valid before {before:%Y-%m-%d %H:%M:%S} UTC, in {_ago(before.timestamp() - now)}"
    return ""


def called(name: x509.Name) -> str:
    """A name as logs may have it."""
    return quoted(name.rfc4514_string())


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _DAY else f"{seconds / _DAY:.0f} days"


@functools.cache
def _policies() -> tuple[ExtensionPolicy, ExtensionPolicy]:
    any_way = Criticality.AGNOSTIC
    ca = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, any_way, _is_authority)
        .may_be_present(x509.KeyUsage, any_way, _may_sign)
        .may_be_present(x509.ExtendedKeyUsage, any_way, _is_for_clients)
    )
    client = ExtensionPolicy.permit_all().may_be_present(x509.ExtendedKeyUsage, any_way, _is_for_clients)
    return ca, client


def _is_authority(_policy: Any, _one: x509.Certificate, ext: x509.BasicConstraints) -> None:
    if not ext.ca:
        raise ValueError("an issuer is no authority")


def _may_sign(_policy: Any, _one: x509.Certificate, ext: x509.KeyUsage | None) -> None:
    if ext is not None and not ext.key_cert_sign:
        raise ValueError("an issuer's key usage does not include signing certificates")


def _is_for_clients(_policy: Any, one: x509.Certificate, _ext: x509.ExtendedKeyUsage | None) -> None:
    if not for_clients(one):
        raise ValueError("the extended key usage does not include client authentication")


def _reason(text: str, leaf: x509.Certificate, others: Certificates, now: float) -> str:
    """What the library says, in words, with the certificate that it is about where that is known."""
    if "not valid at validation time" in text:
        for one in (leaf, *others):
            if problem := times(one, now):
                return f"certificate {called(one.subject)} {problem}"
    if "no interior errors" in text:
        last = _top(leaf, others)
        return f"nobody who is trusted has issued {called(last.subject)}; its issuer is {called(last.issuer)}"
    for start in ("validation failed: ", "candidates exhausted: ", "Python extension validator failed: ValueError: "):
        text = text.replace(start, "")
    return quoted(text.partition(" (encountered processing")[0], 200)[1:-1]


def _top(leaf: x509.Certificate, others: Certificates) -> x509.Certificate:
    """The highest certificate that can be reached by names."""
    seen, last = {leaf.subject}, leaf
    while (above := next((o for o in others if o.subject == last.issuer and o.subject not in seen), None)) is not None:
        seen.add(above.subject)
        last = above
    return last
