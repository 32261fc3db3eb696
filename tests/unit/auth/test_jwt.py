"""auth/jwt through the pipeline: issuers with static keys, key sets and discovery; logins in a browser."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.issuers import Signer, Site, key_set, unsigned
from tests.support.openid import BACK, Provider
from tests.unit.auth.own_server import Server, data, ok, played, refused

from strongroom.auth.jwt import flows
from strongroom.errors import RequestError

ROLE = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "strongroom"}
SIGNER = Signer()
CLAIMS = {"sub": "alice", "aud": "strongroom", "iss": "https://idp.example.com"}


async def mounted(server: Server, role: dict[str, Any] | None = None, **config: Any) -> None:
    ok(await server.write("sys/auth/jwt", type="jwt"))
    ok(await server.write("auth/jwt/config", **config))
    ok(await server.write("auth/jwt/role/r", **(ROLE if role is None else role)))


async def login(server: Server, jwt: str, role: str = "r") -> Any:
    return await server.write("auth/jwt/login", "", role=role, jwt=jwt)


def reason(answer: Any) -> str:
    assert isinstance(answer, RequestError), answer
    assert answer.kind == "permission denied"
    return answer.reason


def times(server: Server, **more: Any) -> dict[str, Any]:
    now = server.clock.now()
    return {**CLAIMS, "iat": now, "exp": now + 300, **more}


def test_why_a_token_is_refused_is_known_inside() -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, jwt_validation_pubkeys=SIGNER.pem, bound_issuer="https://idp.example.com")
        now = server.clock.now()
        cases = [
            (SIGNER.sign(times(server, exp=now - 72)), "expired 72 s ago"),
            (SIGNER.sign(times(server, nbf=now + 90)), "begins in 90 s"),
            (SIGNER.sign(times(server, iss="https://evil")), 'the issuer is "https://evil"'),
            (SIGNER.sign(times(server, aud="else")), "expected is one of"),
            (unsigned(times(server), alg="none"), 'algorithm "none"'),
            (Signer().sign(times(server)), "the signature is of another key"),
            ("a" * 40_000, "40000 characters"),
        ]
        for jwt, why in cases:
            answer = await login(server, jwt)
            assert refused(answer)[0] == "BadRequest"
            assert refused(answer)[1].startswith("error validating token:")
            assert why in reason(answer)
            assert jwt not in reason(answer)
        ok(await login(server, SIGNER.sign(times(server))))

    played(scenario)


def test_key_confusion_is_refused_whatever_is_configured() -> None:
    async def scenario(server: Server) -> None:
        answer = await server.write("sys/auth/jwt", type="jwt")
        ok(answer)
        config = {"jwt_validation_pubkeys": SIGNER.pem, "jwt_supported_algs": "HS256"}
        assert "unsupported signing algorithm" in refused(await server.write("auth/jwt/config", **config))[1]
        config = {"jwt_validation_pubkeys": SIGNER.pem, "jwt_supported_algs": "none"}
        assert "unsupported signing algorithm" in refused(await server.write("auth/jwt/config", **config))[1]

    played(scenario)


def test_an_algorithm_off_the_list_is_refused() -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, jwt_validation_pubkeys=SIGNER.pem, jwt_supported_algs=["RS512"])
        ok(await login(server, SIGNER.sign(times(server), "RS512")))
        said = refused(await login(server, SIGNER.sign(times(server), "RS256")))[1]
        assert said.startswith("error validating token: invalid algorithm (alg) header parameter")

    played(scenario)


def test_keys_may_change_hands_and_a_stranger_makes_no_traffic() -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, jwks_url=site.address)
        ok(await login(server, one.sign(times(server))))
        seen = len(site.seen)
        for _ in range(5):
            ok(await login(server, one.sign(times(server))))
            assert isinstance(await login(server, two.sign(times(server))), RequestError)
        assert len(site.seen) == seen, "read just now"
        shown[:] = [two]
        server.clock.advance(11)
        ok(await login(server, two.sign(times(server))))
        assert len(site.seen) == seen + 1
        assert isinstance(await login(server, one.sign(times(server))), RequestError)
        assert isinstance(await login(server, unsigned(times(server), alg="none")), RequestError)
        assert len(site.seen) == seen + 1

    one, two = Signer(kid="one"), Signer("ES256", kid="two")
    with key_set(one) as (site, shown):
        played(scenario)


def test_an_issuer_that_is_away_refuses_new_keys_only() -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, jwks_url=site.address)
        away.append(True)
        answer = await login(server, SIGNER.sign(times(server)))
        assert refused(answer)[1] == ("error validating token: error verifying token signature: fetching keys failed")
        assert "status 500" in reason(answer)
        away.clear()
        server.clock.advance(11)
        ok(await login(server, SIGNER.sign(times(server))))
        away.append(True)
        server.clock.advance(600)
        ok(await login(server, SIGNER.sign(times(server))))

    away: list[bool] = []
    with Site(lambda *_: (500, {}) if away else (200, {"keys": [SIGNER.jwk]})) as site:
        played(scenario)


def test_a_workflow_of_a_forge_logs_in_by_its_claims() -> None:
    """Claims as GitHub's Actions have them."""

    async def scenario(server: Server) -> None:
        role = {
            "role_type": "jwt",
            "user_claim": "repository",
            "bound_audiences": "https://github.com/octo-org",
            "bound_claims_type": "glob",
            "bound_claims": {"sub": "repo:octo-org/octo-repo:*", "ref": ["refs/heads/main", "refs/tags/v*"]},
            "claim_mappings": {"workflow": "workflow", "run_id": "run"},
            "token_policies": "deploy",
            "token_ttl": "5m",
        }
        await mounted(server, role, oidc_discovery_url=provider.site.address, bound_issuer=provider.site.address)
        claims = {
            "iss": provider.site.address,
            "aud": "https://github.com/octo-org",
            "sub": "repo:octo-org/octo-repo:ref:refs/heads/main",
            "repository": "octo-org/octo-repo",
            "ref": "refs/heads/main",
            "workflow": "deploy",
            "run_id": "1234",
            "iat": server.clock.now(),
            "nbf": server.clock.now() - 5,
            "exp": server.clock.now() + 300,
        }
        auth = ok(await login(server, provider.signer.sign(claims))).auth
        assert auth is not None
        assert auth.metadata == {"role": "r", "workflow": "deploy", "run": "1234"}
        assert (auth.policies, auth.lease_duration) == (["default", "deploy"], 300)
        answer = await login(server, provider.signer.sign({**claims, "ref": "refs/heads/fork"}))
        assert refused(answer)[1].startswith('error validating claims: claim "ref" does not match')
        answer = await login(server, provider.signer.sign({**claims, "sub": "repo:evil/octo-repo:ref:refs/heads/main"}))
        assert isinstance(answer, RequestError)

    with Provider() as provider:
        played(scenario)


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({}, "exactly one of"),
    ({"jwks_url": "http://127.0.0.1:1/"}, "error checking jwks URL: http://127.0.0.1:1/: connection refused"),
    ({"jwks_url": "{site}/none"}, "error checking jwks URL"),
    ({"jwks_url": "ftp://x"}, "error checking jwks URL"),
    ({"oidc_discovery_url": "{site}/other"}, "error checking oidc discovery URL"),
    ({"oidc_discovery_url": "{site}", "oidc_client_id": "x"}, "both 'oidc_client_id' and 'oidc_client_secret'"),
    ({"jwks_url": "{site}/keys", "oidc_client_id": "x", "oidc_client_secret": "y"}, "'oidc_discovery_url' must be set"),
    ({"jwks_url": "{site}/keys", "oidc_response_mode": "form_post"}, "invalid response_mode"),
    ({"jwks_url": "{site}/keys", "oidc_response_types": "id_token"}, "invalid response_types"),
    ({"jwks_url": "{site}/keys", "provider_config": {"provider": "azure"}}, "provider_config"),
]


@pytest.mark.parametrize(("config", "why"), CONFIGS)
def test_configurations_that_are_refused(config: dict[str, Any], why: str) -> None:
    async def scenario(server: Server) -> None:
        ok(await server.write("sys/auth/jwt", type="jwt"))
        given = {k: v.replace("{site}", provider.site.address) if isinstance(v, str) else v for k, v in config.items()}
        kind, text = refused(await server.write("auth/jwt/config", **given))
        assert kind == "BadRequest"
        assert why in text

    with Provider() as provider:
        played(scenario)


def test_a_client_secret_is_never_shown() -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, BROWSER, **provider.config)
        shown = json.dumps(data(await server.read("auth/jwt/config")))
        assert "oidc_client_id" in shown
        assert "s3cret" not in shown

    with Provider() as provider:
        played(scenario)


@pytest.mark.parametrize("name", ["x" * 5000, "\u212bngstr\u00f6m", "a/b", "no such"])
def test_strange_role_names_are_refused_and_not_repeated_at_length(name: str) -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, jwt_validation_pubkeys=SIGNER.pem)
        kind, text = refused(await login(server, "x", name))
        assert kind == "BadRequest"
        assert len(text) < 100

    played(scenario)


# -- In a browser ------------------------------------------------------------------------------------------------------

BROWSER = {"user_claim": "sub", "allowed_redirect_uris": BACK, "oidc_scopes": "email"}


async def begin(server: Server, provider: Provider, **more: Any) -> dict[str, str]:
    """Begin a login; returns the query that the browser is sent to the provider with."""
    asked = {"redirect_uri": BACK, "client_nonce": "cn", **more}
    address = data(await server.write("auth/jwt/oidc/auth_url", "", **asked))["auth_url"]
    assert address.startswith(provider.site.address + "/authorize?")
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    provider.challenge = query["code_challenge"]
    now = server.clock.now()
    provider.id_token = {
        "iss": provider.site.address,
        "aud": "strongroom",
        "sub": "alice",
        "nonce": query["nonce"],
        "iat": now,
        "exp": now + 60,
    }
    return query


async def end(server: Server, state: str, **more: Any) -> Any:
    return await server.read(
        "auth/jwt/oidc/callback", "", **{"state": state, "code": "the-code", "client_nonce": "cn"} | more
    )


def test_a_person_logs_in_with_a_browser() -> None:
    async def scenario(server: Server) -> None:
        role = {**BROWSER, "claim_mappings": {"email": "mail"}, "groups_claim": "groups", "token_policies": "p"}
        await mounted(server, role, **provider.config)
        query = await begin(server, provider)
        assert query["scope"] == "openid email"
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        auth = ok(await end(server, query["state"])).auth
        assert auth is not None
        assert (auth.policies, auth.metadata) == (["default", "p"], {"role": "r", "mail": "a@x"})
        again = await end(server, query["state"])
        assert refused(again)[1] == "Vault login failed. Expired or missing OAuth state."

    with Provider() as provider:
        provider.info = {"sub": "alice", "email": "a@x", "groups": ["dev"], "iss": "ignored"}
        played(scenario)


#: What the provider's ID token says otherwise, and the reason for the refusal.
BAD_ID_TOKENS: list[tuple[dict[str, Any], str]] = [
    ({"nonce": "another"}, "of another login"),
    ({"nonce": None}, "of another login"),
    ({"aud": "else"}, "expected is one of"),
    ({"aud": ["strongroom", "else"]}, "authorized party"),
    ({"azp": "else"}, "authorized party"),
    ({"iss": "https://evil"}, "https://evil"),
    ({"exp": 1}, "expired"),
    ({"sub": None}, "not found in token"),
]


@pytest.mark.parametrize(("changes", "why"), BAD_ID_TOKENS)
def test_an_id_token_must_be_of_this_login(changes: dict[str, Any], why: str) -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, BROWSER, **provider.config)
        query = await begin(server, provider)
        changed = {**provider.id_token, **changes}
        provider.id_token = {name: value for name, value in changed.items() if value is not None}
        assert why in reason(await end(server, query["state"]))

    with Provider() as provider:
        played(scenario)


def test_how_else_a_login_in_a_browser_fails() -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, BROWSER, **provider.config)
        state = (await begin(server, provider))["state"]
        assert reason(await end(server, state, client_nonce="another")) == "the client_nonce is another"
        assert "Expired or missing" in refused(await end(server, state))[1]

        state = (await begin(server, provider))["state"]
        answer = await end(server, state, code="", error="access_denied", error_description="no\nway")
        assert reason(answer) == 'the issuer answered "no\\nway"'

        state = (await begin(server, provider))["state"]
        assert '"invalid_grant"' in reason(await end(server, state, code="forged"))

        state = (await begin(server, provider))["state"]
        server.clock.advance(flows.TIME + 1)
        assert "Expired or missing" in refused(await end(server, state))[1]

        for tokens, why in (
            ((200, {}), "no ID token"),
            ((200, b"x"), "no JSON object"),
            ((200, {"id_token": "x"}), "three parts"),
            ((500, b"<html>"), "status 500"),
        ):
            state = (await begin(server, provider))["state"]
            provider.tokens = tokens
            answer = await end(server, state)
            assert why in refused(answer)[1] + reason(answer)
            provider.tokens = None

    with Provider() as provider:
        played(scenario)


def test_where_a_login_may_lead() -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, BROWSER, **provider.config)
        await begin(server, provider, redirect_uri="http://localhost:9999/oidc/callback")
        for uri in (
            "http://localhost:8250/other",
            "https://localhost:8250/oidc/callback",
            "http://127.0.0.1:8250/oidc/callback",
            "http://localhost@evil/oidc/callback",
            "http://evil/oidc/callback",
            "http://localhost:8250/oidc/callback?x",
            "http://[::1",
        ):
            answer = data(await server.write("auth/jwt/oidc/auth_url", "", redirect_uri=uri))
            assert answer == {"auth_url": ""}
        assert refused(await server.write("auth/jwt/oidc/auth_url", ""))[1] == "missing redirect_uri"
        assert refused(await login(server, "x"))[1] == "role with oidc role_type is not allowed"

    with Provider() as provider:
        played(scenario)


def test_the_age_of_a_login_at_the_provider_counts_where_it_is_bound() -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, {**BROWSER, "max_age": 300}, **provider.config)
        query = await begin(server, provider)
        assert query["max_age"] == "300"
        assert "auth_time" in reason(await end(server, query["state"]))
        query = await begin(server, provider)
        provider.id_token["auth_time"] = server.clock.now() - 299
        ok(await end(server, query["state"]))

    with Provider() as provider:
        played(scenario)


@pytest.mark.parametrize("info", [{"sub": "bob", "email": "b@x"}, {"email": "b@x"}, {"sub": "alice"}])
def test_userinfo_of_another_subject_adds_nothing(info: dict[str, Any]) -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, {**BROWSER, "claim_mappings": {"email": "mail"}}, **provider.config)
        auth = ok(await end(server, (await begin(server, provider))["state"])).auth
        assert auth is not None
        assert auth.metadata == {"role": "r"}

    with Provider() as provider:
        provider.info = info
        played(scenario)


def test_logins_that_nobody_ends_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "MOST", 3)

    async def scenario(server: Server) -> None:
        await mounted(server, BROWSER, **provider.config)
        states = [(await begin(server, provider))["state"] for _ in range(4)]
        assert "Expired or missing" in refused(await end(server, states[0]))[1]
        ok(await end(server, states[3]))

    with Provider() as provider:
        played(scenario)


# -- On a device -------------------------------------------------------------------------------------------------------

DEVICE = {"user_claim": "sub", "callback_mode": "device", "oidc_scopes": "email"}
ANSWER = {"device_code": "dc", "user_code": "ABCD-EFGH", "verification_uri": "https://idp/device", "expires_in": 300}


def test_a_device_waits_until_it_is_let_in() -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, DEVICE, **provider.config)
        assert data(await server.read("auth/jwt/role/r"))["callback_mode"] == "device"
        begun = data(await server.write("auth/jwt/oidc/auth_url", "", client_nonce="cn"))
        state = begun.pop("state")
        assert begun == {"auth_url": "https://idp/device", "user_code": "ABCD-EFGH", "poll_interval": 5}
        sent = {"state": state, "client_nonce": "cn"}
        for code in ("authorization_pending", "slow_down"):
            provider.tokens = (400, {"error": code})
            assert refused(await server.write("auth/jwt/oidc/poll", "", **sent)) == ("BadRequest", code)
        now = server.clock.now()
        claims = {"iss": provider.site.address, "aud": "strongroom", "sub": "alice", "exp": now + 60, "iat": now}
        provider.tokens = (200, {"id_token": provider.signer.sign(claims)})
        auth = ok(await server.write("auth/jwt/oidc/poll", "", **sent)).auth
        assert auth is not None
        assert auth.display_name == "jwt-alice"
        form = parse_qs(provider.site.seen[-1][2].decode()) or parse_qs(provider.site.seen[-2][2].decode())
        assert form["device_code"] == ["dc"]
        assert "Expired or missing" in refused(await server.write("auth/jwt/oidc/poll", "", **sent))[1]

    with Provider() as provider:
        provider.device = ANSWER
        played(scenario)


def test_a_device_that_is_turned_away_has_to_begin_again() -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, DEVICE, **provider.config)
        begun = data(await server.write("auth/jwt/oidc/auth_url", "", client_nonce="cn"))
        assert "Expired or missing" in refused(await end(server, begun["state"]))[1], "no login in a browser"
        provider.tokens = (400, {"error": "access_denied"})
        sent = {"state": begun["state"], "client_nonce": "cn"}
        assert '"access_denied"' in reason(await server.write("auth/jwt/oidc/poll", "", **sent))
        assert "Expired or missing" in refused(await server.write("auth/jwt/oidc/poll", "", **sent))[1]

    with Provider() as provider:
        provider.device = ANSWER
        played(scenario)


@pytest.mark.parametrize(
    ("device", "why"),
    [
        ({}, "the issuer has no logins for devices"),
        ({"device_code": "dc"}, "the issuer does not answer"),
        ({**ANSWER, "device_code": 1}, "the issuer does not answer"),
    ],
)
def test_an_issuer_without_devices(device: dict[str, Any], why: str) -> None:
    async def scenario(server: Server) -> None:
        await mounted(server, DEVICE, **provider.config)
        assert why in refused(await server.write("auth/jwt/oidc/auth_url", ""))[1]

    with Provider() as provider:
        provider.device = device
        played(scenario)


def test_both_names_of_the_method_can_be_enabled() -> None:
    async def scenario(server: Server) -> None:
        ok(await server.write("sys/auth/oidc", type="oidc"))
        assert data(await server.read("sys/auth"))["oidc/"]["type"] == "oidc"
        ok(await server.write("auth/oidc/config", jwt_validation_pubkeys=SIGNER.pem))

    played(scenario)
