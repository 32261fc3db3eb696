"""Authorities with every knob that a certificate has, for tests of what is done with clients' certificates.

root = Authority("Root")
issuing = root.child("Issuing", path_length=0)
client = issuing.issue("web", dns=["web.example"], days=(-1, 1))
client.shown        # DER: the certificate and those above it, as TLS brings them
issuing.crl(client) # PEM
"""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from tests.support.certificates import Files

DAY = datetime.timedelta(days=1)
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def named(name: str, units: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    return x509.Name([*parts, *([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])])


def text(value: str) -> bytes:
    """A text as an extension holds it."""
    raw = value.encode()
    return bytes([0x0C, len(raw)]) + raw


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and those above it without the root."""

    cert: x509.Certificate
    key: Any
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        return self.cert.public_bytes(Encoding.PEM).decode()

    @property
    def chain_pem(self) -> str:
        return "".join(one.public_bytes(Encoding.PEM).decode() for one in (self.cert, *self.above))

    @property
    def shown(self) -> tuple[bytes, ...]:
        return tuple(one.public_bytes(Encoding.DER) for one in (self.cert, *self.above))

    @property
    def serial(self) -> str:
        return str(self.cert.serial_number)

    def write(self, folder: pathlib.Path, name: str = "client") -> Files:
        """The certificate with those above it, and its key, as files."""
        files = Files(folder / f"{name}.crt", folder / f"{name}.key")
        files.cert.write_text(self.chain_pem)
        files.key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files


class Authority(Issued):
    """A certificate that signs others; `parent` None for a root."""

    def __init__(self, name: str = "Root", parent: Authority | None = None, **knobs: Any) -> None:
        private = knobs.pop("key", None) or key()
        length = knobs.pop("path_length", None)
        extensions = [(x509.BasicConstraints(ca=True, path_length=length), True), *knobs.pop("extensions", [])]
        cert = build(name, private, parent, extensions=extensions, usage=(), **knobs)
        object.__setattr__(self, "cert", cert)
        object.__setattr__(self, "key", private)
        object.__setattr__(self, "above", parent.chain if parent else ())

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What a client shows of those above it: all but the root."""
        root = self.cert.issuer == self.cert.subject
        return () if root else (self.cert, *self.above)

    def child(self, name: str = "Issuing", **knobs: Any) -> Authority:
        return Authority(name, self, **knobs)

    def issue(self, name: str = "web", **knobs: Any) -> Issued:
        private = knobs.pop("key", None) or key()
        return Issued(build(name, private, self, **knobs), private, self.chain)

    def crl(self, *revoked: Issued, days: tuple[float, float | None] = (-1, 1)) -> str:
        """A revocation list in PEM; `days` are from when, and when the next is due."""
        begins, due = now() + DAY * days[0], now() + DAY * (days[1] or 1)
        entries = [
            x509.RevokedCertificateBuilder().serial_number(one.cert.serial_number).revocation_date(begins).build()
            for one in revoked
        ]
        listed = x509.CertificateRevocationListBuilder(self.cert.subject, begins, due, (), entries)
        return listed.sign(self.key, _hash(self.key)).public_bytes(Encoding.PEM).decode()


def build(
    name: str,
    private: Any,
    signer: Authority | None = None,
    *,
    days: tuple[float, float] = (-1, 1),
    units: Sequence[str] = (),
    dns: Sequence[str] = (),
    emails: Sequence[str] = (),
    uris: Sequence[str] = (),
    usage: Sequence[x509.ObjectIdentifier] = (CLIENT,),
    ocsp_url: str = "",
    key_ids: bool = True,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.Certificate:
    """A certificate; self-signed without a signer. `days` are from now."""
    subject = named(name, units)
    issuer = signer.cert.subject if signer else subject
    signing = signer.key if signer else private
    builder = x509.CertificateBuilder(
        issuer, subject, private.public_key(), x509.random_serial_number(), now() + DAY * days[0], now() + DAY * days[1]
    )
    sans: list[x509.GeneralName] = [
        *map(x509.DNSName, dns),
        *map(x509.RFC822Name, emails),
        *map(x509.UniformResourceIdentifier, uris),
    ]
    every: list[tuple[x509.ExtensionType, bool]] = [*extensions]
    if sans:
        every.append((x509.SubjectAlternativeName(sans), not name and not units))
    if usage:
        every.append((x509.ExtendedKeyUsage(usage), False))
    if ocsp_url:
        where = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp_url))
        every.append((x509.AuthorityInformationAccess([where]), False))
    if key_ids:
        every.append((x509.SubjectKeyIdentifier.from_public_key(private.public_key()), False))
        every.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), False))
    for extension, critical in every:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signing, _hash(signing))


def custom(oid: str, value: bytes, critical: bool = False) -> tuple[x509.ExtensionType, bool]:
    """An extension of one's own."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical


def ocsp_answer(
    one: x509.Certificate,
    issuer: x509.Certificate,
    signer: Issued,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    made: float = -60,
    due: float | None = 3600,
    show_signer: bool = False,
    algorithm: hashes.HashAlgorithm | None = None,
) -> bytes:
    """An OCSP answer about a certificate; `made` and `due` are seconds from now."""
    at = now()
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=one,
        issuer=issuer,
        algorithm=hashes.SHA1(),
        cert_status=status,
        this_update=at + datetime.timedelta(seconds=made),
        next_update=None if due is None else at + datetime.timedelta(seconds=due),
        revocation_time=at - DAY if revoked else None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.cert)
    if show_signer:
        builder = builder.certificates([signer.cert])
    answer = builder.sign(signer.key, algorithm or _hash(signer.key))
    return answer.public_bytes(Encoding.DER)


def _hash(private: Any) -> hashes.SHA256 | None:
    return None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
