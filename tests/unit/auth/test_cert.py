"""auth/cert through the pipeline: roles, logins, revocation lists, renewals. TLS itself is not part of it."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from tests.support.authorities import SERVER, Authority, Issued, custom, key, now, text
from tests.support.issuers import Site
from tests.unit.auth.own_server import Server, data, ok, played, refused

from strongroom.api.messages import Auth, Operation, Request
from strongroom.auth.cert import revocation
from strongroom.auth.cert.crls import INTERVAL, refresh
from strongroom.auth.cert.engine import Role
from strongroom.crypto import otp, otp_url
from strongroom.errors import RequestError
from strongroom.pipeline import handle

AT = "auth/cert"
ROOT = Authority("Root")
ISSUING = ROOT.child("Issuing")
WEB = ISSUING.issue("web", dns=["web.example"], units=["ops"])
UNTRUSTED = "invalid certificate or no client certificate supplied"
NO_MATCH = "no chain matching all constraints could be found for this login certificate"


def mounted(scenario: Callable[[Server], Awaitable[Any]]) -> Any:
    """Play a scenario on a server that has the method, and whose clock tells the time of the certificates."""

    async def play(server: Server) -> Any:
        server.clock.advance(time.time() - server.clock.now())
        ok(await server.write("sys/auth/cert", type="cert"))
        return await scenario(server)

    return played(play)


async def role(server: Server, name: str = "web", certificate: Issued = ROOT, **params: Any) -> None:
    ok(await server.write(f"{AT}/certs/{name}", certificate=certificate.pem, **params))


async def login(server: Server, shown: Issued | None = WEB, address: str = "127.0.0.1", **given: Any) -> Any:
    certificates = () if shown is None else shown.shown
    return await server.ask(Operation.UPDATE, f"{AT}/login", "", address=address, shown=certificates, **given)


async def let_in(server: Server, shown: Issued = WEB, **given: Any) -> Auth:
    auth = ok(await login(server, shown, **given)).auth
    assert auth is not None
    return auth


def reason(answer: Any) -> str:
    assert isinstance(answer, RequestError), answer
    return answer.reason


# -- Roles -------------------------------------------------------------------------------------------------------------


def test_a_role_is_read_as_it_was_written() -> None:
    async def scenario(server: Server) -> None:
        assert refused(await server.list(f"{AT}/certs"))[0] == "NotFound"
        assert refused(await server.read(f"{AT}/certs/web"))[0] == "NotFound"
        await role(server, "Web", policies="a,b", ttl=60, allowed_common_names="web,app")
        assert data(await server.read(f"{AT}/certs/WEB")) == {
            "certificate": ROOT.pem,
            "display_name": "web",
            "allowed_names": None,
            "allowed_common_names": ["web", "app"],
            "allowed_dns_sans": None,
            "allowed_email_sans": None,
            "allowed_uri_sans": None,
            "allowed_organizational_units": None,
            "required_extensions": None,
            "allowed_metadata_extensions": None,
            "ocsp_enabled": False,
            "ocsp_ca_certificates": "",
            "ocsp_servers_override": None,
            "ocsp_fail_open": False,
            "ocsp_query_all_servers": False,
            "token_bound_cidrs": [],
            "token_explicit_max_ttl": 0,
            "token_max_ttl": 0,
            "token_no_default_policy": False,
            "token_num_uses": 0,
            "token_period": 0,
            "token_policies": ["a", "b"],
            "token_ttl": 60,
            "token_type": "default",
            "policies": ["a", "b"],
            "ttl": 60,
        }
        ok(await server.write(f"{AT}/certs/web", token_ttl=90))
        shown = data(await server.read(f"{AT}/certs/web"))
        assert (shown["token_ttl"], shown["allowed_common_names"], shown["certificate"]) == (
            90,
            ["web", "app"],
            ROOT.pem,
        )
        ok(await server.write(f"{AT}/certs/web", lease=30, display_name="shop"))
        shown = data(await server.read(f"{AT}/certs/web"))
        assert (shown["ttl"], shown["token_ttl"], shown["display_name"]) == (30, 30, "shop")
        assert data(await server.list(f"{AT}/certs")) == {"keys": ["web"]}
        ok(await server.delete(f"{AT}/certs/web"))
        assert refused(await server.read(f"{AT}/certs/web"))[0] == "NotFound"

    mounted(scenario)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"certificate": ""}, "failed to parse certificate"),
        ({"certificate": "x"}, "failed to parse certificate"),
        ({"certificate": ROOT.issue("s", usage=(SERVER,)).pem}, "nonCA certificates should have TLS client"),
        ({"required_extensions": "1.2.3"}, "required_extensions must be"),
        ({"allowed_metadata_extensions": "abc"}, "allowed_metadata_extensions must be OIDs"),
        ({"ocsp_ca_certificates": "x"}, "failed to parse ocsp_ca_certificates"),
        ({"ocsp_servers_override": "ldap://x"}, "invalid ocsp_servers_override: it does not begin with http"),
        ({"allowed_names": ["x"] * 1001}, "allowed_names has more than 1000 values"),
        ({"ttl": 60, "max_ttl": 30}, "'token_ttl' cannot be greater than 'token_max_ttl'"),
        ({"period": 60, "token_type": "batch"}, "'token_type' cannot be 'batch'"),
    ],
)
def test_a_role_that_cannot_be_is_refused_and_nothing_is_stored(params: dict[str, Any], problem: str) -> None:
    async def scenario(server: Server) -> None:
        kind, words = refused(await server.write(f"{AT}/certs/web", **{"certificate": ROOT.pem, **params}))
        assert (kind, problem in words) == ("BadRequest", True), words
        assert refused(await server.read(f"{AT}/certs/web"))[0] == "NotFound"

    mounted(scenario)


def test_the_settings_of_the_mount() -> None:
    async def scenario(server: Server) -> None:
        assert data(await server.read(f"{AT}/config")) == {
            "disable_binding": False,
            "enable_identity_alias_metadata": False,
            "ocsp_cache_size": 100,
            "role_cache_size": 200,
        }
        ok(await server.write(f"{AT}/config", disable_binding=True))
        ok(await server.write(f"{AT}/config", ocsp_cache_size=7, role_cache_size=-1))
        assert data(await server.read(f"{AT}/config")) == {
            "disable_binding": True,
            "enable_identity_alias_metadata": False,
            "ocsp_cache_size": 7,
            "role_cache_size": -1,
        }
        for params in ({"ocsp_cache_size": 1}, {"ocsp_cache_size": 100_001}, {"role_cache_size": 0}):
            assert "cache size" in refused(await server.write(f"{AT}/config", **params))[1]

    mounted(scenario)


# -- Logins ------------------------------------------------------------------------------------------------------------


def test_a_machine_gets_what_its_role_says() -> None:
    async def scenario(server: Server) -> None:
        extensions = [custom("1.2.3.4", text("blue")), custom("1.2.3.5", b"\x02\x01\x2a")]
        client = ISSUING.issue("web", extensions=extensions)
        oids = "1.2.3.4,1.2.3.5,1.2.3.6"
        await role(server, token_policies="p", token_ttl="5m", allowed_metadata_extensions=oids, token_num_uses=9)
        auth = await let_in(server, client)
        assert (auth.policies, auth.lease_duration, auth.num_uses) == (["default", "p"], 300, 9)
        assert auth.metadata == {
            "cert_name": "web",
            "common_name": "web",
            "serial_number": client.serial,
            "subject_key_id": auth.metadata["subject_key_id"],
            "authority_key_id": auth.metadata["authority_key_id"],
            "1-2-3-4": "blue",
            "1-2-3-5": "",
        }
        assert len(auth.metadata["subject_key_id"].split(":")) == 20
        told = data(await server.read("auth/token/lookup-self", auth.client_token))
        assert (told["display_name"], told["path"]) == ("cert-web", "auth/cert/login")
        entity = data(await server.read(f"identity/entity/id/{auth.entity_id}"))
        assert (entity["aliases"][0]["name"], entity["aliases"][0]["metadata"]) == ("web", None)
        logins = data(await server.read("sys/internal/logins/cert", role="web"))
        assert logins["logins"] == 1

    mounted(scenario)


def test_the_alias_keeps_what_the_certificate_says_when_that_is_wanted() -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        ok(await server.write(f"{AT}/config", enable_identity_alias_metadata=True))
        auth = await let_in(server)
        entity = data(await server.read(f"identity/entity/id/{auth.entity_id}"))
        assert entity["aliases"][0]["metadata"]["serial_number"] == WEB.serial

    mounted(scenario)


NOT_YET = ISSUING.issue("web", days=(1, 2))
EXPIRED = ISSUING.issue("web", days=(-3, -1))
OTHER = Authority("Other").issue("web")


@pytest.mark.parametrize(
    ("shown", "words", "why"),
    [
        (None, "client certificate must be supplied", "the client showed no certificate; a listener asks for one when"),
        (OTHER, UNTRUSTED, 'role web: trust: it is issued by none of the role\'s authorities, but by "CN=Other"'),
        (Authority("Root").issue("web", key_ids=False), UNTRUSTED, "role web: trust: signature does not match"),
        (
            EXPIRED,
            "failed to verify client's certificate: x509: certificate has expired or is not yet valid",
            "the certificate expired on ",
        ),
        (
            NOT_YET,
            "failed to verify client's certificate: x509: certificate has expired or is not yet valid",
            "the certificate is not valid before ",
        ),
        (
            ISSUING.issue("web", usage=(SERVER,)),
            "failed to verify client's certificate: x509: certificate specifies an incompatible key usage",
            "the certificate's extended key usage does not include client authentication",
        ),
        (
            ISSUING.issue("app"),
            NO_MATCH,
            'role web: allowed_common_names: no pattern of ["web*"] fits its common name ["app"]',
        ),
        (Issued(WEB.cert, WEB.key), UNTRUSTED, 'authorities, but by "CN=Issuing"'),
    ],
)
def test_who_is_refused_hears_vaults_words_and_the_log_has_the_reason(
    shown: Issued | None, words: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(server: Server) -> None:
        await role(server, allowed_common_names="web*")
        answer = await login(server, shown)
        assert refused(answer) == ("BadRequest", words)
        assert why in reason(answer)
        assert why in caplog.text

    with caplog.at_level("INFO", logger="strongroom.auth"):
        mounted(scenario)


def test_without_tls_there_is_no_certificate() -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        assert refused(await server.write(f"{AT}/login", "")) == ("BadRequest", "tls connection required")
        torn = await server.ask(Operation.UPDATE, f"{AT}/login", "", shown=(b"torn",))
        assert refused(torn) == ("BadRequest", UNTRUSTED)

    mounted(scenario)


def test_a_certificate_without_a_common_name_is_nobodys() -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        assert "common name" in refused(await login(server, ISSUING.issue("", uris=["spiffe://a/b"])))[1]

    mounted(scenario)


def test_a_role_may_trust_one_certificate_alone() -> None:
    async def scenario(server: Server) -> None:
        own = Authority("Self").issue("solo")
        await role(server, "solo", own, allowed_common_names="solo")
        assert (await let_in(server, own)).metadata["cert_name"] == "solo"  # type: ignore[index]
        again = Authority("Self").issue("solo", key=own.key)
        assert reason(await login(server, again)) == "role solo: trust: it is another certificate than the role's"
        ok(await server.write(f"{AT}/certs/solo", allowed_common_names="other"))
        assert refused(await login(server, own)) == ("BadRequest", UNTRUSTED)
        server.clock.advance(3 * 86400)
        assert "expired" in reason(await login(server, own))

    mounted(scenario)


def test_of_several_roles_the_first_that_matches_counts_and_own_certificates_come_first() -> None:
    async def scenario(server: Server) -> None:
        await role(server, "a-app", allowed_common_names="app")
        await role(server, "b-web", ISSUING, allowed_common_names="web")
        await role(server, "c-any")
        assert await name_of(server, WEB) == "b-web"
        assert await name_of(server, ISSUING.issue("app")) == "a-app"
        assert await name_of(server, ISSUING.issue("else")) == "c-any"
        await role(server, "z-own", WEB)
        assert await name_of(server, WEB) == "z-own"
        assert await name_of(server, WEB, name="C-any") == "c-any"
        answer = await login(server, WEB, name="a-app")
        assert (refused(answer)[1], "role a-app" in reason(answer)) == (NO_MATCH, True)
        for unknown in ("gone", "../x", "x" * 500):
            answer = await login(server, WEB, name=unknown)
            assert (refused(answer)[1], reason(answer)) == (UNTRUSTED, "the mount has no role of that name")
        ok(await server.delete(f"{AT}/certs/z-own"))
        for size in (-1, 1):
            ok(await server.write(f"{AT}/config", role_cache_size=size))
            assert await name_of(server, WEB) == "b-web"

    mounted(scenario)


async def name_of(server: Server, shown: Issued, **given: Any) -> str:
    auth = await let_in(server, shown, **given)
    assert auth.metadata is not None
    return auth.metadata["cert_name"]


def test_a_role_counts_as_it_is_now() -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        await let_in(server)
        await role(server, certificate=Authority("Root"))
        assert "signature does not match" in reason(await login(server))
        await role(server)
        await let_in(server)
        ok(await server.delete(f"{AT}/certs/web"))
        assert reason(await login(server)) == "the mount has no roles"

    mounted(scenario)


def test_a_reason_names_only_some_of_many_roles() -> None:
    async def scenario(server: Server) -> None:
        for n in range(8):
            await role(server, f"r{n}", allowed_common_names="x")
        why = reason(await login(server))
        assert ("role r4" in why, "role r5" in why, why.endswith("; and 3 more")) == (True, False, True)

    mounted(scenario)


def test_a_reason_begins_with_the_roles_that_trust_the_certificate() -> None:
    async def scenario(server: Server) -> None:
        for n in range(8):
            await role(server, f"a{n}", Authority("Other"))
        await role(server, "web", allowed_common_names="x")
        assert reason(await login(server)).startswith("role web: allowed_common_names: ")

    mounted(scenario)


def test_a_role_that_cannot_be_read_any_more_is_in_nobodys_way(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        mount = server.live.mounts.by_path(AT)
        assert mount is not None
        torn = Role(name="torn", certificate=ROOT.pem.replace("MII", "AAA"))

        async def tear(ctx: Any) -> None:
            ctx.storage.store("cert/torn", torn)

        await server.live.on_behalf(mount, tear)
        await let_in(server)
        assert "the certificate of role torn at auth/cert/ cannot be read any more" in caplog.text
        assert refused(await login(server, name="torn")) == ("BadRequest", UNTRUSTED)

    mounted(scenario)


def test_a_role_is_bound_to_addresses() -> None:
    async def scenario(server: Server) -> None:
        await role(server, bound_cidrs="192.0.2.0/24")
        answer = await login(server)
        assert (refused(answer), "bound to other addresses" in reason(answer)) == (
            ("PermissionDenied", "permission denied"),
            True,
        )
        ok(await login(server, address="192.0.2.7"))

    mounted(scenario)


def test_limits_by_role_know_the_role_that_a_certificate_gets() -> None:
    async def scenario(server: Server) -> None:
        await role(server, "app", allowed_common_names="app")
        await role(server, "web", allowed_common_names="web")
        limit = {"path": "auth/cert", "role": "web", "rate": 1, "interval": "60s"}
        where = "sys/quotas/rate-limit/q"
        await handle(server.core, Request(id="1", operation=Operation.UPDATE, path=where, data=limit, token="root"))
        app = ISSUING.issue("app")
        assert [refused_for_rate(await login(server, one)) for one in (WEB, WEB, app, app)] == [
            False,
            True,
            False,
            False,
        ]

    mounted(scenario)


def refused_for_rate(answer: Any) -> bool:
    return isinstance(answer, RequestError) and type(answer).__name__ == "TooManyRequests"


def test_a_second_factor_may_be_demanded_of_a_certificate_too() -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        entity = (await let_in(server)).entity_id
        method = data(await server.write("identity/mfa/method/totp", issuer="S"))["method_id"]
        demand = {"mfa_method_ids": [method], "auth_method_types": ["cert"]}
        ok(await server.write("identity/mfa/login-enforcement/machines", **demand))
        made = data(await server.write("identity/mfa/method/totp/admin-generate", method_id=method, entity_id=entity))
        auth = await let_in(server)
        assert auth.mfa_requirement is not None
        assert auth.client_token == ""
        code = otp.hotp(otp_url.decode_key(otp_url.parse_url(made["url"]).key), steps(server), 6, "SHA1")
        given = {"mfa_request_id": auth.mfa_requirement["mfa_request_id"], "mfa_payload": {method: [code]}}
        whole = ok(await server.write("sys/mfa/validate", "", **given)).auth
        assert whole is not None
        ok(await renew(server, whole.client_token, WEB))
        assert IDENTITY in refused(await renew(server, whole.client_token, ISSUING.issue("app")))[1]

    mounted(scenario)


def steps(server: Server) -> int:
    return otp.counter_at(int(server.clock.now()), 30)


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "*", "../x", "\u202e", "x" * 64])
def test_a_name_that_means_something_elsewhere_is_only_a_name(name: str) -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        answer = await login(server, ISSUING.issue(name))
        if isinstance(answer, RequestError):
            assert refused(answer)[0] == "BadRequest"
            return
        assert answer.auth is not None
        entity = data(await server.read(f"identity/entity/id/{answer.auth.entity_id}"))
        assert entity["aliases"][0]["name"] == name

    mounted(scenario)


# -- Revocation lists --------------------------------------------------------------------------------------------------


def test_lists_are_stored_read_and_deleted() -> None:
    async def scenario(server: Server) -> None:
        assert refused(await server.list(f"{AT}/crls"))[0] == "NotFound"
        other = ISSUING.issue("other")
        ok(await server.write(f"{AT}/crls/Issuing", crl=ISSUING.crl(WEB, other)))
        assert data(await server.list(f"{AT}/crls")) == {"keys": ["issuing"]}
        read = data(await server.read(f"{AT}/crls/ISSUING"))
        assert read == {"cdp": None, "serials": {WEB.serial: {}, other.serial: {}}}
        ok(await server.write(f"{AT}/crls/issuing", crl=ISSUING.crl()))
        assert data(await server.read(f"{AT}/crls/issuing"))["serials"] == {}
        ok(await server.delete(f"{AT}/crls/issuing"))
        for answer in (await server.read(f"{AT}/crls/issuing"), await server.delete(f"{AT}/crls/issuing")):
            assert refused(answer) == ("BadRequest", "no such CRL issuing")

    mounted(scenario)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, "one of 'crl' or 'url' must be provided"),
        ({"crl": ""}, "failed to parse CRL: it is no revocation list in PEM or DER"),
        ({"crl": ROOT.pem}, "failed to parse CRL"),
        ({"crl": "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----"}, "failed to parse CRL"),
        ({"url": ""}, "empty CRL url"),
        ({"url": "file:///etc/passwd"}, "invalid CRL url: it does not begin with http"),
    ],
)
def test_what_is_no_list(params: dict[str, Any], problem: str) -> None:
    async def scenario(server: Server) -> None:
        assert problem in refused(await server.write(f"{AT}/crls/x", **params))[1]

    mounted(scenario)


@pytest.mark.filterwarnings("ignore")
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_break_the_reading_of_a_list(raw: bytes, whole: bool) -> None:
    given = ISSUING.crl(WEB).encode()[:-60] + raw if whole else raw
    try:
        assert isinstance(revocation._read(given, "").serials, frozenset)
    except revocation.BadList as e:
        assert str(e)  # noqa: PT017 - some bytes are lists


def test_a_list_of_an_unknown_version_is_none() -> None:
    der = x509.load_pem_x509_crl(ISSUING.crl(WEB).encode()).public_bytes(Encoding.DER)
    assert revocation._read(der, "").serials == {WEB.serial}
    with pytest.raises(revocation.BadList):
        revocation._read(der.replace(b"\x02\x01\x01", b"\x02\x01\x58", 1), "")


def test_who_is_on_a_list_is_refused_and_so_is_who_has_no_path_around_it() -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        ok(await server.write(f"{AT}/crls/one", crl=ISSUING.crl(WEB)))
        answer = await login(server)
        assert refused(answer) == ("BadRequest", NO_MATCH)
        assert reason(answer).endswith(f"serial number {WEB.serial} of the path is on revocation list one")
        app = ISSUING.issue("app")
        await let_in(server, app)
        ok(await server.write(f"{AT}/crls/two", crl=ROOT.crl(ISSUING, days=(-9, -8))))
        assert f"{ISSUING.serial} of the path is on revocation list two" in reason(await login(server, app))
        ok(await server.delete(f"{AT}/crls/two"))
        ok(await server.write(f"{AT}/crls/two", crl=ROOT.crl(ROOT)))
        assert f"{ROOT.serial} of the path is on revocation list two" in reason(await login(server, app))

    mounted(scenario)


def test_a_path_around_a_revoked_authority_is_as_good() -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        ok(await server.write(f"{AT}/crls/one", crl=ROOT.crl(ISSUING)))
        again = ROOT.child("Issuing", key=ISSUING.key)
        for above in ((ISSUING.cert, again.cert), (again.cert, ISSUING.cert)):
            await let_in(server, Issued(WEB.cert, WEB.key, above))
        assert "is on revocation list one" in reason(await login(server, WEB))

    mounted(scenario)


def test_a_role_of_one_certificate_is_checked_too() -> None:
    async def scenario(server: Server) -> None:
        await role(server, certificate=WEB)
        await let_in(server)
        ok(await server.write(f"{AT}/crls/one", crl=ISSUING.crl(WEB)))
        assert refused(await login(server)) == ("BadRequest", UNTRUSTED)

    mounted(scenario)


def test_a_list_with_an_address_is_fetched_at_once_and_again_when_it_is_due() -> None:
    served: dict[str, Any] = {"answer": (200, ISSUING.crl(days=(-1, 0.5)).encode())}

    async def scenario(server: Server) -> None:
        await role(server)
        ok(await server.write(f"{AT}/crls/far", url=f"{site.address}/far.crl"))
        read = data(await server.read(f"{AT}/crls/far"))
        assert (read["cdp"]["url"], read["serials"]) == (f"{site.address}/far.crl", {})
        assert read["cdp"]["valid_until"].startswith(str(now().year))
        await let_in(server)

        served["answer"] = (200, ISSUING.crl(WEB, days=(-1, 0.9)).encode())
        await round_of(server)
        assert len(site.seen) == 1
        server.clock.advance(0.6 * 86400)
        await round_of(server)
        assert "is on revocation list far" in reason(await login(server))

        served["answer"] = (500, b"")  # what cannot be fetched stays as it is
        server.clock.advance(0.35 * 86400)
        await round_of(server)
        assert len(site.seen) == 3
        assert "is on revocation list far" in reason(await login(server))

    with Site(lambda *_: served["answer"]) as site:
        mounted(scenario)


async def round_of(server: Server) -> None:
    """Let the mount's recurring work be done once."""
    server.clock.advance(INTERVAL + 1)
    mount = server.live.mounts.by_path(AT)
    assert mount is not None
    await server.live.on_behalf(mount, refresh)


@pytest.mark.parametrize("answer", [(404, b""), (200, b"nonsense"), (200, b"x" * (17 << 20))])
def test_a_list_that_cannot_be_fetched_is_not_stored(answer: Any) -> None:
    async def scenario(server: Server) -> None:
        kind, words = refused(await server.write(f"{AT}/crls/far", url=site.address))
        assert (kind, "fetching the CRL failed" in words) == ("InternalError", True)
        assert refused(await server.list(f"{AT}/crls"))[0] == "NotFound"

    with Site(lambda *_: answer) as site:
        mounted(scenario)


# -- Renewals ----------------------------------------------------------------------------------------------------------


async def renew(server: Server, token: str, shown: Issued | None, by: str = "") -> Any:
    certificates = () if shown is None else shown.shown
    path = "auth/token/renew" if by else "auth/token/renew-self"
    given = {"token": token} if by else {}
    return await server.ask(Operation.UPDATE, path, by or token, shown=certificates, **given)


def test_a_token_is_renewed_for_whom_it_was_given_to() -> None:
    async def scenario(server: Server) -> None:
        await role(server, token_ttl=60, token_policies="p")
        token = (await let_in(server)).client_token
        ok(await renew(server, token, WEB))
        same_key = ROOT.issue("moved", key=WEB.key)
        same_names = ISSUING.issue("web", dns=["web.example"], units=["ops"])
        for shown in (same_key, same_names):
            ok(await renew(server, token, shown))
        ok(await server.write(f"{AT}/certs/web", token_ttl=90))
        auth = ok(await renew(server, token, WEB)).auth
        assert auth is not None
        assert auth.lease_duration == 90
        accessor = data(await server.read("auth/token/lookup-self", token))["accessor"]
        ok(await server.ask(Operation.UPDATE, "auth/token/renew-accessor", shown=WEB.shown, accessor=accessor))

    mounted(scenario)


IDENTITY = "client identity during renewal not matching client identity used during login"


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (None, "client certificate must be supplied"),
        (ISSUING.issue("other"), IDENTITY),
        (ISSUING.issue("web", dns=["other.example"], units=["ops"]), IDENTITY),
        (ROOT.issue("web", dns=["web.example"], units=["ops"]), IDENTITY),
        (OTHER, UNTRUSTED),
        (ISSUING.issue("web", key=WEB.key, days=(-3, -2)), "certificate has expired"),
    ],
)
def test_nobody_else_renews_it_whoever_asks(shown: Issued | None, words: str) -> None:
    async def scenario(server: Server) -> None:
        await role(server, token_ttl=60)
        token = (await let_in(server)).client_token
        for by in ("", "root"):
            kind, said = refused(await renew(server, token, shown, by))
            assert (kind, "failed to renew entry" in said, words in said) == ("InternalError", True, True), said
        ok(await server.write(f"{AT}/config", disable_binding=True))
        ok(await renew(server, token, shown))

    mounted(scenario)


def test_a_token_is_not_renewed_once_the_role_would_let_nobody_in() -> None:
    async def scenario(server: Server) -> None:
        await role(server, token_ttl=60, token_policies="p")
        token = (await let_in(server)).client_token
        ok(await server.write(f"{AT}/crls/one", crl=ISSUING.crl(WEB)))
        assert NO_MATCH in refused(await renew(server, token, WEB))[1]
        ok(await server.delete(f"{AT}/crls/one"))
        ok(await server.write(f"{AT}/certs/web", allowed_common_names="other"))
        assert NO_MATCH in refused(await renew(server, token, WEB))[1]
        ok(await server.write(f"{AT}/certs/web", allowed_common_names="", token_policies="q"))
        assert "policies have changed, not renewing" in refused(await renew(server, token, WEB))[1]
        ok(await server.write(f"{AT}/certs/web", token_policies="default,p"))
        ok(await renew(server, token, WEB))
        ok(await server.delete(f"{AT}/certs/web"))
        assert "the role does not exist any more" in refused(await renew(server, token, WEB))[1]

    mounted(scenario)


def test_a_certificate_of_the_same_names_without_key_ids_is_known_too() -> None:
    async def scenario(server: Server) -> None:
        await role(server, token_ttl=60)
        client = ISSUING.issue("web", key_ids=False)
        auth = await let_in(server, client)
        assert auth.metadata is not None
        assert (auth.metadata["subject_key_id"], auth.metadata["authority_key_id"]) == ("", "")
        ok(await renew(server, auth.client_token, client))
        assert IDENTITY in refused(await renew(server, auth.client_token, ISSUING.issue("app", key_ids=False)))[1]

    mounted(scenario)


def test_nothing_of_a_key_is_in_what_is_stored() -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        token = (await let_in(server)).client_token
        entry = await server.live.tokens.lookup(token)
        assert entry is not None
        assert set(entry.internal) == {"role", "key", "holder", "policies", "explicit_max_ttl"}
        assert "PRIVATE" not in json.dumps(entry.internal)

    mounted(scenario)


def test_a_key_of_another_kind_logs_in_too() -> None:
    async def scenario(server: Server) -> None:
        await role(server)
        await let_in(server, ISSUING.issue("web", key=key()))

    mounted(scenario)
