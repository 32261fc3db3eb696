"""The OpenID provider: what it is made of, and what a client gets from it, refusal by refusal."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.auth.own_server import Server, data, ok, played, refused
from tests.unit.identity.test_identity import enable, login

from strongroom.api.messages import Operation, Request
from strongroom.auth.jose import keys_from_jwks, parse, verify
from strongroom.clock import new_uuid
from strongroom.errors import RequestError
from strongroom.identity.oidc_exchange import half_hash
from strongroom.identity.oidc_grants import CONTEXT, MOST_OF_ONE
from strongroom.pipeline import handle

BACK = "https://app.example/callback"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PROVIDER = "identity/oidc/provider/p"
REQUEST = {
    "redirect_uri": BACK,
    "response_type": "code",
    "scope": "openid who unknown",
    "state": "st",
    "nonce": "n",
}
Scenario = Callable[["Setting"], Awaitable[None]]


class Setting:
    """A provider with one client, and somebody who may log in at it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.caller = self.client_id = self.secret = self.entity = ""

    async def prepare(self, **client: Any) -> None:
        write = self.server.write
        await enable(self.server, "m")
        await self.server.policy("p", 'path "identity/oidc/provider/+/authorize" { capabilities = ["read", "update"] }')
        self.caller = (await login(self.server)).client_token
        self.entity = data(await self.server.read("auth/token/lookup-self", by=self.caller))["entity_id"]
        ok(await write("identity/oidc/key/k", algorithm="ES256", allowed_client_ids="*", verification_ttl="1h"))
        ok(await write("identity/oidc/scope/who", template='{"n": {{identity.entity.name}}}'))
        ok(await write(PROVIDER, scopes_supported="who", allowed_client_ids="*"))
        settings = {"key": "k", "redirect_uris": BACK, "assignments": "allow_all", "id_token_ttl": "30m", **client}
        ok(await write("identity/oidc/client/c", **settings))
        shown = data(await self.server.read("identity/oidc/client/c"))
        self.client_id, self.secret = shown["client_id"], shown.get("client_secret", "")

    async def ask(
        self, path: str, headers: dict[str, str] | None = None, operation: Operation = Operation.UPDATE, **form: Any
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """A request without a token of the server."""
        raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in form.items()}
        request = Request(id=new_uuid(), operation=operation, path=path, data=form, raw=raw, headers=headers or {})
        answer = await handle(self.server.core, request)
        assert isinstance(answer.bare, dict)
        return answer.status or 200, answer.bare, answer.headers

    async def authorize(self, by: str = "", operation: Operation = Operation.UPDATE, **changes: Any) -> dict[str, Any]:
        asked = {"client_id": self.client_id, **REQUEST, **changes}
        asked = {name: value for name, value in asked.items() if value is not None}
        path = f"{asked.pop('at', PROVIDER)}/authorize"
        answer = ok(await self.server.ask(operation, path, by or self.caller, **asked))
        assert isinstance(answer.bare, dict)
        assert (answer.status == 400) is ("error" in answer.bare)
        return answer.bare

    async def code(self, **changes: Any) -> str:
        answer = await self.authorize(**changes)
        assert "error" not in answer, answer
        assert answer["state"] == "st"
        return str(answer["code"])

    async def redeem(self, given_code: str, headers: dict[str, str] | None = None, **changes: Any) -> Any:
        form = {
            "grant_type": "authorization_code",
            "code": given_code,
            "redirect_uri": BACK,
            "client_id": self.client_id,
            "client_secret": self.secret,
            **changes,
        }
        path = f"{form.pop('at', PROVIDER)}/token"
        status, body, sent = await self.ask(path, headers, **{k: v for k, v in form.items() if v is not None})
        assert (sent["Cache-Control"], sent["Pragma"]) == ("no-store", "no-cache")
        assert (sent.get("WWW-Authenticate") == "Basic") is (body.get("error") == "invalid_client")
        return status, body

    async def info(self, token: str, at: str = PROVIDER) -> tuple[int, dict[str, Any], dict[str, str]]:
        headers = {"authorization": f"Bearer {token}"}
        return await self.ask(f"{at}/userinfo", headers, Operation.READ)


def played_in(scenario: Scenario, **client: Any) -> None:
    async def play(server: Server) -> None:
        setting = Setting(server)
        await setting.prepare(**client)
        await scenario(setting)

    played(play)


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def test_what_is_there_from_the_start() -> None:
    async def scenario(server: Server) -> None:
        everybody = {"entity_ids": ["*"], "group_ids": ["*"]}
        assert data(await server.read("identity/oidc/assignment/allow_all")) == everybody
        assert data(await server.list("identity/oidc/assignment"))["keys"] == ["allow_all"]
        provider = data(await server.read("identity/oidc/provider/default"))
        assert provider["allowed_client_ids"] == ["*"]
        assert provider["issuer"].endswith("/v1/identity/oidc/provider/default")
        listed = data(await server.list("identity/oidc/provider"))
        assert listed == {"keys": ["default"], "key_info": {"default": provider}}
        ok(await server.write("identity/oidc/provider/default", allowed_client_ids="x"))
        assert refused(await server.list("identity/oidc/provider", allowed_client_id="y"))[0] == "NotFound"
        for kind in ("client", "scope"):
            assert refused(await server.list(f"identity/oidc/{kind}"))[0] == "NotFound"

    played(scenario)


def test_a_client_has_an_id_and_a_secret_of_its_own() -> None:
    async def scenario(setting: Setting) -> None:
        server = setting.server
        shown = data(await server.read("identity/oidc/client/c"))
        assert shown == {
            "access_token_ttl": 86400,
            "assignments": ["allow_all"],
            "client_id": setting.client_id,
            "client_secret": setting.secret,
            "client_type": "confidential",
            "id_token_ttl": 1800,
            "key": "k",
            "redirect_uris": [BACK],
        }
        assert len(setting.client_id) == 32
        assert setting.secret.startswith("hvo_secret_")
        assert len(setting.secret) == len("hvo_secret_") + 64
        del shown["client_secret"]
        assert data(await server.list("identity/oidc/client")) == {"keys": ["c"], "key_info": {"c": shown}}
        ok(await server.write("identity/oidc/client/c", access_token_ttl="1h"))
        after = data(await server.read("identity/oidc/client/c"))
        assert (after["client_id"], after["client_secret"]) == (setting.client_id, setting.secret)
        assert after["access_token_ttl"] == 3600
        ok(await server.write("identity/oidc/client/p", client_type="public"))
        public = data(await server.read("identity/oidc/client/p"))
        assert "client_secret" not in public
        assert (public["key"], public["assignments"]) == ("default", [])

    played_in(scenario)


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("assignment/allow_all", {}, 'modification of assignment "allow_all" not allowed'),
        ("scope/openid", {}, 'the "openid" scope name is reserved'),
        ("scope/s", {"template": '{"sub": ""}'}, 'top level key "sub" not allowed'),
        ("scope/s", {"template": "{"}, "error parsing template JSON"),
        ("client/x", {"key": "none"}, 'key "none" does not exist'),
        ("client/x", {"assignments": "none"}, 'assignment "none" does not exist'),
        ("client/x", {"client_type": "other"}, 'invalid client_type "other"'),
        ("client/x", {"id_token_ttl": "25h"}, "a client's id_token_ttl cannot be greater than the verification_ttl"),
        ("client/c", {"key": "default"}, "key modification is not allowed"),
        ("client/c", {"client_type": "public"}, "client_type modification is not allowed"),
        ("provider/x", {"issuer": "https://a/b"}, "invalid issuer"),
        ("provider/x", {"scopes_supported": "none"}, 'scope "none" does not exist'),
    ],
)
def test_what_cannot_be_is_refused(path: str, body: dict[str, str], text: str) -> None:
    async def scenario(setting: Setting) -> None:
        kind, said = refused(await setting.server.write(f"identity/oidc/{path}", **body))
        assert kind == "BadRequest"
        assert text in said

    played_in(scenario)


def test_what_is_used_is_not_deleted() -> None:
    async def scenario(setting: Setting) -> None:
        server = setting.server
        ok(await server.write("identity/oidc/assignment/a", entity_ids="E,e"))
        assert data(await server.read("identity/oidc/assignment/a")) == {"entity_ids": ["e"], "group_ids": []}
        ok(await server.write("identity/oidc/client/c", assignments="a"))
        for path, why in {
            "assignment/allow_all": 'deletion of assignment "allow_all" not allowed',
            "assignment/a": 'unable to delete assignment "a" because it is currently referenced by these clients: c',
            "key/k": 'unable to delete key "k" because it is currently referenced by these clients: c',
            "scope/who": 'unable to delete scope "who" because it is currently referenced by these providers: p',
            "provider/default": 'deletion of OIDC provider "default" not allowed',
        }.items():
            assert refused(await server.delete(f"identity/oidc/{path}")) == ("BadRequest", why)
        for path in ("client/c", "assignment/a", "key/k", "provider/p", "scope/who"):
            ok(await server.delete(f"identity/oidc/{path}"))
            assert refused(await server.read(f"identity/oidc/{path}"))[0] == "NotFound"

    played_in(scenario)


def test_scopes_that_have_a_claim_in_common_are_told_of_and_refused_together() -> None:
    async def scenario(setting: Setting) -> None:
        write = setting.server.write
        ok(await write("identity/oidc/scope/too", template='{"n": "x"}'))
        answer = ok(await write(PROVIDER, scopes_supported="who,too"))
        assert [("who" in text, "too" in text) for text in answer.warnings] == [(True, True)]
        status, body = await setting.redeem(await setting.code(scope="openid who too"))
        assert (status, body["error"]) == (400, "invalid_request")
        assert 'conflicting top-level claim: claim "n"' in body["error_description"]

    played_in(scenario)


def test_what_tools_find_out() -> None:
    async def scenario(setting: Setting) -> None:
        status, document, headers = await setting.ask(
            f"{PROVIDER}/.well-known/openid-configuration", operation=Operation.READ
        )
        assert (status, headers["Cache-Control"]) == (200, "max-age=30")
        issuer = document["issuer"]
        assert issuer.endswith("/v1/identity/oidc/provider/p")
        assert document["token_endpoint"] == f"{issuer}/token"
        assert document["scopes_supported"] == ["who", "openid"]
        _, keys, _ = await setting.ask(f"{PROVIDER}/.well-known/keys", operation=Operation.READ)
        assert [key["alg"] for key in keys["keys"]] == ["ES256", "ES256"]
        ok(await setting.server.write(PROVIDER, issuer="https://login.example", allowed_client_ids="x"))
        _, document, _ = await setting.ask(f"{PROVIDER}/.well-known/openid-configuration", operation=Operation.READ)
        assert document["authorization_endpoint"] == (
            "https://login.example/ui/vault/identity/oidc/provider/p/authorize"
        )
        _, keys, _ = await setting.ask(f"{PROVIDER}/.well-known/keys", operation=Operation.READ)
        assert keys == {"keys": []}
        for name in ("keys", "openid-configuration"):
            with pytest.raises(RequestError):
                await setting.ask(f"identity/oidc/provider/none/.well-known/{name}", operation=Operation.READ)

    played_in(scenario)


@pytest.mark.parametrize("operation", [Operation.READ, Operation.UPDATE])
def test_a_code_gives_tokens_that_say_who_logged_in(operation: Operation) -> None:
    async def scenario(setting: Setting) -> None:
        server = setting.server
        code = await setting.code(operation=operation, max_age=600)
        assert len(code) == 32
        status, tokens = await setting.redeem(code)
        assert (status, tokens["token_type"], tokens["expires_in"]) == (200, "Bearer", 86400)
        _, keys, _ = await setting.ask(f"{PROVIDER}/.well-known/keys", operation=Operation.READ)
        token = parse(tokens["id_token"])
        verify(token, keys_from_jwks(keys))
        now = int(server.clock.now())
        name = token.claims["n"]
        assert token.claims == {
            "at_hash": half_hash("ES256", tokens["access_token"]),
            "aud": setting.client_id,
            "auth_time": now,
            "c_hash": half_hash("ES256", code),
            "exp": now + 1800,
            "iat": now,
            "iss": data(await server.read(PROVIDER))["issuer"],
            "n": name,
            "namespace": "root",
            "nonce": "n",
            "sub": setting.entity,
        }
        assert name.startswith("entity_")
        assert await setting.info(tokens["access_token"]) == (
            200,
            {"n": name, "sub": setting.entity},
            {"Cache-Control": "no-store", "Pragma": "no-cache"},
        )

    played_in(scenario)


def test_the_claims_that_nobody_asked_for_are_left_out() -> None:
    async def scenario(setting: Setting) -> None:
        _, tokens = await setting.redeem(await setting.code(scope="openid", nonce=None))
        assert {"n", "nonce", "auth_time"}.isdisjoint(parse(tokens["id_token"]).claims)
        assert (await setting.info(tokens["access_token"]))[1] == {"sub": setting.entity}

    played_in(scenario)


AUTHORIZE = [
    ({"client_id": ""}, "invalid_client_id", "client_id parameter is required"),
    ({"client_id": "x"}, "invalid_client_id", "client with client_id not found"),
    ({"client_id": "../c"}, "invalid_client_id", "client with client_id not found"),
    ({"redirect_uri": None}, "invalid_request", "redirect_uri parameter is required"),
    ({"redirect_uri": BACK + "/"}, "invalid_redirect_uri", "redirect_uri is not allowed for the client"),
    ({"at": "identity/oidc/provider/none"}, "invalid_request", "provider not found"),
    ({"request": "x"}, "request_not_supported", "request parameter is not supported"),
    ({"request_uri": "x"}, "request_uri_not_supported", "request_uri parameter is not supported"),
    ({"scope": "who"}, "invalid_request", 'scope parameter must contain the "openid" value'),
    ({"response_type": ""}, "invalid_request", "response_type parameter is required"),
    ({"response_type": "token"}, "unsupported_response_type", "unsupported response_type value"),
    ({"nonce": "n" * 3000}, "invalid_request", "nonce parameter is longer than 2048 characters"),
    ({"code_challenge": "short"}, "invalid_request", "invalid code_challenge"),
    ({"code_challenge": "?" * 43}, "invalid_request", "invalid code_challenge"),
    ({"code_challenge": CHALLENGE, "code_challenge_method": "S1"}, "invalid_request", "invalid code_challenge_method"),
    ({"max_age": 0}, "invalid_request", "max_age must be greater than zero"),
    ({"max_age": "9"}, "max_age_violation", "active re-authentication is required by max_age"),
    ({"by": "root"}, "access_denied", "identity entity must be associated with the request"),
]


def test_a_login_that_cannot_be_is_refused_in_oauths_terms() -> None:
    async def scenario(setting: Setting) -> None:
        setting.server.clock.advance(10)
        for changes, error, text in AUTHORIZE:
            answer = await setting.authorize(**changes)
            assert answer == {"error": error, "error_description": text, "state": "st"}, changes
        assert (await setting.authorize(max_age=10))["code"]

    played_in(scenario)


def test_who_may_not_log_in_is_refused_then_and_later() -> None:
    async def scenario(setting: Setting) -> None:
        write = setting.server.write
        code = await setting.code()
        _, tokens = await setting.redeem(await setting.code())
        other = data(await write("identity/group", name="g", member_entity_ids=setting.entity))["id"]
        outer = data(await write("identity/group", name="o", member_group_ids=other))["id"]
        ok(await write("identity/oidc/assignment/a", entity_ids="somebody"))
        ok(await write("identity/oidc/client/c", assignments="a"))
        denied = "identity entity not authorized by client assignment"
        assert (await setting.authorize())["error_description"] == denied
        assert await setting.redeem(code) == (400, {"error": "invalid_request", "error_description": denied})
        assert (await setting.info(tokens["access_token"]))[:2] == (
            403,
            {"error": "access_denied", "error_description": denied},
        )
        for allowed in ({"group_ids": other}, {"group_ids": outer}, {"group_ids": "", "entity_ids": setting.entity}):
            ok(await write("identity/oidc/assignment/a", **allowed))
            assert (await setting.redeem(await setting.code()))[0] == 200
        code = await setting.code()
        ok(await write(f"identity/entity/id/{setting.entity}", disabled=True))
        assert (await setting.redeem(code))[1]["error_description"] == denied
        assert (await setting.info(tokens["access_token"]))[0] == 403

    played_in(scenario)


def test_a_provider_is_for_its_clients_alone() -> None:
    async def scenario(setting: Setting) -> None:
        code = await setting.code()
        _, tokens = await setting.redeem(await setting.code())
        ok(await setting.server.write(PROVIDER, allowed_client_ids="x"))
        text = "client is not authorized to use the provider"
        assert (await setting.authorize())["error"] == "unauthorized_client"
        assert await setting.redeem(code) == (401, {"error": "invalid_client", "error_description": text})
        assert (await setting.info(tokens["access_token"]))[0] == 403
        ok(await setting.server.write(PROVIDER, allowed_client_ids="*"))
        ok(await setting.server.write("identity/oidc/key/k", allowed_client_ids="x"))
        assert (await setting.redeem(code))[1]["error_description"] == "client is not authorized to use the key"

    played_in(scenario)


TOKEN = [
    ({"at": "identity/oidc/provider/none"}, 400, "invalid_request", "provider not found"),
    ({"client_id": None}, 400, "invalid_request", "client_id parameter is required"),
    ({"client_id": "x"}, 401, "invalid_client", "client failed to authenticate"),
    ({"client_secret": "x"}, 401, "invalid_client", "client failed to authenticate"),
    ({"client_secret": None}, 401, "invalid_client", "client failed to authenticate"),
    ({"grant_type": None}, 400, "invalid_request", "grant_type parameter is required"),
    ({"grant_type": "password"}, 400, "unsupported_grant_type", "unsupported grant_type value"),
    ({"code": ""}, 400, "invalid_request", "code parameter is required"),
    ({"code": "x"}, 400, "invalid_grant", "authorization grant is invalid or expired"),
    (
        {"at": "identity/oidc/provider/default"},
        400,
        "invalid_grant",
        "authorization code was not issued by the provider",
    ),
    ({"redirect_uri": ""}, 400, "invalid_request", "redirect_uri parameter is required"),
    ({"redirect_uri": "https://x"}, 400, "invalid_grant", "redirect_uri does not match the redirect_uri used in the"),
    ({"code_verifier": "x"}, 400, "invalid_request", "unexpected code_verifier for token exchange"),
]


def test_a_token_request_that_cannot_be_is_refused_in_oauths_terms() -> None:
    async def scenario(setting: Setting) -> None:
        for changes, status, error, text in TOKEN:
            answer, body = await setting.redeem(await setting.code(), **changes)
            assert (answer, body["error"]) == (status, error), changes
            assert text in body["error_description"]

    played_in(scenario)


@pytest.mark.parametrize(
    ("challenge", "verifier", "error"),
    [
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, VERIFIER, None),
        ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, VERIFIER, None),
        ({"code_challenge": VERIFIER}, VERIFIER, None),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, CHALLENGE, "invalid_grant"),
        ({"code_challenge": VERIFIER}, VERIFIER + "v", "invalid_grant"),
        ({"code_challenge": VERIFIER}, "", "invalid_request"),
    ],
)
def test_pkce_binds_a_code_to_who_asked_for_it(challenge: dict[str, str], verifier: str, error: str | None) -> None:
    async def scenario(setting: Setting) -> None:
        _, body = await setting.redeem(await setting.code(**challenge), code_verifier=verifier)
        assert body.get("error") == error

    played_in(scenario)


def test_a_public_client_needs_pkce_and_no_secret() -> None:
    async def scenario(setting: Setting) -> None:
        refusal = await setting.authorize()
        assert refusal["error_description"] == "PKCE is required for public clients"
        code = await setting.code(code_challenge=CHALLENGE, code_challenge_method="S256")
        status, _ = await setting.redeem(code, client_secret=None, code_verifier=VERIFIER)
        assert status == 200

    played_in(scenario, client_type="public")


def test_a_client_proves_itself_by_basic_authentication_too() -> None:
    async def scenario(setting: Setting) -> None:
        none = {"client_id": None, "client_secret": None}
        good = basic(setting.client_id, setting.secret)
        assert (await setting.redeem(await setting.code(), good, **none))[0] == 200
        for headers, form in (
            (basic(setting.client_id, "x"), none),
            (basic("x", setting.secret), none),
            ({"authorization": "Basic ???"}, none),
            (good, {"client_id": "x"}),
        ):
            status, body = await setting.redeem(await setting.code(), headers, **form)
            assert (status, body["error"]) == (401, "invalid_client")

    played_in(scenario)


def test_a_code_is_good_once_whatever_becomes_of_it() -> None:
    async def scenario(setting: Setting) -> None:
        code = await setting.code()
        answers = await asyncio.gather(*(setting.redeem(code) for _ in range(8)))
        assert sorted(status for status, _ in answers) == [200] + [400] * 7
        code = await setting.code()
        await setting.redeem(code, redirect_uri="https://x")
        assert (await setting.redeem(code))[1]["error"] == "invalid_grant"
        code = await setting.code()
        await setting.redeem(code, client_secret="x")
        assert (await setting.redeem(code))[0] == 200

    played_in(scenario)


def test_a_code_is_the_clients_that_it_was_made_for() -> None:
    async def scenario(setting: Setting) -> None:
        ok(await setting.server.write("identity/oidc/client/d", key="k", redirect_uris=BACK, id_token_ttl="1h"))
        other = data(await setting.server.read("identity/oidc/client/d"))
        changes = {name: other[name] for name in ("client_id", "client_secret")}
        status, body = await setting.redeem(await setting.code(), **changes)
        assert (status, body["error_description"]) == (400, "authorization code was not issued to the client")

    played_in(scenario)


def test_a_code_ends_after_five_minutes() -> None:
    async def scenario(setting: Setting) -> None:
        code, late = await setting.code(), await setting.code()
        setting.server.clock.advance(299)
        assert (await setting.redeem(code))[0] == 200
        setting.server.clock.advance(1)
        assert (await setting.redeem(late))[1]["error"] == "invalid_grant"

    played_in(scenario)


def test_nobody_keeps_more_codes_waiting_than_he_can_need() -> None:
    async def scenario(setting: Setting) -> None:
        codes = [await setting.code() for _ in range(MOST_OF_ONE + 1)]
        assert (await setting.redeem(codes[0]))[1]["error"] == "invalid_grant"
        assert (await setting.redeem(codes[1]))[0] == 200

    played_in(scenario)


def test_an_access_token_is_good_for_userinfo_of_its_provider_alone_and_ends() -> None:
    async def scenario(setting: Setting) -> None:
        server = setting.server
        _, tokens = await setting.redeem(await setting.code())
        token = tokens["access_token"]
        assert refused(await server.read("auth/token/lookup-self", by=token))[0] == "BadToken"
        assert refused(await server.read(f"{PROVIDER}/authorize", by=token))[0] == "BadToken"
        status, body, headers = await setting.info(token, "identity/oidc/provider/default")
        assert (status, body["error"]) == (401, "invalid_token")
        assert headers["WWW-Authenticate"].startswith('Bearer error="invalid_token",error_description="')
        assert (await setting.info(setting.caller))[0] == 401
        assert (await setting.info(token[:-4] + "AAAA"))[0] == 401
        status, body, _ = await setting.ask(f"{PROVIDER}/userinfo", {"x-vault-token": token}, Operation.READ)
        assert (status, body["error_description"]) == (401, "access token must be sent as a Bearer token")
        server.clock.advance(86399)
        assert (await setting.info(token))[0] == 200
        server.clock.advance(1)
        assert (await setting.info(token))[0] == 401
        assert (await setting.info(token, "identity/oidc/provider/none"))[0] == 400

    played_in(scenario)


def test_a_deleted_client_takes_its_access_tokens_along() -> None:
    async def scenario(setting: Setting) -> None:
        _, tokens = await setting.redeem(await setting.code())
        ok(await setting.server.delete("identity/oidc/client/c"))
        status, body, _ = await setting.info(tokens["access_token"])
        assert (status, body["error_description"]) == (403, "client not found")

    played_in(scenario)


@pytest.mark.parametrize(
    ("alg", "text", "expected"),
    [
        # The examples of OpenID Connect Core 1.0, appendix A.
        ("RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"),
        ("RS256", "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA"),
    ],
)
def test_the_hash_claims_are_those_of_the_standard(alg: str, text: str, expected: str) -> None:
    assert half_hash(alg, text) == expected


def test_whatever_is_sent_as_credentials_is_only_refused() -> None:
    texts = st.text(max_size=60)
    forged = st.binary(max_size=60).map(lambda blob: "hvb." + base64.urlsafe_b64encode(blob).decode().rstrip("="))

    async def scenario(setting: Setting) -> None:
        async def send(header: str, form: dict[str, str], token: str) -> None:
            status, body, _ = await setting.ask(f"{PROVIDER}/token", {"authorization": header}, **form)
            assert status in (400, 401), body
            headers = {"authorization": f"Bearer {token}"}
            assert (await setting.ask(f"{PROVIDER}/userinfo", headers, Operation.READ))[0] == 401

        loop = asyncio.get_running_loop()
        rounds: list[tuple[str, dict[str, str], str]] = []

        @given(
            st.one_of(
                texts,
                texts.map(lambda t: "Basic " + t),
                st.builds(
                    lambda a, b: basic(a, b)["authorization"],
                    st.text("ab%+:é"),
                    texts.map(lambda t: t.encode("utf-8", "replace").decode()),
                ),
            ),
            st.dictionaries(st.sampled_from(["client_id", "client_secret", "code", "grant_type"]), texts),
            st.one_of(texts, forged),
        )
        @settings(max_examples=100, database=None, suppress_health_check=list(HealthCheck))
        def collect(header: str, form: dict[str, str], token: str) -> None:
            rounds.append((header, form, token))

        await loop.run_in_executor(None, collect)
        for each in rounds:
            await send(*each)
        blob = setting.server.core.barrier.encrypt_blob(CONTEXT, b"[2]")
        odd = "hvb." + base64.urlsafe_b64encode(blob).decode().rstrip("=")
        assert (await setting.info(odd))[0] == 401

    played_in(scenario)
