"""Why a login fails: the doctor and the login agree, and nothing of what is examined is used up or shown."""

from __future__ import annotations

import pathlib
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.issuers import KubernetesAPI, Signer, Site, key_set, unsigned
from tests.support.openid import Provider
from tests.unit.auth.own_server import Answer, Server, data, ok, played, refused
from tests.unit.system.whole import limited, served

from strongroom.api.doctor import Evidence, Findings
from strongroom.api.messages import Operation
from strongroom.auth import jose
from strongroom.auth.doctor import check_times, parsed
from strongroom.auth.kubernetes import review
from strongroom.errors import RequestError

SIGNER = Signer()


async def examine(server: Server, path: str, by: str = "root", **given: Any) -> dict[str, Any]:
    """The doctor's answer; whatever it was given must not be in it."""
    answer = ok(await server.write(f"sys/auth-doctor/{path}", by, **given))
    text = msgspec.json.encode(answer.data).decode()
    for name in ("jwt", "secret_id", "password"):
        assert len(given.get(name, "")) < 10 or given[name] not in text
    found: dict[str, Any] = msgspec.to_builtins(answer.data)
    return found


def results(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {step["check"]: (step["result"], step["detail"]) for step in found["checks"]}


def wrong(found: dict[str, Any]) -> dict[str, str]:
    return {check: detail for check, (result, detail) in results(found).items() if result == "failed"}


def agree(found: dict[str, Any], answer: Answer) -> None:
    assert found["ok"] is not isinstance(answer, RequestError), (found, answer)


# -- AppRole -----------------------------------------------------------------------------------------------------------


async def approle(server: Server, **params: Any) -> tuple[str, str]:
    """A role `ci`; returns its role id and a secret id with two uses."""
    if server.live.mounts.by_path("auth/approle") is None:
        ok(await server.write("sys/auth/approle", type="approle"))
    ok(await server.write("auth/approle/role/ci", **params))
    role_id = data(await server.read("auth/approle/role/ci/role-id"))["role_id"]
    secret = data(await server.write("auth/approle/role/ci/secret-id", num_uses=2, ttl="60s"))
    return role_id, secret["secret_id"]


async def approle_login(server: Server, address: str = "127.0.0.1", **given: Any) -> Answer:
    return await server.ask(Operation.UPDATE, "auth/approle/login", "", address=address, **given)


@pytest.mark.parametrize(
    ("change", "address", "check", "detail"),
    [
        ({}, "127.0.0.1", "", ""),
        ({"role_id": "x"}, "127.0.0.1", "role id", "no role of this mount has this role id"),
        ({"secret_id": "x"}, "127.0.0.1", "secret id", 'role "ci" has no such secret id; it was never made'),
        ({}, "192.0.2.1", "the role's secret_id_bound_cidrs", "192.0.2.1 is in none of 127.0.0.0/8"),
    ],
)
def test_approle_agrees_with_the_login(change: dict[str, str], address: str, check: str, detail: str) -> None:
    async def scenario(server: Server) -> None:
        role_id, secret_id = await approle(server, secret_id_bound_cidrs="127.0.0.0/8")
        given = {"role_id": role_id, "secret_id": secret_id, **change}
        for _ in range(5):
            found = await examine(server, "approle", remote_address=address, **given)
            assert found["ok"] is not bool(check)
            assert wrong(found).get(check, "").startswith(detail)
            assert found["reason"].startswith(f"{check}: {detail}" if check else "")
        agree(found, await approle_login(server, address, **given))

    played(scenario)


def test_no_use_of_a_secret_id_is_spent() -> None:
    async def scenario(server: Server) -> None:
        role_id, secret_id = await approle(server)
        for left in (2, 1):
            found = await examine(server, "auth/approle/", role="CI", role_id=role_id, secret_id=secret_id)
            assert results(found)["secret id's uses"][1].startswith(f"{left} logins are left")
            ok(await approle_login(server, role_id=role_id, secret_id=secret_id))
        found = await examine(server, "approle", role_id=role_id, secret_id=secret_id)
        assert "used up" in wrong(found)["secret id"]

    played(scenario)


def test_a_secret_id_that_has_expired_or_is_another_roles() -> None:
    async def scenario(server: Server) -> None:
        role_id, secret_id = await approle(server)
        ok(await server.write("auth/approle/role/other"))
        found = await examine(server, "approle", role="other", secret_id=secret_id)
        assert wrong(found) == {"secret id": 'role "other" has no such secret id: it is one of role "ci"'}
        found = await examine(server, "approle", role="other", role_id=role_id)
        assert wrong(found) == {"role id": 'it is that of role "ci", not of "other"'}
        server.clock.advance(72)
        found = await examine(server, "approle", role_id=role_id, secret_id=secret_id)
        assert wrong(found) == {"secret id's time": "it expired 12 s ago"}
        agree(found, await approle_login(server, role_id=role_id, secret_id=secret_id))

    played(scenario)


def test_networks_of_a_secret_id() -> None:
    async def scenario(server: Server) -> None:
        role_id, _ = await approle(server, secret_id_bound_cidrs="10.0.0.0/8")
        made = data(await server.write("auth/approle/role/ci/secret-id", cidr_list="10.1.0.0/16"))
        given = {"role_id": role_id, "secret_id": made["secret_id"]}
        found = await examine(server, "approle", remote_address="10.2.0.1", **given)
        assert wrong(found) == {"the secret id's cidr_list": "10.2.0.1 is in none of 10.1.0.0/16"}
        ok(await server.write("auth/approle/role/ci", secret_id_bound_cidrs="192.0.2.0/24"))
        found = await examine(server, "approle", remote_address="10.1.0.1", **given)
        assert len(wrong(found)) == 2
        agree(found, await approle_login(server, "10.1.0.1", **given))

    played(scenario)


def test_a_mount_without_roles_stays_as_it_is() -> None:
    async def scenario(server: Server) -> None:
        ok(await server.write("sys/auth/approle", type="approle"))
        mount = server.live.mounts.by_path("auth/approle")
        assert mount is not None
        assert wrong(await examine(server, "approle", role_id="x")) == {"role": "the mount has no roles yet"}
        assert [key async for key, _ in server.live.barrier.scan(mount.prefix)] == []
        _, secret_id = await approle(server)
        assert "role" in wrong(await examine(server, "approle", secret_id=secret_id))
        assert wrong(await examine(server, "approle", role="no")) == {"role": 'there is no role "no"'}
        ok(await server.write("auth/approle/role/ci", bind_secret_id=False, token_bound_cidrs="127.0.0.1"))
        assert results(await examine(server, "approle", role="ci"))["secret id"] == ("skipped", "the role needs none")

    played(scenario)


# -- userpass ----------------------------------------------------------------------------------------------------------


def test_userpass_agrees_with_the_login() -> None:
    async def scenario(server: Server) -> None:
        ok(await server.write("sys/auth/userpass", type="userpass"))
        ok(await server.write("auth/userpass/users/ann", password="right horse", token_bound_cidrs="10.0.0.0/8"))
        assert wrong(await examine(server, "userpass")) == {"user": "no username was given"}
        assert wrong(await examine(server, "userpass", username="bob")) == {"user": 'there is no user "bob"'}
        found = await examine(server, "userpass", username="Ann", password="right horse")
        assert wrong(found) == {"the user's token_bound_cidrs": "127.0.0.1 is in none of 10.0.0.0/8"}
        agree(found, await server.write("auth/userpass/login/ann", "", password="right horse"))
        given = {"username": "ann", "remote_address": "10.0.0.1"}
        found = await examine(server, "userpass", **given, password="right horse")
        login = {"address": "10.0.0.1", "password": "right horse"}
        agree(found, await server.ask(Operation.UPDATE, "auth/userpass/login/ann", "", **login))
        assert results(await examine(server, "userpass", **given))["password"][0] == "skipped"
        for _ in range(5):
            found = await examine(server, "userpass", **given, password="wrong horse")
            assert wrong(found) == {"password": "it is wrong; that counts as a failed login"}
        found = await examine(server, "userpass", **given, password="right horse")
        assert wrong(found) == {"lockout": "the name is locked after too many failed logins"}
        assert results(found)["password"] == ("skipped", "not looked at while the name is locked")
        agree(found, await server.ask(Operation.UPDATE, "auth/userpass/login/ann", "", **login))

    played(scenario)


# -- JWT ---------------------------------------------------------------------------------------------------------------

ROLE = {
    "role_type": "jwt",
    "user_claim": "sub",
    "bound_audiences": "strongroom",
    "bound_claims": {"repo": ["a", "b"], "ref": "refs/*"},
    "bound_claims_type": "glob",
    "groups_claim": "groups",
}
CLAIMS = {
    "sub": "alice",
    "aud": "strongroom",
    "iss": "https://idp.example.com",
    "repo": "a",
    "ref": "refs/heads/x",
    "groups": ["g"],
}


async def jwt_mount(server: Server, **config: Any) -> None:
    ok(await server.write("sys/auth/jwt", type="jwt"))
    ok(await server.write("auth/jwt/config", **config))
    ok(await server.write("auth/jwt/role/r", **ROLE))


@pytest.mark.parametrize(
    ("claims", "check", "detail"),
    [
        ({}, "", ""),
        ({"exp": -72}, "claim exp", "it ended 72 s ago, and only 60 s are allowed"),
        ({"exp": -59}, "", ""),
        ({"nbf": 90}, "claim nbf", "it is 90 s ahead, and only 60 s are allowed"),
        ({"nbf": 59}, "", ""),
        ({"iat": 61}, "claim iat", "it is 61 s ahead"),
        ({"exp": None, "iat": None}, "times", "no issued at (iat)"),
        ({"exp": None, "iat": -300}, "claim exp", "it ended 150 s ago"),
        ({"exp": "x"}, "times", 'the exp claim is "x"'),
        ({"iss": "https://evil"}, "claim iss", 'the issuer is "https://evil"'),
        ({"aud": "else"}, "bound_audiences", "the token is for \"['else']\""),
        ({"aud": None}, "bound_audiences", "the token is for"),
        ({"aud": {}}, "claim aud", "invalid audience (aud) claim"),
        ({"repo": "c"}, 'bound claim "repo"', 'the claim "repo" is "c", the role wants'),
        ({"ref": None}, 'bound claim "ref"', 'claim "ref" is missing'),
        ({"sub": None}, "user_claim", 'claim "sub" not found in token'),
        ({"groups": None}, "user_claim", "failed to fetch groups"),
    ],
)
def test_jwt_agrees_with_the_login(claims: dict[str, Any], check: str, detail: str) -> None:
    async def scenario(server: Server) -> None:
        await jwt_mount(server, jwt_validation_pubkeys=SIGNER.pem, bound_issuer="https://idp.example.com")
        now = server.clock.now()
        moved = {
            name: value + now if name in ("exp", "nbf", "iat") and isinstance(value, int) else value
            for name, value in {"exp": 300, "iat": -300 if "exp" in claims else 0, **claims}.items()
        }
        jwt = SIGNER.sign({name: value for name, value in {**CLAIMS, **moved}.items() if value is not None})
        found = await examine(server, "jwt", role="R", jwt=jwt)
        assert check in wrong(found) if check else not wrong(found)
        assert wrong(found).get(check, "").startswith(detail)
        agree(found, await server.write("auth/jwt/login", "", role="r", jwt=jwt))

    played(scenario)


@pytest.mark.parametrize(
    ("jwt", "check"),
    [
        (lambda claims: "a.b", "token format"),
        (lambda claims: unsigned(claims, alg="none"), "signature"),
        (lambda claims: Signer().sign(claims), "signature"),
        (lambda claims: SIGNER.sign(claims, "RS512"), "algorithm"),
    ],
)
def test_tokens_of_others_are_told_from_the_issuers(jwt: Any, check: str) -> None:
    async def scenario(server: Server) -> None:
        await jwt_mount(server, jwt_validation_pubkeys=SIGNER.pem, jwt_supported_algs=["RS256"])
        now = server.clock.now()
        text = jwt({**CLAIMS, "iat": now, "exp": now + 300})
        found = await examine(server, "jwt", role="r", jwt=text)
        assert check in wrong(found)
        agree(found, await server.write("auth/jwt/login", "", role="r", jwt=text))

    played(scenario)


def test_an_issuer_that_does_not_answer_is_named() -> None:
    async def scenario(server: Server) -> None:
        await jwt_mount(server, jwks_url=site.address)
        found = await examine(server, "jwt", role="r")
        assert results(found)["issuer's keys"] == ("ok", f'"{site.address}" has 1: "one"')
        assert results(found)["token"][0] == "skipped"
        shown.clear()
        server.clock.advance(400)
        assert "has none that is accepted" in wrong(await examine(server, "jwt", role="r"))["issuer's keys"]

    with key_set(Signer(kid="one")) as (site, shown):
        played(scenario)

    async def away(server: Server) -> None:
        ok(await server.write("sys/auth/jwt", type="jwt"))
        found = await examine(server, "jwt", role="r")
        assert wrong(found)["configuration"] == "the mount has none: write its config first"
        assert wrong(found)["role"] == 'there is no role "r"'
        assert "no default_role" in wrong(await examine(server, "jwt"))["role"]

    played(away)


def test_roles_for_browsers_need_a_provider_with_endpoints() -> None:
    async def scenario(server: Server) -> None:
        ok(await server.write("sys/auth/oidc", type="oidc"))
        ok(await server.write("auth/oidc/config", **provider.config))
        ok(await server.write("auth/oidc/role/r", user_claim="sub", allowed_redirect_uris="http://localhost:8250/x"))
        found = await examine(server, "oidc")
        assert found["ok"], wrong(found)
        assert results(found)["allowed_redirect_uris"] == ("ok", '"http://localhost:8250/x"')
        now = server.clock.now()
        found = await examine(server, "oidc", jwt=SIGNER.sign({**CLAIMS, "exp": now + 60}))
        assert "it takes no JWT" in wrong(found)["role_type"]

    with Provider() as provider:
        played(scenario)


# -- Kubernetes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "token", "check", "detail"),
    [
        ({}, {}, "", ""),
        ({}, {"name": "other"}, "bound_service_account_names", '"other" is none of "[\'app\']"'),
        ({}, {"namespace": "stage"}, "bound_service_account_namespaces", '"stage" is none of "[\'prod\']"'),
        ({}, {"exp": -72}, "claim exp", "it ended 72 s ago"),
        ({"audience": "vault"}, {}, "claim aud", "the token is for"),
        ({"token_bound_cidrs": "10.0.0.0/8"}, {}, "the role's token_bound_cidrs", "127.0.0.1 is in none of"),
    ],
)
def test_kubernetes_agrees_with_the_login(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    role: dict[str, Any],
    token: dict[str, Any],
    check: str,
    detail: str,
) -> None:
    monkeypatch.setattr(review, "POD_FILES", tmp_path / "no-pod")

    async def scenario(server: Server) -> None:
        ok(await server.write("sys/auth/kubernetes", type="kubernetes"))
        assert "configuration" in wrong(await examine(server, "kubernetes", role="r"))
        ok(await server.write("auth/kubernetes/config", kubernetes_host=site.address, token_reviewer_jwt="reviewer"))
        bound = {"bound_service_account_names": "app", "bound_service_account_namespaces": "prod"}
        ok(await server.write("auth/kubernetes/role/r", **bound, **role))
        about = {"name": "app", "namespace": "prod", **token}
        if "exp" in about:
            about["exp"] += server.clock.now()
        jwt = api.token(**about)
        found = await examine(server, "kubernetes", role="r", jwt=jwt)
        assert wrong(found).get(check, "").startswith(detail)
        assert found["ok"] is not bool(check)
        agree(found, await server.write("auth/kubernetes/login", "", role="r", jwt=jwt))
        found = await examine(server, "kubernetes", role="no", jwt="x")
        assert set(wrong(found)) == {"role", "token format"}

    api = KubernetesAPI()
    with Site(api) as site:
        played(scenario)


def test_what_the_cluster_says_is_told() -> None:
    async def scenario(server: Server) -> None:
        api.deleted.add("system:serviceaccount:prod:app")
        ok(await server.write("sys/auth/kubernetes", type="kubernetes"))
        config = {"kubernetes_host": site.address, "token_reviewer_jwt": "reviewer", "pem_keys": Signer().pem}
        ok(await server.write("auth/kubernetes/config", **config, disable_iss_validation=False, issuer="i"))
        bound = {"bound_service_account_names": "app", "bound_service_account_namespaces": "*"}
        ok(await server.write("auth/kubernetes/role/r", **bound))
        jwt = api.token(name="app", namespace="prod")
        found = wrong(await examine(server, "kubernetes", role="r", jwt=jwt))
        assert set(found) == {"signature", "claim iss", "review"}
        assert "the service account was deleted" in found["review"]

    api = KubernetesAPI()
    with Site(api) as site:
        played(scenario)


# -- What holds for all ------------------------------------------------------------------------------------------------


def test_the_entity_its_second_factor_and_missing_policies_are_told() -> None:
    async def scenario(server: Server) -> None:
        role_id, secret_id = await approle(server, token_policies=["nowhere"])
        given = {"role_id": role_id, "secret_id": secret_id}
        found = results(await examine(server, "approle", **given))
        assert found["entity"][0] == "note"
        assert found["policies"][1].endswith(": nowhere")
        auth = ok(await approle_login(server, **given)).auth
        assert auth is not None
        method = data(await server.write("identity/mfa/method/totp", issuer="S"))["method_id"]
        enforcement = {"mfa_method_ids": [method], "auth_method_types": ["approle"]}
        ok(await server.write("identity/mfa/login-enforcement/e", **enforcement))
        check = "second factor of enforcement e"
        assert "has no secret" in wrong(await examine(server, "approle", **given))[check]
        ids = {"method_id": method, "entity_id": auth.entity_id}
        ok(await server.write("identity/mfa/method/totp/admin-generate", **ids))
        assert results(await examine(server, "approle", **given))[check][0] == "note"
        ok(await server.write(f"identity/entity/id/{auth.entity_id}", disabled=True))
        found = await examine(server, "approle", **given)
        assert wrong(found) == {"entity": f"{auth.entity_id} is disabled"}
        agree(found, await approle_login(server, **given))

    played(scenario)


def test_no_token_and_no_entity_comes_of_it() -> None:
    async def scenario(server: Server) -> None:
        role_id, secret_id = await approle(server)
        accessors = data(await server.list("auth/token/accessors"))
        for _ in range(3):
            assert (await examine(server, "approle", role_id=role_id, secret_id=secret_id))["ok"]
        assert data(await server.list("auth/token/accessors")) == accessors
        assert refused(await server.list("identity/entity/id"))[0] == "NotFound"
        assert refused(await server.list("sys/internal/logins/approle"))[0] == "NotFound"

    played(scenario)


@pytest.mark.parametrize(
    ("path", "given", "text"),
    [
        ("nowhere", {}, "no auth method is enabled at nowhere/"),
        ("token", {}, "logins of type token cannot be examined"),
        ("approle", {"jwt": "x" * 70_000}, "a parameter is longer than 65536 characters"),
    ],
)
def test_what_cannot_be_examined(path: str, given: dict[str, Any], text: str) -> None:
    async def scenario(server: Server) -> None:
        await approle(server)
        assert refused(await server.write(f"sys/auth-doctor/{path}", **given)) == ("BadRequest", text)

    played(scenario)


def test_it_needs_sudo_on_the_mounts_path() -> None:
    async def scenario(server: Any) -> None:
        await approle(server)
        path = "sys/auth-doctor/approle"
        weak = await limited(server, "update", path=path)
        assert refused(await server.write(path, weak, role="ci"))[0] == "PermissionDenied"
        strong = await limited(server, "update", "sudo", path=path)
        assert (await examine(server, "approle", strong, role="ci"))["ok"]

    served(scenario)


CLAIM = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["exp", "nbf", "iat"]), CLAIM), st.integers(-10, 1000))
def test_times_are_judged_as_a_login_judges_them(claims: dict[str, Any], skew: int) -> None:
    found, leeways = Findings(), jose.Leeways(clock_skew=skew)
    check_times(found, claims, 1000.0, leeways, needed=True)
    try:
        jose.check_times(claims, 1000.0, leeways)
    except jose.BadJWT:
        assert found.failed
    else:
        assert not found.failed


@settings(max_examples=100, deadline=None)
@given(st.text() | st.binary().map(lambda b: f"{b.hex()}.{b.hex()}."))
def test_any_text_is_taken_apart_or_refused(text: str) -> None:
    found = Findings()
    assert (parsed(found, text) is None) is bool(found.failed)


def test_secrets_show_in_no_repr() -> None:
    evidence = Evidence("127.0.0.1", jwt="secret-a", secret_id="secret-b", password="secret-c")
    assert "secret-" not in repr(evidence)
