"""Roles: which certificates are trusted, whom of theirs to let in, and what the tokens are."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from strongroom.api.args import field
from strongroom.api.context import Context
from strongroom.api.fields import CommaList, Duration, LowerName
from strongroom.auth.cert.engine import OWN, ROLES, Role, cert
from strongroom.auth.cert.rules import is_oid, parse_extension
from strongroom.auth.outbound import url_problem
from strongroom.auth.token_params import KEPT, OldLimits, OldPeriod, OldPolicies, TokenArgs
from strongroom.errors import BadRequest

#: Of each list of patterns.
MOST_PATTERNS: Final = 1000
LISTS: Final = tuple(name for name in OWN if name.startswith(("allowed_", "required_", "ocsp_servers")))


class RoleArgs(TokenArgs, OldPolicies, OldLimits, OldPeriod):
    """Whose certificates may log in, and what the tokens are. What is not given stays as it is."""

    name: LowerName = field("The role; upper case counts as lower case.")
    certificate: str = field("PEM: an authority (or several), or one client's own certificate.")
    display_name: str = field("What the tokens are called; the role's name unless given.")
    allowed_names: CommaList = field("Use the lists below. Patterns for any of its names.", deprecated=True)
    allowed_common_names: CommaList = field("Patterns for the common name, of which one must match.")
    allowed_dns_sans: CommaList = field("Patterns for its DNS names, of which one must match.")
    allowed_email_sans: CommaList = field("Patterns for its e-mail addresses, of which one must match.")
    allowed_uri_sans: CommaList = field("Patterns for its URIs, of which one must match.")
    allowed_organizational_units: CommaList = field("Patterns for its units, of which one must match.")
    required_extensions: CommaList = field("oid:pattern or hex:oid:pattern for each extension that it must have.")
    allowed_metadata_extensions: CommaList = field("OIDs of extensions whose text becomes metadata of the token.")
    ocsp_enabled: bool = field("Ask by OCSP whether the certificate is revoked.")
    ocsp_ca_certificates: str = field("PEM: further certificates that OCSP answers may be signed with.")
    ocsp_servers_override: CommaList = field("URLs to ask, in place of those that the certificate names.")
    ocsp_fail_open: bool = field("Let it in when nobody can say whether it is revoked.")
    ocsp_query_all_servers: bool = field("Ask all servers; each must say that it is good.")
    ttl: Duration = field("The old name of token_ttl.", aliases=("lease",), deprecated=True)


async def _finish(ctx: Context, role: Role, args: RoleArgs) -> Role:
    role = replace(role, display_name=role.display_name or role.name)
    _check(role)
    for text in _warnings(role):
        ctx.warn(text)
    return role


ROLES.serve(cert, "certs", RoleArgs, show=Role.shown, finish=_finish, exists=False, then=KEPT)


def _check(role: Role) -> None:
    # Reading certificates takes a library that most servers never need.
    from strongroom.auth.cert import pem

    pem.check_trusted(role.certificate)
    try:
        named = pem.certificates(role.ocsp_ca_certificates)
    except pem.BadCertificate as e:
        raise BadRequest(f"failed to parse ocsp_ca_certificates: {e}") from None
    if role.ocsp_ca_certificates.strip() and not named:
        raise BadRequest("failed to parse ocsp_ca_certificates")
    for name in LISTS:
        if len(getattr(role, name) or ()) > MOST_PATTERNS:
            raise BadRequest(f"{name} has more than {MOST_PATTERNS} values")
    for text in role.required_extensions or ():
        parse_extension(text)
    if not all(is_oid(oid) for oid in role.allowed_metadata_extensions or ()):
        raise BadRequest("allowed_metadata_extensions must be OIDs, such as 1.2.3.4")
    for url in role.ocsp_servers_override or ():
        if problem := url_problem(url):
            raise BadRequest(f"invalid ocsp_servers_override: {problem}")


def _warnings(role: Role) -> list[str]:
    """What would make every login fail."""
    from strongroom.auth.cert import pem

    found = pem.certificates(role.certificate)
    if role.ocsp_enabled and not role.ocsp_ca_certificates and not pem.is_authority(found[0]):
        return ["ocsp_enabled needs the issuer of the certificate among ocsp_ca_certificates"]
    return []
