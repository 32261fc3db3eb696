"""What a client showed of itself: its certificate, those that came along, and what the certificate says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from strongroom.auth.cert.pem import BadCertificate, Certificates, parsed

#: How many certificates a client may show.
MOST_SHOWN: Final = 20
#: ASN.1's tags of texts, and how each is encoded.
_TEXTS: Final = {
    0x0C: "utf-8",
    0x12: "ascii",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1B: "latin-1",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}


@dataclass(frozen=True, slots=True)
class Presented:
    """A client's certificate and what it says; `rest` are the certificates that came along.

    `names` are those that authorities above it may have, in DER: its own, and of whoever issued what was shown.
    `extensions` are the values by OID, in DER. Key ids are empty where there is none.
    """

    leaf: x509.Certificate
    rest: Certificates
    names: frozenset[bytes]
    common_name: str
    organizational_units: tuple[str, ...]
    dns_names: tuple[str, ...]
    emails: tuple[str, ...]
    uris: tuple[str, ...]
    subject_key_id: bytes
    authority_key_id: bytes
    extensions: dict[str, bytes]

    @property
    def serial(self) -> str:
        """The serial number in decimal."""
        return serial_of(self.leaf)

    @property
    def key(self) -> str:
        """What is the same for certificates of the same key."""
        spki = self.leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).hexdigest()

    @property
    def holder(self) -> str:
        """What is the same for certificates of the same names by the same issuer, however often they are renewed."""
        names = self.extensions.get(x509.SubjectAlternativeName.oid.dotted_string, b"")
        parts = (self.leaf.issuer.public_bytes(), self.authority_key_id, self.leaf.subject.public_bytes(), names)
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()

    def texts(self, oids: Iterable[str]) -> dict[str, str]:
        """The texts of the extensions of these OIDs that the certificate has; "" for one that holds no text."""
        return {oid: text_of(self.extensions[oid]) for oid in oids if oid in self.extensions}


def presented(shown: tuple[bytes, ...]) -> Presented:
    """Read what a client showed, its own certificate first.

    Raises:
        BadCertificate: it cannot be read.
    """
    if len(shown) > MOST_SHOWN:
        raise BadCertificate(f"the client showed {len(shown)} certificates, at most {MOST_SHOWN} are read")
    return told_by(parsed(shown[0]), tuple(parsed(one) for one in shown[1:]))


def told_by(leaf: x509.Certificate, rest: Certificates = ()) -> Presented:
    """What a certificate says of its holder."""
    names = _values(leaf, NameOID.COMMON_NAME)
    try:
        sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        sans = x509.SubjectAlternativeName([])
    return Presented(
        leaf,
        rest,
        names=frozenset({leaf.subject.public_bytes(), *(one.issuer.public_bytes() for one in (leaf, *rest))}),
        common_name=names[-1] if names else "",
        organizational_units=_values(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME),
        dns_names=tuple(sans.get_values_for_type(x509.DNSName)),
        emails=tuple(sans.get_values_for_type(x509.RFC822Name)),
        uris=tuple(sans.get_values_for_type(x509.UniformResourceIdentifier)),
        subject_key_id=_subject_key_id(leaf),
        authority_key_id=_authority_key_id(leaf),
        extensions={ext.oid.dotted_string: _raw(ext.value) for ext in leaf.extensions},
    )


def serial_of(one: x509.Certificate) -> str:
    """A serial number in decimal, as revocation lists are searched and metadata are filled."""
    return str(one.serial_number)


def colons(raw: bytes) -> str:
    """Bytes as `0a:1b:2c`."""
    return raw.hex(":")


def text_of(der: bytes) -> str:
    """The text that an ASN.1 value holds; "" for what is no text."""
    if len(der) < 2 or der[0] not in _TEXTS:
        return ""
    length, at = der[1], 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(der[2 : 2 + size], "big"), 2 + size
        if not 1 <= size <= 4:
            return ""
    if at + length != len(der):
        return ""
    try:
        return der[at:].decode(_TEXTS[der[0]])
    except UnicodeDecodeError:
        return ""


def _values(one: x509.Certificate, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(a.value) for a in one.subject.get_attributes_for_oid(oid) if isinstance(a.value, str))


def _subject_key_id(one: x509.Certificate) -> bytes:
    try:
        return one.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return b""


def _authority_key_id(one: x509.Certificate) -> bytes:
    try:
        return one.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    except x509.ExtensionNotFound:
        return b""


def _raw(value: x509.ExtensionType) -> bytes:
    return value.value if isinstance(value, x509.UnrecognizedExtension) else value.public_bytes()
