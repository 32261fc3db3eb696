"""auth/kubernetes through the pipeline, with a cluster that reviews JWTs by their signature."""

from __future__ import annotations

import base64
import json
import pathlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.certificates import authority, write
from tests.support.issuers import KubernetesAPI, Signer, Site, unsigned
from tests.unit.auth.own_server import Server, data, ok, played, refused

from strongroom.auth.jose import BadJWT
from strongroom.auth.kubernetes import review
from strongroom.auth.kubernetes.accounts import Account, account_of, allowed
from strongroom.auth.kubernetes.selector import parse_selector
from strongroom.errors import BadRequest, RequestError

ROLE = {"bound_service_account_names": "workflow-service", "bound_service_account_namespaces": "production"}
DENIED = ("PermissionDenied", "permission denied")


@pytest.fixture(autouse=True)
def _in_no_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(review, "POD_FILES", tmp_path / "no-pod")


def with_cluster(
    scenario: Callable[[Server, KubernetesAPI, Site], Awaitable[Any]], config: dict[str, Any] | None = None
) -> Any:
    async def play(server: Server) -> Any:
        ok(await server.write("sys/auth/kubernetes", type="kubernetes"))
        base = {"kubernetes_host": site.address, "token_reviewer_jwt": "reviewer"}
        ok(await server.write("auth/kubernetes/config", **{**base, **(config or {})}))
        ok(await server.write("auth/kubernetes/role/r", **ROLE))
        return await scenario(server, api, site)

    api = KubernetesAPI()
    with Site(api) as site:
        return played(play)


async def login(server: Server, jwt: str, role: str = "r") -> Any:
    return await server.write("auth/kubernetes/login", "", role=role, jwt=jwt)


def reason(answer: Any) -> str:
    assert isinstance(answer, RequestError), answer
    return answer.reason


def test_a_pod_gets_what_its_role_says() -> None:
    async def scenario(server: Server, api: KubernetesAPI, site: Site) -> None:
        ok(await server.write("auth/kubernetes/role/r", token_ttl="5m", token_policies="p"))
        auth = ok(await login(server, api.token())).auth
        assert auth is not None
        assert (auth.policies, auth.lease_duration) == (["default", "p"], 300)
        assert auth.metadata == {
            "role": "r",
            "service_account_name": "workflow-service",
            "service_account_namespace": "production",
            "service_account_secret_name": "",
            "service_account_uid": "uid-production-workflow-service",
        }
        path, headers, body = site.seen[0]
        assert (path, headers["Authorization"]) == ("/apis/authentication.k8s.io/v1/tokenreviews", "Bearer reviewer")
        assert json.loads(body)["spec"] == {"token": api.token()}

    with_cluster(scenario)


def test_who_is_refused_and_why() -> None:
    async def scenario(server: Server, api: KubernetesAPI, site: Site) -> None:
        api.deleted.add("system:serviceaccount:production:workflow-service")
        ok(await server.write("auth/kubernetes/role/aud", **ROLE, audience="vault"))
        ok(await server.write("auth/kubernetes/role/cidr", **ROLE, token_bound_cidrs="10.0.0.0/8"))
        now = server.clock.now()
        name, namespace = "service account name not authorized", "namespace not authorized"
        cases: list[tuple[str, str, str, str]] = [
            ("r", api.token(name="other"), name, 'not for service account "other"'),
            ("r", api.token(namespace="staging"), namespace, 'not for namespace "staging"'),
            ("r", api.token(), "permission denied", "the service account was deleted"),
            ("r", api.token(exp=now - 72), "invalid expiration time (exp) claim: token is expired", "expired 72 s ago"),
            ("r", api.token(nbf=now + 99), "invalid not before (nbf) claim: token not yet valid", "begins in 99 s"),
            ("r", "x.y", "permission denied", "2 parts"),
            ("r", "a" * 40_000, "permission denied", "40000 characters"),
            ("r", unsigned({}, alg="none"), "permission denied", 'algorithm "none" is not accepted'),
            ("r", Signer().sign({}), "permission denied", "no namespace, name, uid"),
            ("aud", api.token(), "invalid audience (aud) claim: audience claim does not match", "expected is one of"),
            ("cidr", api.token(), "permission denied", "bound to other addresses than 127.0.0.1"),
        ]
        for role, jwt, text, why in cases:
            answer = await login(server, jwt, role)
            assert refused(answer)[0] == "PermissionDenied", why
            assert refused(answer)[1].startswith(text)
            assert why in reason(answer)
            assert jwt not in reason(answer)
        assert len(site.seen) == 1, "only what could be right was reviewed"

    with_cluster(scenario)


def test_a_forged_jwt_with_the_right_claims_is_refused_by_the_review() -> None:
    async def scenario(server: Server, api: KubernetesAPI, _: Site) -> None:
        forger = KubernetesAPI()
        answer = await login(server, forger.token())
        assert refused(answer) == DENIED
        assert "the cluster does not know the JWT" in reason(answer)

    with_cluster(scenario)


def test_with_keys_a_forged_jwt_is_not_even_reviewed() -> None:
    async def scenario(server: Server, api: KubernetesAPI, site: Site) -> None:
        base = {"kubernetes_host": site.address, "token_reviewer_jwt": "reviewer"}
        ok(await server.write("auth/kubernetes/config", **base, pem_keys=[api.signer.pem]))
        ok(await login(server, api.token()))
        assert len(site.seen) == 1
        assert refused(await login(server, KubernetesAPI().token())) == DENIED
        assert len(site.seen) == 1

    with_cluster(scenario)


#: The review's answer, and the reason that the log has.
REVIEWS: list[tuple[Any, str]] = [
    ((401, {}), "refuses the reviewer's own JWT"),
    ((403, {}), "system:auth-delegator"),
    ((404, {}), "no TokenReview API"),
    ((500, {}), "status 500"),
    ((201, b"[]"), "no JSON object"),
    ((201, {}), "does not know the JWT"),
    ((201, {"status": []}), "does not know the JWT"),
    ((201, {"status": {"authenticated": "true"}}), "does not know the JWT"),
    ((201, {"status": {"authenticated": True}}), 'is of user ""'),
    ((201, {"status": {"authenticated": True, "user": {"username": "admin"}}}), 'is of user "admin"'),
    (
        (201, {"status": {"authenticated": True, "user": {"username": "system:serviceaccount:production:other"}}}),
        "of user",
    ),
]
USER = "system:serviceaccount:production:workflow-service"


@pytest.mark.parametrize(("answer", "why"), REVIEWS)
def test_what_the_cluster_answers_is_taken_exactly(answer: Any, why: str) -> None:
    async def play(server: Server) -> None:
        ok(await server.write("sys/auth/kubernetes", type="kubernetes"))
        ok(await server.write("auth/kubernetes/config", kubernetes_host=site.address))
        ok(await server.write("auth/kubernetes/role/r", **ROLE))
        got = await login(server, KubernetesAPI().token())
        assert refused(got) == DENIED
        assert why in reason(got)

    with Site(lambda *_: answer) as site:
        played(play)


@pytest.mark.parametrize(
    ("user", "audiences", "passes"),
    [
        ({"username": USER, "uid": "uid-production-workflow-service"}, ["vault"], True),
        ({"username": USER, "uid": "uid-production-workflow-service"}, None, True),
        ({"username": USER, "uid": "uid-production-workflow-service"}, ["else"], False),
        ({"username": USER, "uid": "another"}, ["vault"], False),
        ({"username": USER}, ["vault"], False),
    ],
)
def test_uid_and_audience_must_be_the_jwts(user: dict[str, str], audiences: Any, passes: bool) -> None:
    async def play(server: Server) -> None:
        ok(await server.write("sys/auth/kubernetes", type="kubernetes"))
        ok(await server.write("auth/kubernetes/config", kubernetes_host=site.address))
        ok(await server.write("auth/kubernetes/role/r", **ROLE, audience="vault"))
        got = await login(server, KubernetesAPI().token(aud=["vault", "else"]))
        assert (not isinstance(got, RequestError)) is passes

    status = {"authenticated": True, "user": user, "audiences": audiences}
    with Site(lambda *_: (201, {"status": status})) as site:
        played(play)


def test_an_unreachable_cluster_refuses_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: Server, api: KubernetesAPI, _: Site) -> None:
        caplog.set_level("INFO", "strongroom.auth")
        jwt = api.token()
        answer = await login(server, jwt)
        assert refused(answer) == DENIED
        assert "connection refused" in reason(answer)
        assert "connection refused" in caplog.text
        assert jwt not in caplog.text

    with_cluster(scenario, {"kubernetes_host": "http://127.0.0.1:1"})


def test_a_review_counts_again_only_where_that_is_set_and_not_for_long() -> None:
    async def scenario(server: Server, api: KubernetesAPI, site: Site) -> None:
        base = {"kubernetes_host": site.address, "token_reviewer_jwt": "reviewer"}
        jwt = api.token()
        for expected in (1, 2):
            ok(await login(server, jwt))
            assert len(site.seen) == expected
        ok(await server.write("auth/kubernetes/config", **base, review_cache_ttl=10))
        ok(await login(server, jwt))
        ok(await login(server, jwt))
        assert len(site.seen) == 3
        server.clock.advance(11)
        ok(await login(server, jwt))
        assert len(site.seen) == 4
        ok(await server.write("auth/kubernetes/role/r", bound_service_account_names="x"))
        assert isinstance(await login(server, jwt), RequestError), "the role is looked at each time"
        assert refused(await server.write("auth/kubernetes/config", **base, review_cache_ttl="1h"))[0] == "BadRequest"

    with_cluster(scenario)


def test_the_servers_own_pod_is_the_reviewer_unless_that_is_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(review, "POD_FILES", tmp_path)
    (tmp_path / "token").write_text("own\n")
    ca = authority().cert_pem.bytes().decode()
    (tmp_path / "ca.crt").write_text(ca)
    api = KubernetesAPI()

    async def play(server: Server) -> None:
        ok(await server.write("sys/auth/kubernetes", type="kubernetes"))
        ok(await server.write("auth/kubernetes/role/r", **ROLE))
        jwt = api.token()
        api.reviewers = {"own"}
        ok(await server.write("auth/kubernetes/config", kubernetes_host=site.address))
        ok(await login(server, jwt))
        (tmp_path / "token").write_text("newer")
        api.reviewers = {"newer"}
        ok(await login(server, jwt))
        given = {"kubernetes_host": site.address, "kubernetes_ca_cert": ca}
        ok(await server.write("auth/kubernetes/config", **given, disable_local_ca_jwt=True))
        assert refused(await login(server, jwt)) == DENIED
        api.reviewers = {jwt}
        ok(await login(server, jwt))

    with Site(api, write(tmp_path)) as site:
        played(play)


def test_namespaces_by_their_labels() -> None:
    async def scenario(server: Server, api: KubernetesAPI, _: Site) -> None:
        selector = json.dumps({"matchLabels": {"team": "core"}})
        names = {"bound_service_account_names": "*"}
        ok(await server.write("auth/kubernetes/role/s", **names, bound_service_account_namespace_selector=selector))
        api.labels = {"blue": {"team": "core"}, "red": {"team": "web"}}
        ok(await login(server, api.token(namespace="blue"), "s"))
        for namespace in ("red", "grey"):
            answer = await login(server, api.token(namespace=namespace), "s")
            assert refused(answer) == ("PermissionDenied", "namespace not authorized")
        ok(await server.write("auth/kubernetes/role/s", bound_service_account_namespaces="grey"))
        ok(await login(server, api.token(namespace="grey"), "s"))
        shown = data(await server.read("auth/kubernetes/role/s"))
        assert shown["bound_service_account_namespace_selector"] == selector

    with_cluster(scenario)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "1", "b": "x"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["0", "1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "c", "operator": "DoesNotExist"}], "matchLabels": {"b": "2"}}, True),
    ],
)
def test_selectors(selector: dict[str, Any], matches: bool) -> None:
    assert parse_selector(json.dumps(selector)).matches({"a": "1", "b": "2"}) is matches


@given(st.text(max_size=60) | st.dictionaries(st.text(max_size=9), st.text(max_size=9)).map(json.dumps))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        parse_selector(text)
    except BadRequest:
        return


@pytest.mark.parametrize(
    "text",
    [
        "a=b",
        '{"matchlabels": {}}',
        '{"matchLabels": {"a": 1}}',
        '{"matchExpressions": [{"key": "a", "operator": "Near", "values": ["1"]}]}',
        '{"matchExpressions": [{"key": "a", "operator": "In"}]}',
        '{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["1"]}]}',
    ],
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="namespace_selector"):
        parse_selector(text)


@pytest.mark.parametrize(
    ("value", "pattern", "matches"),
    [
        ("abc", "abc", True),
        ("abc", "ABC", False),
        ("abc", "a*", True),
        ("abc", "*c", True),
        ("abc", "*b*", True),
        ("abc", "b*", False),
        ("abc", "*b", False),
        ("abc", "*x*", False),
        ("abc", "a*c", False),
        ("a*c", "a*c", True),
        ("abc", "*", True),
        ("", "*", True),
        ("abc", "**", True),
        ("abc", "abc*", True),
        ("abc", "", False),
    ],
)
def test_a_star_at_either_end_stands_for_anything(value: str, pattern: str, matches: bool) -> None:
    assert allowed(value, [pattern]) is matches


OLD = "kubernetes.io/serviceaccount/"


@pytest.mark.parametrize(
    ("claims", "account"),
    [
        (
            {
                OLD + "namespace": "n",
                OLD + "service-account.name": "a",
                OLD + "service-account.uid": "u",
                OLD + "secret.name": "s",
            },
            Account("n", "a", "u", "s"),
        ),
        ({"kubernetes.io": {"namespace": "n", "serviceaccount": {"name": "a", "uid": "u"}}}, Account("n", "a", "u")),
        ({"kubernetes.io": {"namespace": "n", "serviceaccount": ["a"]}}, None),
        ({"kubernetes.io": {"namespace": ["n"], "serviceaccount": {"name": "a", "uid": "u"}}}, None),
        ({"kubernetes.io": "x", OLD + "namespace": "n"}, None),
        ({"sub": "system:serviceaccount:n:a"}, None),
        ({}, None),
    ],
)
def test_both_kinds_of_jwt_say_whose_they_are(claims: dict[str, Any], account: Account | None) -> None:
    if account is not None:
        assert account_of(claims) == account
        return
    with pytest.raises(BadJWT):
        account_of(claims)


@pytest.mark.parametrize("name", ["x" * 5000, "\u212bngstr\u00f6m", "a/b", "../config", "", "no such"])
def test_strange_role_names_are_refused_and_not_repeated_at_length(name: str) -> None:
    async def scenario(server: Server, api: KubernetesAPI, _: Site) -> None:
        kind, text = refused(await login(server, api.token(), name))
        assert kind == "BadRequest"
        assert len(text) < 100

    with_cluster(scenario)


def test_the_case_of_a_roles_name_does_not_matter() -> None:
    async def scenario(server: Server, api: KubernetesAPI, _: Site) -> None:
        auth = ok(await login(server, api.token(), "R")).auth
        assert auth is not None
        assert auth.metadata is not None
        assert auth.metadata["role"] == "R"

    with_cluster(scenario)


def test_the_audit_entry_of_a_refused_login_has_the_reason(tmp_path: pathlib.Path) -> None:
    async def scenario(server: Server, api: KubernetesAPI, _: Site) -> None:
        ok(await server.write("sys/audit/file", type="file", options={"file_path": str(tmp_path / "audit")}))
        await login(server, api.token(namespace="staging"))
        entry = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()][-1]
        assert entry["error"] == "permission denied"
        assert entry["reason"] == 'the role is not for namespace "staging"'
        assert base64.b64encode(b"staging").decode() not in json.dumps(entry)

    with_cluster(scenario)
