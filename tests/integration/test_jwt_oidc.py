"""A person logs in at a real OpenID provider, run beside a real server."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.openid import BACK, Provider
from tests.support.process import SQLITE, STRONGROOM, Process, clean_environment, free_port, running

USER = {"sub": "alice", "email": "alice@example.com", "groups": ["dev", "ops"]}


@pytest.fixture
def provider() -> Iterator[str]:
    port = free_port()
    arguments = ["-m", "oidc_provider_mock", "--port", str(port), "--user-claims", json.dumps(USER)]
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    give_up = time.monotonic() + 60
    try:
        while True:
            try:
                urllib.request.urlopen(f"{address}/.well-known/openid-configuration", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def server(tmp_path: pathlib.Path, provider: str) -> Iterator[Process]:
    with running(tmp_path, SQLITE) as process:
        process.unseal(process.init())
        process.cli("auth", "enable", "oidc")
        process.cli(
            "write",
            "auth/oidc/config",
            f"oidc_discovery_url={provider}",
            "oidc_client_id=strongroom",
            "oidc_client_secret=secret",
            "default_role=people",
        )
        process.cli(
            "write",
            "auth/oidc/role/people",
            "user_claim=email",
            f"allowed_redirect_uris={BACK}",
            "oidc_scopes=email,profile",
            "token_policies=people",
        )
        yield process


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def signed_in(address: str) -> str:
    """Fill in the provider's form as a browser would; returns where it leads."""
    form = urllib.parse.urlencode({"sub": "alice"}).encode()
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.build_opener(_Stay).open(address, form, timeout=30)
    answer.value.close()
    assert answer.value.code in (302, 303)
    return str(answer.value.headers["Location"])


def test_a_person_logs_in_at_a_provider(server: Process) -> None:
    status, body = server.call(
        "POST", "auth/oidc/oidc/auth_url", {"redirect_uri": BACK, "client_nonce": "n"}, token="none"
    )
    assert status == 200, body
    back = signed_in(body["data"]["auth_url"])
    assert back.startswith(BACK + "?")
    query = urllib.parse.urlencode([*urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query), ("client_nonce", "n")])
    status, body = server.call("GET", f"auth/oidc/oidc/callback?{query}", token="none")
    assert status == 200, body
    assert body["auth"]["policies"] == ["default", "people"]
    assert body["auth"]["metadata"] == {"role": "people"}
    status, body = server.call("GET", "auth/token/lookup-self", token=body["auth"]["client_token"])
    assert body["data"]["display_name"] == "oidc-alice@example.com"
    status, body = server.call("GET", f"auth/oidc/oidc/callback?{query}", token="none")
    assert (status, body["errors"]) == (400, ["Vault login failed. Expired or missing OAuth state."])


def test_a_person_logs_in_on_the_command_line(server: Process) -> None:
    port = free_port()
    words = ["login", "-method=oidc", "-no-store", "skip_browser=true", f"port={port}"]
    environment = {**clean_environment(server.folder), "VAULT_ADDR": server.address}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([STRONGROOM, *words], env=environment, **pipes) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        link = next(line.strip() for line in lines if line.startswith("    http"))
        assert next(lines) == "\n"
        assert next(lines) == "Waiting for OIDC authentication to complete...\n"
        back = signed_in(link)
        assert back.startswith(f"http://localhost:{port}/oidc/callback?")
        for forged in (f"http://localhost:{port}/favicon.ico", f"http://localhost:{port}/oidc/callback?state=x&code=y"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(forged, timeout=30)
            refused.value.close()
        with urllib.request.urlopen(back, timeout=30) as page:
            assert b"Back to the terminal" in page.read()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Success! You are now authenticated." in out
    assert "people" in out


def test_a_login_that_may_not_begin_says_why(server: Process) -> None:
    done = server.cli("login", "-method=oidc", "skip_browser=true", "callbackhost=evil.example", check=False)
    assert done.returncode == 2
    assert "does not allow http://evil.example:8250/oidc/callback" in done.stderr
    assert "is no port" in server.cli("login", "-method=oidc", "port=x", check=False).stderr


def test_a_machine_without_a_browser_is_let_in_from_another_device(tmp_path: pathlib.Path) -> None:
    with Provider() as issuer, running(tmp_path, SQLITE) as server:
        issuer.device = {"device_code": "dc", "user_code": "ABCD", "verification_uri": "https://idp/d", "interval": 1}
        now = time.time()
        claims = {"iss": issuer.site.address, "aud": "strongroom", "sub": "alice", "iat": now, "exp": now + 60}
        answers = [(400, {"error": "authorization_pending"}), (200, {"id_token": issuer.signer.sign(claims)})]
        issuer.next_tokens = answers
        server.unseal(server.init())
        server.cli("auth", "enable", "oidc")
        server.cli("write", "auth/oidc/config", *(f"{name}={value}" for name, value in issuer.config.items()))
        server.cli("write", "auth/oidc/role/r", "user_claim=sub", "callback_mode=device", "token_policies=people")
        done = server.cli("login", "-method=oidc", "-token-only")
        assert "https://idp/d" in done.stderr
        assert "confirm the code ABCD" in done.stderr
        status, body = server.call("GET", "auth/token/lookup-self", token=done.stdout.strip())
        assert status == 200
        assert body["data"]["policies"] == ["default", "people"]
        assert not answers
