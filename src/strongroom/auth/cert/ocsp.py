"""Asking by OCSP whether a certificate is revoked. Source: RFC 6960.

An answer counts when it is about the certificate, of this time, and signed by the certificate's issuer, by somebody
whom the issuer has made its responder, or by one of the role's `ocsp_ca_certificates`. It counts again until the next
one is due. Whatever else comes is no answer.
"""

from __future__ import annotations

import asyncio
import datetime
import enum
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from strongroom.api.context import Context
from strongroom.auth import outbound
from strongroom.auth.cert.paths import issued, times
from strongroom.auth.cert.pem import UNREADABLE, Certificates, usages

#: How long all servers together may take, how many are asked, and by how much clocks may differ; seconds.
TIMEOUT: Final = 15.0
MOST_SERVERS: Final = 8
SKEW: Final = 300.0
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CACHE: Final = "ocsp answers"


class Status(enum.Enum):
    """What is known of a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class Told(NamedTuple):
    """An answer, why it is that, and until when it counts, in Unix seconds."""

    status: Status
    detail: str
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """A certificate and who is asked about it; `others` may sign answers beside the issuer."""

    one: x509.Certificate
    issuer: x509.Certificate
    servers: tuple[str, ...]
    others: Certificates = ()
    every: bool = False

    @property
    def key(self) -> bytes:
        """What the answer depends on."""
        parts = [self.one.fingerprint(hashes.SHA256()), self.issuer.fingerprint(hashes.SHA256()), bytes([self.every])]
        parts += [one.fingerprint(hashes.SHA256()) for one in self.others]
        parts += [hashlib.sha256(url.encode()).digest() for url in self.servers]
        return hashlib.sha256(b"".join(parts)).digest()


class NoAnswer(Exception):
    """Nothing that counts as an answer; the text is for logs."""


def servers_of(one: x509.Certificate) -> tuple[str, ...]:
    """The servers that a certificate itself names."""
    try:
        access = one.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(
        entry.access_location.value
        for entry in access
        if entry.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(entry.access_location, x509.UniformResourceIdentifier)
    )


async def status(ctx: Context, question: Question, cached: int) -> Told:
    """What the servers say of a certificate; `cached` is how many answers the mount keeps."""
    kept: dict[bytes, Told] = ctx.memory.setdefault(_CACHE, {})
    now = ctx.clock.now()
    known = kept.get(question.key)
    if known is not None and known.until > now:
        return known
    if not question.servers:
        return Told(Status.UNKNOWN, "the certificate names no OCSP server, and the role has no ocsp_servers_override")
    try:
        async with asyncio.timeout(TIMEOUT):
            told = await _asked(ctx, question)
    except TimeoutError:
        return Told(Status.UNKNOWN, f"the OCSP servers have not answered within {TIMEOUT:g} s")
    if told.status is not Status.UNKNOWN and told.until > now:
        while len(kept) >= cached:
            del kept[next(iter(kept))]
        kept[question.key] = told
    return told


async def _asked(ctx: Context, question: Question) -> Told:
    request = (
        ocsp.OCSPRequestBuilder()
        .add_certificate(question.one, question.issuer, hashes.SHA1())  # noqa: S303 - a name, which all servers know
        .build()
    )
    answers: list[Told] = []
    servers = question.servers[:MOST_SERVERS]
    if question.every:
        answers += await asyncio.gather(*(_ask(ctx, url, request, question) for url in servers))
    else:
        for url in servers:
            answers.append(await _ask(ctx, url, request, question))
            if answers[-1].status is not Status.UNKNOWN:
                break
    for wanted in (Status.REVOKED, Status.UNKNOWN) if question.every else (Status.REVOKED, Status.GOOD):
        found = next((told for told in answers if told.status is wanted), None)
        if found is not None:
            return found
    if question.every:
        return min(answers, key=lambda told: told.until)
    return Told(Status.UNKNOWN, "; ".join(told.detail for told in answers))


async def _ask(ctx: Context, url: str, request: ocsp.OCSPRequest, question: Question) -> Told:
    where = outbound.shown(url)
    headers = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
    try:
        answer = await outbound.of(ctx).post(url, headers=headers, raw=request.public_bytes(Encoding.DER))
        if answer.status != 200:
            raise NoAnswer(f"status {answer.status}")
        told = judged(answer.body, request, question, ctx.clock.now())
    except outbound.Unreachable as e:
        return Told(Status.UNKNOWN, str(e))
    except NoAnswer as e:
        return Told(Status.UNKNOWN, f"{where}: {e}")
    return told._replace(detail=f"{where}: {told.detail}")


def judged(body: bytes, request: ocsp.OCSPRequest, question: Question, now: float) -> Told:
    """What a server's answer says.

    Raises:
        NoAnswer: nothing that counts.
    """
    try:
        answer = ocsp.load_der_ocsp_response(body)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise NoAnswer(f"the server says {answer.response_status.name.lower().replace('_', ' ')}")
        _check_signature(answer, question, now)
        single = next((one for one in answer.responses if _is_about(one, request)), None)
        if single is None:
            raise NoAnswer("the answer is about another certificate")
        return _told(single, now)
    except UNREADABLE as e:
        raise NoAnswer(f"the answer cannot be read ({type(e).__name__})") from None


def _is_about(single: ocsp.OCSPSingleResponse, request: ocsp.OCSPRequest) -> bool:
    return (
        single.serial_number == request.serial_number
        and single.hash_algorithm.name == request.hash_algorithm.name
        and hmac.compare_digest(single.issuer_key_hash, request.issuer_key_hash)
        and hmac.compare_digest(single.issuer_name_hash, request.issuer_name_hash)
    )


def _told(single: ocsp.OCSPSingleResponse, now: float) -> Told:
    made, due = single.this_update_utc.timestamp(), single.next_update_utc
    if made > now + SKEW:
        raise NoAnswer("the answer is of a time to come")
    until = due.timestamp() if due is not None else made
    if due is not None and until < now - SKEW:
        raise NoAnswer(f"the answer was good until {due:%Y-%m-%d %H:%M:%S} UTC")
    if due is None and made < now - SKEW:
        raise NoAnswer("the answer is old, and does not say when the next is due")
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return Told(Status.GOOD, "the certificate is good", until)
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        when = single.revocation_time_utc or datetime.datetime.fromtimestamp(0, datetime.UTC)
        return Told(Status.REVOKED, f"the certificate was revoked on {when:%Y-%m-%d %H:%M:%S} UTC", until)
    return Told(Status.UNKNOWN, "the server does not know the certificate")


def _check_signature(answer: ocsp.OCSPResponse, question: Question, now: float) -> None:
    masters = (question.issuer, *question.others)
    signers = [*masters, *(one for one in answer.certificates if _is_responder(one, masters, now))]
    if not any(_has_signed(one, answer) for one in signers if not times(one, now)):
        raise NoAnswer("the answer is signed by nobody who may speak for the issuer")


def _is_responder(one: x509.Certificate, masters: Sequence[x509.Certificate], now: float) -> bool:
    """Whether one of those who may speak has named a certificate as its responder."""
    return (
        ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string in (usages(one) or ())
        and not times(one, now)
        and any(issued(one, master) for master in masters)
    )


def _has_signed(one: x509.Certificate, answer: ocsp.OCSPResponse) -> bool:
    key: Any = one.public_key()
    algorithm = answer.signature_hash_algorithm
    signature, text = answer.signature, answer.tbs_response_bytes
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, text)
        elif not isinstance(algorithm, _HASHES):
            return False
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, text, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, text, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True
