"""Why a login with a certificate fails: the doctor and the login agree."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.authorities import SERVER, Authority, Issued, ocsp_answer
from tests.support.issuers import Site
from tests.unit.auth.own_server import Server, data, ok, refused
from tests.unit.auth.test_cert import AT, login, mounted, role
from tests.unit.system.test_auth_doctor import agree, examine, results, wrong

from strongroom.api.messages import Operation

ROOT = Authority("Root")
ISSUING = ROOT.child("Issuing")
WEB = ISSUING.issue("web")


@pytest.mark.parametrize(
    ("client", "check", "detail"),
    [
        (WEB, "", ""),
        (ISSUING.issue("app"), "allowed_common_names", 'no pattern of ["web*"] fits its common name ["app"]'),
        (Authority("Other").issue("web"), "trust", "it is issued by none of the role's authorities"),
        (ISSUING.issue("web", days=(-3, -2)), "validity", "the certificate expired on "),
        (ISSUING.issue("web", usage=(SERVER,)), "extended key usage", "it does not include client authentication"),
        (ISSUING.issue("", dns=["web"]), "common name", "the certificate has none"),
    ],
)
def test_the_doctor_agrees_with_the_login(client: Issued, check: str, detail: str) -> None:
    async def scenario(server: Server) -> None:
        await role(server, certificate=ROOT, allowed_common_names="" if check == "common name" else "web*")
        for named in ({"role": "web"}, {"role": "WEB"}, {}):
            found = await examine(server, "cert", certificate=client.chain_pem, **named)
            if named or check in ("", "validity", "extended key usage", "common name"):
                assert wrong(found).get(check, "").startswith(detail)
            else:
                assert f"{check}: {detail}" in results(found)["role web"][1]
            agree(found, await login(server, client, name=named.get("role", "")))

    mounted(scenario)


def test_it_looks_at_what_the_connection_shows_when_nothing_else_is_given() -> None:
    async def scenario(server: Server) -> None:
        await role(server, certificate=ROOT)
        answer = await server.ask(Operation.UPDATE, "sys/auth-doctor/cert", shown=WEB.shown, role="web")
        assert data(answer)["ok"] is True
        found = await examine(server, "cert", role="web")
        assert results(found)["certificate"][0] == "skipped"

    mounted(scenario)


@pytest.mark.parametrize(
    ("given", "check", "detail"),
    [
        ({"certificate": "nonsense"}, "certificate", "what was given has no certificate in PEM"),
        (
            {"certificate": "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"},
            "certificate",
            "certificate 1 of it is damaged",
        ),
        ({"certificate": WEB.pem, "role": "gone"}, "role", 'there is no role "gone"'),
        ({"certificate": WEB.pem, "role": "a/b"}, "role", 'there is no role "a/b"'),
        ({"certificate": WEB.pem}, "role", "the mount has none"),
    ],
)
def test_what_it_cannot_look_at(given: dict[str, Any], check: str, detail: str) -> None:
    async def scenario(server: Server) -> None:
        found = await examine(server, "cert", **given)
        assert wrong(found)[check] == detail

    mounted(scenario)


def test_it_knows_revocation_lists_addresses_and_what_ocsp_says() -> None:
    async def scenario(server: Server) -> None:
        client = ISSUING.issue("web", ocsp_url=site.address)
        clients.append(client)
        await role(server, certificate=ROOT, ocsp_enabled=True, token_bound_cidrs="192.0.2.0/24", policies="gone")
        given = {"certificate": client.chain_pem, "role": "web"}
        found = await examine(server, "cert", remote_address="192.0.2.1", **given)
        assert found["ok"], found
        assert results(found)["OCSP"][1].endswith("the certificate is good")
        assert results(found)["revocation lists"] == ("skipped", "the mount has none")
        assert results(found)["policies"][0] == "note"
        assert "the role's token_bound_cidrs" in wrong(await examine(server, "cert", **given))
        ok(await server.write(f"{AT}/crls/issuing", crl=ISSUING.crl(client)))
        assert "revocation lists" in wrong(await examine(server, "cert", **given))
        found = await examine(server, "cert", certificate=client.chain_pem)
        assert "is on revocation list issuing" in results(found)["role web"][1]

    clients: list[Issued] = []
    with Site(lambda *_: (200, ocsp_answer(clients[-1].cert, ISSUING.cert, ISSUING))) as site:
        mounted(scenario)


def test_only_who_may_ask_is_answered() -> None:
    async def scenario(server: Server) -> None:
        token = await server.token()
        answer = await server.write("sys/auth-doctor/cert", token, certificate=WEB.pem)
        assert refused(answer)[0] == "PermissionDenied"

    mounted(scenario)
