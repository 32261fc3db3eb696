"""Certificates as text: what a role trusts, read and judged when it is written.

Everything that comes from outside is read in this module and in `crls.py`, within limits on size and number.
"""

from __future__ import annotations

import re
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from strongroom.errors import BadRequest

#: Of a parameter with certificates: characters, and certificates.
MOST_TEXT: Final = 1 << 20
MOST_CERTIFICATES: Final = 100

_BLOCK: Final = re.compile(
    r"-----BEGIN (TRUSTED )?CERTIFICATE-----.*?-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL
)
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_LEAST_RSA: Final = 2048

#: What the library raises for what it cannot read, wherever it comes across it.
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

Certificates = tuple[x509.Certificate, ...]


class BadCertificate(ValueError):
    """A certificate that cannot be used; the text says why, and names nothing but the certificate."""


def certificates(text: str) -> Certificates:
    """The certificates in a PEM text, in order; () for none. What is between them is skipped.

    Raises:
        BadCertificate: one of them is damaged, or there are too many.
    """
    if len(text) > MOST_TEXT:
        raise BadCertificate(f"it is longer than {MOST_TEXT} characters")
    found: list[x509.Certificate] = []
    for block in _BLOCK.finditer(text):
        if len(found) == MOST_CERTIFICATES:
            raise BadCertificate(f"it has more than {MOST_CERTIFICATES} certificates")
        if block[1]:
            raise BadCertificate("it has OpenSSL's form TRUSTED CERTIFICATE; give a plain CERTIFICATE")
        try:
            found.append(x509.load_pem_x509_certificate(block[0].encode()))
        except UNREADABLE:
            raise BadCertificate(f"certificate {len(found) + 1} of it is damaged") from None
        _check_readable(found[-1], len(found))
    return tuple(found)


def parsed(der: bytes) -> x509.Certificate:
    """A certificate as TLS brings it.

    Raises:
        BadCertificate: it is damaged.
    """
    try:
        found = x509.load_der_x509_certificate(der)
    except UNREADABLE:
        raise BadCertificate("the certificate cannot be read") from None
    _check_readable(found, 1)
    return found


def _check_readable(one: x509.Certificate, number: int) -> None:
    """Parts are only read when they are asked for; what is damaged is found here, not in the middle."""
    try:
        list(one.extensions)
        one.subject.rfc4514_string()
        one.issuer.rfc4514_string()
        one.public_key()
        _ = one.version, one.not_valid_after_utc, one.not_valid_before_utc
    except UNREADABLE as e:
        raise BadCertificate(f"certificate {number} cannot be read: {type(e).__name__}") from None


def is_authority(one: x509.Certificate) -> bool:
    """Whether a certificate is of an authority, which vouches for others."""
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def usages(one: x509.Certificate) -> frozenset[str] | None:
    """What its key is for, as OIDs; None when it does not say, which stands for everything."""
    try:
        return frozenset(o.dotted_string for o in one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None


CLIENT_USAGES: Final = frozenset(
    o.dotted_string for o in (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
)


def for_clients(one: x509.Certificate) -> bool:
    """Whether a TLS client may show it."""
    stated = usages(one)
    return stated is None or not stated.isdisjoint(CLIENT_USAGES)


def check_trusted(text: str) -> None:
    """Judge the certificates of a role before they are stored; raises `BadRequest`."""
    try:
        found = certificates(text)
    except BadCertificate as e:
        raise BadRequest(f"failed to parse certificate: {e}") from None
    if not found:
        raise BadRequest("failed to parse certificate")
    if not is_authority(found[0]):
        if not for_clients(found[0]):
            raise BadRequest("nonCA certificates should have TLS client authentication set as an extended key usage")
        return
    for one in found:
        _check_key(one)


def _check_key(one: x509.Certificate) -> None:
    """Refuse authorities whose signatures would never be accepted, rather than each login later."""
    key = one.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA:
        return
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return
    raise BadRequest("an authority's key must be RSA of at least 2048 bits, or ECDSA on P-256, P-384 or P-521")
