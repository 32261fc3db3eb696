"""Whether a role lets a client's certificate in. The login and the doctor ask the same questions here.

1. Is it the role's own certificate, or is there a path from it to one of the role's authorities?
2. Is a certificate of the path on a revocation list? A path around a revoked authority is as good.
3. Do the role's rules about names and extensions hold?
4. Does OCSP say that it is good, if the role wants that known?
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from strongroom.api.context import Context
from strongroom.api.doctor import Findings
from strongroom.auth.cert import ocsp, pem
from strongroom.auth.cert.engine import Config, Revoked, Role
from strongroom.auth.cert.paths import Untrusted, called, issued, path
from strongroom.auth.cert.pem import Certificates
from strongroom.auth.cert.presented import Presented, serial_of
from strongroom.auth.cert.rules import judge

log = logging.getLogger("strongroom.auth")

#: The name of the first check.
TRUST: Final = "trust"
_ROLES: Final = "certificates of roles"
_OUTLINES: Final = "what roles are about"
_MOST_OUTLINES: Final = 10_000


class Outline(NamedTuple):
    """What tells most roles apart from the one that a certificate is for, without looking at their certificates.

    `subjects` are the names that the role's authorities sign under, `fingerprint` is of its first certificate.
    """

    authority: bool
    fingerprint: bytes
    subjects: frozenset[bytes]


class Trusted(NamedTuple):
    """The certificates of a role: those that it trusts, and those that may sign OCSP answers."""

    certificates: Certificates
    responders: Certificates


class Verdict(NamedTuple):
    """Whether there is a path from the certificate, it is let in, and that could not be told."""

    trusted: bool
    matched: bool = False
    untold: bool = False


@dataclass(frozen=True, slots=True)
class Grounds:
    """What all roles of a mount are judged with, for one certificate. Without `online` nobody is asked by OCSP."""

    config: Config
    lists: Mapping[str, Revoked]
    online: bool = True
    #: Paths that were found, or why there is none, by the PEM text of the authorities: many roles trust the same.
    paths: dict[str, Certificates | Untrusted] = field(default_factory=dict)


def trusted_by(ctx: Context, role: Role, config: Config) -> Trusted:
    """The certificates of a role; read once for as long as they stay in memory."""
    kept: dict[tuple[str, str], Trusted] = ctx.memory.setdefault(_ROLES, {})
    texts = (role.certificate, role.ocsp_ca_certificates)
    known = kept.get(texts)
    if known is not None:
        return known
    trusted = Trusted(pem.certificates(role.certificate), pem.certificates(role.ocsp_ca_certificates))
    while len(kept) >= max(config.role_cache_size, 1):
        del kept[next(iter(kept))]
    if config.role_cache_size > 0:
        kept[texts] = trusted
    return trusted


def outline_of(ctx: Context, role: Role, config: Config) -> Outline:
    """What a role is about."""
    kept: dict[str, Outline] = ctx.memory.setdefault(_OUTLINES, {})
    known = kept.get(role.certificate)
    if known is not None:
        return known
    try:
        found = trusted_by(ctx, role, config).certificates
    except pem.BadCertificate as e:
        # It could be read when it was stored; what has changed since must not be in the way of other roles.
        log.warning("the certificate of role %s at %s cannot be read any more: %s", role.name, ctx.mount.path, e)
        return Outline(authority=True, fingerprint=b"", subjects=frozenset())
    subjects = frozenset(one.subject.public_bytes() for one in found)
    outline = Outline(pem.is_authority(found[0]), found[0].fingerprint(hashes.SHA256()), subjects)
    while len(kept) >= _MOST_OUTLINES:
        del kept[next(iter(kept))]
    kept[role.certificate] = outline
    return outline


async def examine(ctx: Context, shown: Presented, role: Role, grounds: Grounds, found: Findings) -> Verdict:
    """Judge a certificate by a role; each check is put down."""
    outline = outline_of(ctx, role, grounds.config)
    try:
        chain = _path(ctx, shown, role, outline, grounds)
    except Untrusted as e:
        found.wrong(TRUST, str(e))
        return Verdict(trusted=False)
    what = called(chain[-1].subject)
    found.right(TRUST, f"the path ends at {what}" if outline.authority else "it is the role's own certificate")
    good = _not_revoked(ctx, shown, role, chain, grounds, found)
    holds = [found.judge(rule.name, rule.holds, rule.detail, rule.detail) for rule in judge(role, shown)]
    if good is None or not all(holds):
        return Verdict(outline.authority)
    matched, untold = await _online(ctx, shown, role, good, grounds, found)
    return Verdict(outline.authority, matched, untold)


def _path(ctx: Context, shown: Presented, role: Role, outline: Outline, grounds: Grounds) -> Certificates:
    """The path to what the role trusts; raises `Untrusted`."""
    if not outline.authority:
        if hmac.compare_digest(outline.fingerprint, shown.leaf.fingerprint(hashes.SHA256())):
            return (shown.leaf,)
        raise Untrusted("it is another certificate than the role's")
    # Names are compared before signatures are checked: a mount may have many roles.
    if outline.subjects.isdisjoint(shown.names):
        names = ", ".join(sorted({called(one.issuer) for one in (shown.leaf, *shown.rest)}))
        raise Untrusted(f"it is issued by none of the role's authorities, but by {names}")
    known = grounds.paths.get(role.certificate)
    if known is None:
        try:
            known = path(shown.leaf, shown.rest, trusted_by(ctx, role, grounds.config).certificates, ctx.clock.now())
        except Untrusted as e:
            known = e
        grounds.paths[role.certificate] = known
    if isinstance(known, Untrusted):
        raise Untrusted(*known.args)
    return known


def _not_revoked(
    ctx: Context, shown: Presented, role: Role, chain: Certificates, grounds: Grounds, found: Findings
) -> Certificates | None:
    """The path, or another one, if no certificate of it is on a revocation list."""
    if not grounds.lists:
        found.skip("revocation lists", "the mount has none")
        return chain
    listed = _listed(chain, grounds.lists)
    if not listed:
        found.right("revocation lists", "no certificate of the path is on one")
        return chain
    serial, name = next(iter(listed.items()))
    around = _path_around(ctx, shown, role, grounds) if serial != shown.serial else None
    if around is not None:
        found.right("revocation lists", f"serial number {serial} is on {name}, and there is a path without it")
    else:
        found.wrong("revocation lists", f"serial number {serial} of the path is on revocation list {name}")
    return around


def _path_around(ctx: Context, shown: Presented, role: Role, grounds: Grounds) -> Certificates | None:
    """A path on which nobody is revoked, if there is one."""
    anchors = trusted_by(ctx, role, grounds.config).certificates
    without = _listed((*shown.rest, *anchors), grounds.lists)
    rest = tuple(one for one in shown.rest if serial_of(one) not in without)
    try:
        return path(shown.leaf, rest, tuple(one for one in anchors if serial_of(one) not in without), ctx.clock.now())
    except Untrusted:
        return None


def _listed(certificates: Iterable[x509.Certificate], lists: Mapping[str, Revoked]) -> dict[str, str]:
    """The serial numbers that are on a list, and on which."""
    serials = [serial_of(one) for one in certificates]
    return {serial: name for serial in serials for name, listed in lists.items() if serial in listed.serials}


async def _online(
    ctx: Context, shown: Presented, role: Role, chain: Certificates, grounds: Grounds, found: Findings
) -> tuple[bool, bool]:
    """Whether OCSP lets the certificate in, and whether it could not be told."""
    if not role.ocsp_enabled or not grounds.online:
        found.skip("OCSP", "not asked here" if role.ocsp_enabled else "the role does not want it")
        return True, False
    told = await _told(ctx, shown, role, chain, grounds.config)
    unknown = told.status is ocsp.Status.UNKNOWN
    if unknown and role.ocsp_fail_open:
        found.note("OCSP", f"{told.detail}; the role lets it in all the same")
        return True, False
    return found.judge("OCSP", told.status is ocsp.Status.GOOD, told.detail, told.detail), unknown


async def _told(ctx: Context, shown: Presented, role: Role, chain: Certificates, config: Config) -> ocsp.Told:
    responders = trusted_by(ctx, role, config).responders
    # Of a role's own certificate nothing is above it in the path; the issuer has to be among what the role has.
    issuer = chain[1] if len(chain) > 1 else next((one for one in responders if issued(shown.leaf, one)), None)
    if issuer is None:
        return ocsp.Told(ocsp.Status.UNKNOWN, "the issuer of the certificate is not among ocsp_ca_certificates")
    servers = tuple(role.ocsp_servers_override or ocsp.servers_of(shown.leaf))
    question = ocsp.Question(shown.leaf, issuer, servers, responders, every=role.ocsp_query_all_servers)
    return await ocsp.status(ctx, question, config.ocsp_cache_size)
