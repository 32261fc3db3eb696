"""What no honest client sends, at every method: refused with a client's error, at bounded cost, and without a trace."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from tests.support.issuers import Answer, KubernetesAPI, Signer, Site
from tests.unit.auth.own_server import Server, data, ok, played, refused

from strongroom.auth import jose, outbound
from strongroom.errors import RequestError

SIGNER = Signer()
ROLE = {"role_type": "jwt", "user_claim": "sub", "groups_claim": "groups", "bound_audiences": "strongroom"}
DENIED = ("BadRequest", "BadToken", "PermissionDenied", "InvalidCredentials", "UnsupportedPath")


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def signed(payload: str, header: str = '{"alg":"RS256"}') -> str:
    """A token whose payload is whatever it is, with the right signature."""
    text = b64(header.encode()) + b"." + b64(payload.encode())
    return (text + b"." + b64(SIGNER.private.sign(text, padding.PKCS1v15(), hashes.SHA256()))).decode()


async def issuer(server: Server, at: str = "jwt", **config: Any) -> None:
    ok(await server.write(f"sys/auth/{at}", type="jwt"))
    ok(await server.write(f"auth/{at}/config", **(config or {"jwt_validation_pubkeys": SIGNER.pem})))
    ok(await server.write(f"auth/{at}/role/r", **ROLE))


async def login(server: Server, jwt: str, at: str = "jwt") -> Any:
    return await server.write(f"auth/{at}/login", "", role="r", jwt=jwt)


def claims(server: Server, **more: Any) -> dict[str, Any]:
    now = int(server.clock.now())
    return {"sub": "alice", "aud": "strongroom", "groups": [], "iat": now, "exp": now + 300, **more}


async def entities(server: Server) -> int:
    answer = await server.list("identity/entity/id")
    return 0 if isinstance(answer, RequestError) else len(data(answer)["keys"])


HUGE = "1" + "0" * 400
#: Members in place of those of a good payload, as JSON.
PAYLOADS = [
    {"exp": HUGE},
    {"exp": "-" + HUGE},
    {"iat": HUGE},
    {"nbf": HUGE},
    {"exp": "1e400"},
    {"exp": "253402300800"},
    {"exp": "NaN"},
    {"exp": "true"},
    {"exp": "[1]"},
    {"sub": "null"},
    {"sub": '""'},
    {"sub": "7"},
    {"sub": '["alice"]'},
    {"sub": json.dumps("x" * 513)},
    {"sub": '"\\ud800"'},
    {"aud": '{"strongroom": true}'},
    {"aud": '"STRONGROOM"'},
    {"aud": '"\uff53trongroom"'},
    {"groups": "[[]]"},
    {"groups": '{"a": 1}'},
    {"groups": json.dumps(["g" * 64] * 1000)},
    {"deep": "[" * 5000 + "]" * 5000},
    {"more": json.dumps("x" * 40_000)},
]


@pytest.mark.parametrize("members", PAYLOADS, ids=lambda members: str(members)[:30])
def test_signed_claims_that_cannot_be_are_a_clients_error(members: dict[str, str]) -> None:
    async def scenario(server: Server) -> None:
        await issuer(server)
        good = {name: json.dumps(value) for name, value in claims(server).items()}
        payload = ",".join(f'"{name}":{text}' for name, text in {**good, **members}.items())
        kind, text = refused(await login(server, signed("{" + payload + "}")))
        assert kind in DENIED
        assert len(text) < 250
        assert await entities(server) == 0
        ok(await login(server, signed("{" + ",".join(f'"{n}":{t}' for n, t in good.items()) + "}")))

    played(scenario)


@pytest.mark.parametrize("by", ["pem", "key set"])
def test_a_public_key_is_no_secret_for_hmac(by: str) -> None:
    async def scenario(server: Server) -> None:
        jwk = SIGNER.jwk
        oct_key = {"kty": "oct", "kid": "one", "alg": "HS256", "k": b64(SIGNER.pem.encode()).decode()}
        with Site(lambda *_: (200, {"keys": [oct_key, jwk]})) as site:
            await issuer(server, **({"jwks_url": site.address} if by == "key set" else {}))
            for secret in (SIGNER.pem.encode(), SIGNER.pem.strip().encode(), base64.b64decode(jwk["n"] + "==", b"-_")):
                for kid in ({}, {"kid": "one"}):
                    text = b64(json.dumps({"alg": "HS256", **kid}).encode()) + b"."
                    text += b64(json.dumps(claims(server)).encode())
                    forged = text + b"." + b64(hmac.digest(secret, text, "sha256"))
                    kind, said = refused(await login(server, forged.decode()))
                    assert kind == "BadRequest"
                    assert jose.NO_KEY in said
            ok(await login(server, SIGNER.sign(claims(server))))

    played(scenario)


def test_an_issuer_that_takes_its_time_holds_up_nobody_else() -> None:
    asked, go_on = threading.Event(), threading.Event()
    slow: list[bool] = []

    def serve(_: BaseHTTPRequestHandler, __: bytes) -> Answer:
        if slow:
            asked.set()
            go_on.wait(30)
        return 200, {"keys": [SIGNER.jwk]}

    async def scenario(server: Server) -> None:
        await issuer(server, "slow", jwks_url=site.address)
        await issuer(server)
        slow.append(True)
        waiting = asyncio.create_task(login(server, SIGNER.sign(claims(server)), "slow"))
        assert await asyncio.to_thread(asked.wait, 10)
        ok(await login(server, SIGNER.sign(claims(server))))
        ok(await server.read("auth/slow/role/r"))
        ok(await server.write("auth/slow/role/other", **ROLE))
        assert not waiting.done()
        go_on.set()
        ok(await waiting)

    with Site(serve) as site:
        try:
            played(scenario)
        finally:
            go_on.set()


def test_an_issuer_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    slow: list[bool] = []

    def serve(_: BaseHTTPRequestHandler, __: bytes) -> Answer:
        if slow:
            go_on.wait(30)
        return 200, {"keys": [SIGNER.jwk]}

    async def scenario(server: Server) -> None:
        await issuer(server, jwks_url=site.address)
        slow.append(True)
        monkeypatch.setattr(outbound, "TIMEOUT", 0.1)
        answers = await asyncio.gather(*(login(server, SIGNER.sign(claims(server))) for _ in range(5)))
        for answer in answers:
            assert refused(answer) == (
                "BadRequest",
                "error validating token: error verifying token signature: fetching keys failed",
            )
            assert "no answer within 0.1 s" in answer.reason
        assert len(site.seen) == 2, "the configuration's try, and one for all five"

    with Site(serve) as site:
        try:
            played(scenario)
        finally:
            go_on.set()


# -- Names -------------------------------------------------------------------------------------------------------------

#: Look like `kim`, or fold to it in Unicode's ways; none of them is `kim`.
LOOKALIKES = ["\u212aim", "\uff4bim", "k\u0131m", "\u043aim", "k\u200dim", "kim\u0301", "kim\u0000", "kim\n", " kim"]


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_name_in_a_path_is_ascii_and_nobody_else_is_meant(name: str) -> None:
    async def scenario(server: Server) -> None:
        for kind in ("userpass", "approle"):
            ok(await server.write(f"sys/auth/{kind}", type=kind))
        ok(await server.write("auth/userpass/users/kim", password="p"))
        ok(await server.write("auth/approle/role/kim"))
        for path, by, sent in (
            (f"auth/userpass/login/{name}", "", {"password": "p"}),
            (f"auth/userpass/users/{name}", "root", {"password": "other"}),
            (f"auth/approle/role/{name}/secret-id", "root", {}),
        ):
            assert refused(await server.write(path, by, **sent))[0] in DENIED
        ok(await server.write("auth/userpass/login/KIM", "", password="p"))
        assert data(await server.list("auth/userpass/users"))["keys"] == ["kim"]
        assert data(await server.list("auth/approle/role"))["keys"] == ["kim"]

    played(scenario)


def test_people_whose_names_look_alike_are_different_people() -> None:
    """Aliases of JWTs are compared to the letter: neither case nor Unicode's equivalences make two into one."""

    async def scenario(server: Server) -> None:
        await issuer(server)
        names = ["kim", "Kim", *LOOKALIKES, "caf\u00e9", "cafe\u0301", "\u1e9e", "ss", "\u00df"]
        found = {}
        for name in names:
            auth = ok(await login(server, SIGNER.sign(claims(server, sub=name)))).auth
            assert auth is not None
            found[auth.entity_id] = name
        assert len(found) == len(names)

    played(scenario)


#: The name of an entity, another, and whether they are the same: in any case, but composed is not decomposed.
SAME_ENTITY = [
    ("Kim", "kIM", True),
    ("caf\u00e9", "CAF\u00c9", True),
    ("\u03a3", "\u03c3", True),
    ("kim", "\u212aim", True),
    ("caf\u00e9", "cafe\u0301", False),
    ("kim", "\uff4bim", False),
    ("strasse", "stra\u00dfe", False),
    ("kim", "kim ", False),
    ("kim", "kim\u0000", False),
]


@pytest.mark.parametrize(("one", "other", "same"), SAME_ENTITY)
def test_entities_are_found_in_any_case_of_their_names(one: str, other: str, same: bool) -> None:
    async def scenario(server: Server) -> None:
        ok(await server.write("identity/entity", name=one))
        found = ok(await server.write("identity/lookup/entity", name=other)).data
        assert (found is not None) is same
        ok(await server.write("identity/entity", name=other))
        assert await entities(server) == (1 if same else 2)

    played(scenario)


LONG = "x" * 5000


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (f"auth/userpass/users/{LONG}", {"password": "p"}),
        (f"auth/userpass/login/{LONG}", {"password": "p"}),
        ("auth/userpass/login/kim", {"password": "p" * 1_000_000}),
        ("auth/userpass/users/kim", {"password": "p" * 73}),
        (f"auth/approle/role/{LONG}", {}),
        (f"auth/approle/role/{LONG}/secret-id", {}),
        ("auth/approle/role/r", {"role_id": "x" * 4097}),
        ("auth/approle/role/r", {"role_id": "\u00e9" * 2049}),
        ("auth/approle/role/r/role-id", {"role_id": "x" * 4097}),
        ("auth/approle/role/r/custom-secret-id", {"secret_id": "x" * 4097}),
        ("auth/approle/login", {"role_id": "x" * 1_000_000, "secret_id": "s"}),
        ("auth/approle/login", {"role_id": "known", "secret_id": "x" * 1_000_000}),
        (f"auth/jwt/role/{LONG}", ROLE),
        ("auth/jwt/login", {"role": LONG, "jwt": "x"}),
        ("auth/jwt/login", {"role": "r", "jwt": "x" * 1_000_000}),
        ("auth/jwt/login", {"role": "r", "jwt": "." * 1_000_000}),
        ("auth/kubernetes/login", {"role": LONG, "jwt": "x"}),
        ("auth/kubernetes/login", {"role": "r", "jwt": "x" * 1_000_000}),
        (f"auth/cert/certs/{LONG}", {"certificate": "x"}),
        (f"auth/token/roles/{LONG}", {}),
        (f"identity/oidc/role/{LONG}", {"key": "default"}),
        (f"identity/oidc/scope/{LONG}", {}),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else next(iter(value), "nothing"),
)
def test_what_is_too_long_is_a_clients_error_that_does_not_repeat_it(path: str, sent: dict[str, Any]) -> None:
    async def scenario(server: Server) -> None:
        for kind in ("userpass", "approle", "kubernetes", "cert"):
            ok(await server.write(f"sys/auth/{kind}", type=kind))
        await issuer(server)
        ok(await server.write("auth/kubernetes/config", kubernetes_host="https://127.0.0.1:1", token_reviewer_jwt="t"))
        role = {"bound_service_account_names": "a", "bound_service_account_namespaces": "b"}
        ok(await server.write("auth/kubernetes/role/r", **role))
        ok(await server.write("auth/approle/role/r", role_id="known"))
        ok(await server.write("auth/userpass/users/kim", password="p"))
        kind, text = refused(await server.write(path, "" if "login" in path else "root", **sent))
        assert kind in DENIED
        assert len(text) < 250

    played(scenario)


def test_a_forged_jwt_with_claims_that_cannot_be_is_refused_by_kubernetes_too() -> None:
    async def scenario(server: Server) -> None:
        ok(await server.write("sys/auth/kubernetes", type="kubernetes"))
        ok(await server.write("auth/kubernetes/config", kubernetes_host="https://127.0.0.1:1", token_reviewer_jwt="t"))
        role = {"bound_service_account_names": "*", "bound_service_account_namespaces": "*"}
        ok(await server.write("auth/kubernetes/role/r", **role))
        for more in ({"exp": 10**400}, {"nbf": -(10**400)}, {"kubernetes.io": []}, {"kubernetes.io": {"namespace": 7}}):
            answer = await login(server, KubernetesAPI().token(**more), "kubernetes")
            assert refused(answer)[0] == "PermissionDenied"

    played(scenario)


def test_the_digest_of_a_token_is_not_its_signature() -> None:
    """A signature over something else than the token, made with the right key, is none."""

    async def scenario(server: Server) -> None:
        await issuer(server)
        good = SIGNER.sign(claims(server))
        head, _, _ = good.rpartition(".")
        over_digest = SIGNER.private.sign(hashlib.sha256(head.encode()).digest(), padding.PKCS1v15(), hashes.SHA256())
        assert refused(await login(server, f"{head}.{b64(over_digest).decode()}"))[0] == "BadRequest"

    played(scenario)
