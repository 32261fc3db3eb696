"""Tools log people in through a real server: a relying party of a few lines, and the server's own oidc method."""

from __future__ import annotations

import base64
import json
import pathlib
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from tests.support.openid import BACK
from tests.support.process import SQLITE, Process, running

REDIRECT = "https://app.example/callback"


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[Process]:
    with running(tmp_path, SQLITE) as process:
        process.unseal(process.init())
        for words in (
            "auth enable userpass",
            "write auth/userpass/users/ann password=s3cret",
            'write identity/oidc/scope/profile template={"name":{{identity.entity.name}}}',
            "write identity/oidc/provider/tools allowed_client_ids=* scopes_supported=profile",
            f"write identity/oidc/client/app redirect_uris={REDIRECT},{BACK} assignments=allow_all",
        ):
            process.cli(*words.split(" "))
        yield process


def logged_in(server: Process) -> str:
    status, body = server.call("POST", "auth/userpass/login/ann", {"password": "s3cret"}, token="none")
    assert status == 200, body
    return str(body["auth"]["client_token"])


def fetched(address: str, form: dict[str, str] | None = None, **headers: str) -> Any:
    data = urllib.parse.urlencode(form).encode() if form is not None else None
    with urllib.request.urlopen(urllib.request.Request(address, data, headers), timeout=30) as answer:
        assert "no-store" in answer.headers["Cache-Control"] or "max-age" in answer.headers["Cache-Control"]
        return json.load(answer)


def authorized(server: Process, query: str) -> dict[str, Any]:
    """What the page does once somebody has logged in on it."""
    status, body = server.call("GET", f"identity/oidc/provider/tools/authorize?{query}", token=logged_in(server))
    assert status == 200, body
    answer: dict[str, Any] = body
    return answer


def test_a_tool_logs_somebody_in(server: Process) -> None:
    client = json.loads(server.cli("read", "-format=json", "identity/oidc/client/app").stdout)["data"]
    issuer = f"{server.address}/v1/identity/oidc/provider/tools"
    found = fetched(f"{issuer}/.well-known/openid-configuration")
    assert found["issuer"] == issuer
    with urllib.request.urlopen(found["authorization_endpoint"], timeout=30) as page:
        assert b"asks who you are" in page.read()
    request = {
        "client_id": client["client_id"],
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "openid profile",
        "state": "s",
        "nonce": "n",
    }
    answer = authorized(server, urllib.parse.urlencode(request))
    assert answer["state"] == "s"
    pair = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": REDIRECT}
    tokens = fetched(found["token_endpoint"], form, Authorization=f"Basic {pair}")
    key = jwt.PyJWKClient(found["jwks_uri"]).get_signing_key_from_jwt(tokens["id_token"])
    claims = jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience=client["client_id"], issuer=issuer)
    assert claims["nonce"] == "n"
    info = fetched(found["userinfo_endpoint"], Authorization=f"Bearer {tokens['access_token']}")
    assert info == {"name": claims["name"], "sub": claims["sub"]}
    status, entity = server.call("GET", f"identity/entity/id/{claims['sub']}")
    assert (status, entity["data"]["name"]) == (200, claims["name"])


def test_the_servers_own_oidc_method_logs_somebody_in_through_it(server: Process) -> None:
    client = json.loads(server.cli("read", "-format=json", "identity/oidc/client/app").stdout)["data"]
    server.cli("auth", "enable", "oidc")
    server.cli(
        "write",
        "auth/oidc/config",
        f"oidc_discovery_url={server.address}/v1/identity/oidc/provider/tools",
        f"oidc_client_id={client['client_id']}",
        f"oidc_client_secret={client['client_secret']}",
        "default_role=people",
    )
    server.cli(
        "write",
        "auth/oidc/role/people",
        "user_claim=name",
        f"allowed_redirect_uris={BACK}",
        "oidc_scopes=profile",
        "max_age=60",
        "token_policies=people",
    )
    status, body = server.call("POST", "auth/oidc/oidc/auth_url", {"redirect_uri": BACK}, token="none")
    assert status == 200, body
    target = urllib.parse.urlsplit(body["data"]["auth_url"])
    assert target.path == "/ui/vault/identity/oidc/provider/tools/authorize"
    back = urllib.parse.urlencode(authorized(server, target.query))
    status, body = server.call("GET", f"auth/oidc/oidc/callback?{back}", token="none")
    assert status == 200, body
    assert body["auth"]["policies"] == ["default", "people"]
    status, body = server.call("GET", f"auth/oidc/oidc/callback?{back}", token="none")
    assert status == 400
