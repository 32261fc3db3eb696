"""auth/cert asks by OCSP: whose answers count, for how long, and what happens when nobody answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as x509_ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from tests.support.authorities import Authority, Issued, ocsp_answer
from tests.support.issuers import Site
from tests.unit.auth.own_server import Server, data, ok, refused
from tests.unit.auth.test_cert import AT, let_in, login, mounted, reason, renew, role

from strongroom.api.messages import Operation, Request
from strongroom.auth.cert import ocsp
from strongroom.auth.cert.ocsp import NoAnswer, Question, Status, judged
from strongroom.pipeline import handle

ROOT = Authority("Root")
ISSUING = ROOT.child("Issuing")
WEB = ISSUING.issue("web")
RESPONDER = ISSUING.issue("responder", usage=(ExtendedKeyUsageOID.OCSP_SIGNING,))
STRANGER = Authority("Stranger")
GOOD, REVOKED, UNKNOWN = (
    x509_ocsp.OCSPCertStatus.GOOD,
    x509_ocsp.OCSPCertStatus.REVOKED,
    x509_ocsp.OCSPCertStatus.UNKNOWN,
)
UNTOLD = "; additionally got errors during verification: the OCSP status could not be determined"


def answer(one: Issued = WEB, signer: Issued = ISSUING, issuer: Issued = ISSUING, **knobs: Any) -> bytes:
    return ocsp_answer(one.cert, issuer.cert, signer, **knobs)


def asked(one: Issued = WEB, issuer: Issued = ISSUING, **more: Any) -> tuple[x509_ocsp.OCSPRequest, Question]:
    request = x509_ocsp.OCSPRequestBuilder().add_certificate(one.cert, issuer.cert, hashes.SHA1()).build()
    return request, Question(one.cert, issuer.cert, (), **more)


def told(body: bytes, **more: Any) -> tuple[Status, str]:
    found = judged(body, *asked(**more), time.time())
    return found.status, found.detail


# -- Answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (answer(), Status.GOOD, "the certificate is good"),
        (answer(status=REVOKED), Status.REVOKED, "the certificate was revoked on "),
        (answer(status=UNKNOWN), Status.UNKNOWN, "the server does not know the certificate"),
        (answer(signer=RESPONDER, show_signer=True), Status.GOOD, ""),
        (answer(due=None), Status.GOOD, ""),
        (answer(made=200, due=900), Status.GOOD, ""),
    ],
)
def test_what_an_answer_says(body: bytes, status: Status, detail: str) -> None:
    found = told(body)
    assert (found[0], found[1].startswith(detail)) == (status, True), found


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "cannot be read"),
        (b"nonsense", "cannot be read"),
        (
            x509_ocsp.OCSPResponseBuilder.build_unsuccessful(x509_ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
                Encoding.DER
            ),
            "the server says try later",
        ),
        (answer(ISSUING.issue("other")), "about another certificate"),
        (answer(issuer=STRANGER), "about another certificate"),
        (answer(signer=STRANGER), "signed by nobody who may speak"),
        (answer(signer=STRANGER, show_signer=True), "signed by nobody who may speak"),
        (answer(signer=RESPONDER), "signed by nobody who may speak"),
        (answer(signer=ROOT), "signed by nobody who may speak"),
        (answer(signer=ISSUING.issue("client"), show_signer=True), "signed by nobody who may speak"),
        (
            answer(signer=STRANGER.issue("r", usage=(ExtendedKeyUsageOID.OCSP_SIGNING,)), show_signer=True),
            "signed by nobody who may speak",
        ),
        (
            answer(
                signer=ISSUING.issue("r", usage=(ExtendedKeyUsageOID.OCSP_SIGNING,), days=(-3, -2)), show_signer=True
            ),
            "signed by nobody who may speak",
        ),
        (answer(made=-7200, due=-3600), "the answer was good until "),
        (answer(made=3600, due=7200), "of a time to come"),
        (answer(made=-7200, due=None), "the answer is old"),
    ],
)
def test_what_does_not_count_as_an_answer(body: bytes, why: str) -> None:
    with pytest.raises(NoAnswer, match=why):
        told(body)


@pytest.mark.parametrize("private", [rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()])
def test_responders_have_keys_of_any_kind(private: Any) -> None:
    signer = ISSUING.issue("r", usage=(ExtendedKeyUsageOID.OCSP_SIGNING,), key=private)
    assert told(answer(signer=signer, show_signer=True))[0] is Status.GOOD


def test_a_role_may_name_others_whose_word_counts() -> None:
    assert told(answer(signer=STRANGER), others=(STRANGER.cert,))[0] is Status.GOOD
    theirs = STRANGER.issue("r", usage=(ExtendedKeyUsageOID.OCSP_SIGNING,))
    assert told(answer(signer=theirs, show_signer=True), others=(STRANGER.cert,))[0] is Status.GOOD


VALID = answer()


@pytest.mark.filterwarnings("ignore")  # the library warns of what it reads all the same
@given(st.data())
def test_a_damaged_answer_says_nothing(data: st.DataObject) -> None:
    raw = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        status = told(bytes(raw))[0]
    except NoAnswer:
        return
    # What is outside of what is signed (the signature's own wrapping) may look different and say the same.
    assert status is Status.GOOD


def test_an_answer_with_a_certificate_that_cannot_be_read_says_nothing() -> None:
    body = answer(signer=RESPONDER, show_signer=True)
    twice = body.replace(b"\x06\x03\x55\x1d\x0e", b"\x06\x03\x55\x1d\x25")  # the same extension a second time
    assert twice != body
    with pytest.raises(NoAnswer, match="cannot be read"):
        told(twice)


# -- Logins ------------------------------------------------------------------------------------------------------------


def play(serve: Callable[..., Any], scenario: Callable[[Server, Issued, Site], Any]) -> None:
    """A server of answers, and a client whose certificate names it."""
    with Site(serve) as site:
        client = ISSUING.issue("web", ocsp_url=site.address)
        holder.append(client)

        async def run(server: Server) -> None:
            await role(server, certificate=ROOT, ocsp_enabled=True)
            await scenario(server, client, site)

        mounted(run)


holder: list[Issued] = []


def says(**knobs: Any) -> Callable[..., Any]:
    """A server that answers about the client that there is at the moment."""
    return lambda *_: (200, answer(holder[-1], **knobs))


def test_a_good_certificate_logs_in_and_its_answer_counts_until_the_next_is_due() -> None:
    async def scenario(server: Server, client: Issued, site: Site) -> None:
        await let_in(server, client)
        path, headers, body = site.seen[0]
        assert (path, headers["Content-Type"]) == ("/", "application/ocsp-request")
        assert x509_ocsp.load_der_ocsp_request(body).serial_number == client.cert.serial_number
        token = (await let_in(server, client)).client_token
        ok(await renew(server, token, client))
        assert len(site.seen) == 1
        server.clock.advance(3601)
        await let_in(server, client)  # clocks may differ by some minutes
        assert len(site.seen) == 2

    play(says(), scenario)


def test_a_revoked_certificate_does_not_log_in() -> None:
    async def scenario(server: Server, client: Issued, site: Site) -> None:
        found = await login(server, client)
        assert refused(found) == (
            "BadRequest",
            "no chain matching all constraints could be found for this login certificate",
        )
        assert "OCSP: 127.0.0.1" in reason(found).replace("http://", "")
        assert "the certificate was revoked on" in reason(found)
        ok(await server.write(f"{AT}/certs/web", ocsp_fail_open=True))
        assert "was revoked on" in reason(await login(server, client))

    play(says(status=REVOKED), scenario)


@pytest.mark.parametrize(
    ("serve", "why"),
    [
        (lambda *_: (500, b""), "status 500"),
        (lambda *_: (200, b"nonsense"), "the answer cannot be read"),
        (says(status=UNKNOWN), "the server does not know the certificate"),
        (says(signer=STRANGER), "signed by nobody"),
    ],
)
def test_when_nobody_can_say_the_role_decides(serve: Callable[..., Any], why: str) -> None:
    async def scenario(server: Server, client: Issued, site: Site) -> None:
        found = await login(server, client)
        assert refused(found)[1].endswith(UNTOLD)
        assert site.address not in refused(found)[1]
        assert why in reason(found)
        ok(await server.write(f"{AT}/certs/web", ocsp_fail_open=True))
        await let_in(server, client)

    play(serve, scenario)


def test_servers_are_asked_in_turn_until_one_knows_or_all_have_to_agree() -> None:
    async def scenario(server: Server, client: Issued, site: Site) -> None:
        gone = "http://127.0.0.1:1"
        ok(await server.write(f"{AT}/certs/web", ocsp_servers_override=[gone, site.address]))
        await let_in(server, client)
        ok(await server.write(f"{AT}/certs/web", ocsp_query_all_servers=True))
        assert "127.0.0.1:1" in reason(await login(server, client))
        with Site(says(status=REVOKED)) as other:
            ok(await server.write(f"{AT}/certs/web", ocsp_servers_override=[site.address, other.address]))
            assert "was revoked on" in reason(await login(server, client))
        with Site(says()) as other:
            ok(await server.write(f"{AT}/certs/web", ocsp_servers_override=[site.address, other.address]))
            await let_in(server, client)

    play(says(), scenario)


def test_without_a_server_or_an_issuer_nobody_can_say() -> None:
    async def scenario(server: Server) -> None:
        await role(server, certificate=ROOT, ocsp_enabled=True)
        assert "names no OCSP server" in reason(await login(server, WEB))
        written = ok(await server.write(f"{AT}/certs/web", certificate=WEB.pem))
        assert written.warnings == ["ocsp_enabled needs the issuer of the certificate among ocsp_ca_certificates"]
        assert "is not among ocsp_ca_certificates" in reason(await login(server, WEB))
        with Site(lambda *_: (200, answer())) as site:
            given = {"ocsp_ca_certificates": ISSUING.pem, "ocsp_servers_override": site.address}
            assert ok(await server.write(f"{AT}/certs/web", **given)).warnings == []
            await let_in(server, WEB)

    mounted(scenario)


def test_those_who_sign_answers_are_trusted_with_nothing_else() -> None:
    async def scenario(server: Server) -> None:
        await role(server, certificate=ROOT, ocsp_ca_certificates=STRANGER.pem)
        assert "issued by none of the role's authorities" in reason(await login(server, STRANGER.issue("web")))

    mounted(scenario)


def test_ocsp_is_asked_on_a_path_around_a_revoked_authority() -> None:
    async def scenario(server: Server, client: Issued, site: Site) -> None:
        again = ROOT.child("Issuing", key=ISSUING.key)
        ok(await server.write(f"{AT}/crls/one", crl=ROOT.crl(ISSUING)))
        await let_in(server, Issued(client.cert, client.key, (ISSUING.cert, again.cert)))

    play(says(), scenario)


def test_a_mount_keeps_only_so_many_answers() -> None:
    async def scenario(server: Server, client: Issued, site: Site) -> None:
        ok(await server.write(f"{AT}/config", ocsp_cache_size=2))
        for n in range(4):
            holder.append(ISSUING.issue(f"web{n}", ocsp_url=site.address))
            await let_in(server, holder[-1])
        await let_in(server, holder[-1])
        assert len(site.seen) == 4
        mount = server.live.mounts.by_path(AT)
        assert mount is not None
        assert len(server.live.engines.memory(mount.info.uuid)["ocsp answers"]) == 2

    play(says(), scenario)


def test_who_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocsp, "TIMEOUT", 0.1)
    done = threading.Event()

    async def scenario(server: Server, client: Issued, site: Site) -> None:
        assert "have not answered within 0.1 s" in reason(await login(server, client))
        done.set()

    play(lambda *_: done.wait(30) and None, scenario)


def test_limits_by_role_ask_nobody() -> None:
    async def scenario(server: Server, client: Issued, site: Site) -> None:
        limit = {"path": "auth/cert", "role": "web", "rate": 100, "interval": "60s"}
        where = "sys/quotas/rate-limit/q"
        await handle(server.core, Request(id="1", operation=Operation.UPDATE, path=where, data=limit, token="root"))
        assert data(await server.read(where))["role"] == "web"
        await let_in(server, client)
        assert len(site.seen) == 1

    play(says(), scenario)
