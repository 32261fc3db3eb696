"""A real server over TLS, clients with certificates of their own, and the command line."""

from __future__ import annotations

import http.client
import json
import pathlib
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.authorities import SERVER, Authority, Issued
from tests.support.certificates import Files, client_context, write, write_ca
from tests.support.process import STRONGROOM, Process, clean_environment

CONFIG = """
storage "sqlite" { path = "{dir}/data" }
listener "tcp" {
  address = "127.0.0.1:{port}"
  tls_cert_file = "{dir}/server.crt"
  tls_key_file = "{dir}/server.key"
  CLIENTS
}
disable_mlock = true
"""
POLICY = 'path "secret/data/web" { capabilities = ["read"] }'
ROOT = Authority("Root")
ISSUING = ROOT.child("Issuing", path_length=0)
WEB = ISSUING.issue("web", dns=["web.example"])
UNTRUSTED = "invalid certificate or no client certificate supplied"


class Secured(Process):
    """A server that speaks TLS; `shown` is what the test's own requests show."""

    shown: Files | None = None

    @property
    def address(self) -> str:
        return f"https://localhost:{self.port}"

    def connection(self) -> http.client.HTTPConnection:
        context = client_context(self.shown)
        return http.client.HTTPSConnection("localhost", self.port, timeout=60, context=context)

    def typed(self, *words: str, token: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command as somebody with a home of their own types it; what it prints has the token in a file."""
        environment = {**clean_environment(self.folder), "VAULT_ADDR": self.address}
        environment["VAULT_CACERT"] = str(self.folder / "ca.crt")
        if token:
            environment["VAULT_TOKEN"] = token
        if self.shown is not None:
            environment |= {"VAULT_CLIENT_CERT": str(self.shown.cert), "VAULT_CLIENT_KEY": str(self.shown.key)}
        done = subprocess.run(
            [STRONGROOM, *words],
            capture_output=True,
            text=True,
            env=environment,
            cwd=self.folder,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def reload(self) -> None:
        """SIGHUP, until the log says that it is done."""
        assert self.process is not None
        before = self.log.read_text().count("core: reloaded\n")
        self.process.send_signal(signal.SIGHUP)
        give_up = time.monotonic() + 30
        while self.log.read_text().count("core: reloaded\n") == before:
            assert time.monotonic() < give_up, self.log.read_text()[-2000:]
            time.sleep(0.01)

    def login(self, **given: Any) -> tuple[int, Any]:
        return self.call("POST", "auth/cert/login", given, token="none")


@contextmanager
def secured(
    folder: pathlib.Path, *trusted: Issued, clients: str = 'tls_client_ca_file = "{dir}/clients.crt"'
) -> Iterator[Secured]:
    """A server that is ready, with the method and a role `web`; its listener trusts some authorities."""
    write(folder)
    write_ca(folder)
    (folder / "clients.crt").write_text("".join(one.pem for one in trusted))
    server = Secured(folder, CONFIG.replace("CLIENTS", clients))
    server.start()
    try:
        server.unseal(server.init())
        (folder / "root.pem").write_text(ROOT.pem)
        (folder / "web.hcl").write_text(POLICY)
        server.typed("policy", "write", "web", "web.hcl", token=server.token)
        server.typed("auth", "enable", "cert", token=server.token)
        role = ("certificate=@root.pem", "allowed_common_names=web", "token_policies=web", "token_ttl=1h")
        server.typed("write", "auth/cert/certs/web", *role, token=server.token)
        yield server
    finally:
        server.stop()


def test_a_machine_logs_in_with_its_certificate_and_reads_its_secret(tmp_path: pathlib.Path) -> None:
    with secured(tmp_path, ROOT) as server:
        server.typed("secrets", "enable", "-path=secret", "-version=2", "kv", token=server.token)
        server.typed("kv", "put", "secret/web", "key=1", token=server.token)
        log = tmp_path / "audit.log"
        server.typed("audit", "enable", "file", f"file_path={log}", token=server.token)

        assert server.login() == (400, {"errors": ["client certificate must be supplied"]})
        server.shown = WEB.write(tmp_path)
        status, body = server.login(name="web")
        assert (status, body["auth"]["lease_duration"]) == (200, 3600)
        assert body["auth"]["metadata"]["serial_number"] == WEB.serial
        token = body["auth"]["client_token"]
        status, body = server.call("GET", "secret/data/web", token=token)
        assert (status, body["data"]["data"] if status == 200 else body) == (200, {"key": "1"})
        assert server.call("GET", "secret/data/other", token=token)[0] == 403
        assert server.call("POST", "auth/token/renew-self", {}, token=token)[0] == 200

        server.shown = ISSUING.issue("app").write(tmp_path, "app")
        status, body = server.login()
        assert (status, body["errors"][0].startswith("no chain matching all constraints")) == (400, True)
        status, body = server.call("POST", "auth/token/renew-self", {}, token=token)
        assert (status, "no chain matching all constraints" in body["errors"][0]) == (500, True)
        server.shown = ISSUING.issue("web", dns=["other.example"]).write(tmp_path, "other")
        status, body = server.call("POST", "auth/token/renew-self", {}, token=token)
        assert (status, "client identity during renewal not matching" in body["errors"][0]) == (500, True)

        why = 'no pattern of ["web"] fits its common name ["app"]'
        assert why in server.log.read_text()
        refusals = [e for e in map(json.loads, log.read_text().splitlines()) if why in e.get("reason", "")]
        assert [e["request"]["path"] for e in refusals] == ["auth/cert/login"]
        assert token not in server.log.read_text()


def test_the_command_line_shows_its_certificate(tmp_path: pathlib.Path) -> None:
    with secured(tmp_path, ROOT) as server:
        files = WEB.write(tmp_path)
        given = (f"-client-cert={files.cert}", f"-client-key={files.key}")
        done = server.typed("login", "-method=cert", *given)
        assert "token_meta_common_name" in done.stdout
        assert (tmp_path / ".vault-token").read_text().startswith("hvs.")
        for words in (("token", "renew"), ("login", "-method=cert")):
            done = server.typed(*words, check=False)
            assert "client certificate must be supplied" in done.stderr
            assert "Give one with -client-cert and -client-key." in done.stderr
        server.shown = files
        done = server.typed("login", "-method=cert", "-path=cert", "-token-only", "name=web")
        assert done.stdout.startswith("hvs.")
        server.typed("token", "renew")

        done = server.typed("auth", "doctor", "cert", "-role=web", f"-certificate=@{files.cert}", token=server.token)
        assert "Nothing would stop this login." in done.stdout
        app = ISSUING.issue("app").write(tmp_path, "app")
        words = ("auth", "doctor", "cert", "-role=web", f"-certificate=@{app.cert}")
        done = server.typed(*words, token=server.token, check=False)
        assert (done.returncode, "allowed_common_names: no pattern of" in done.stdout) == (2, True)


REFUSED = {
    "of another authority": Authority("Other").issue("web"),
    "expired": ISSUING.issue("web", days=(-3, -2)),
    "not valid yet": ISSUING.issue("web", days=(1, 2)),
    "for servers": ISSUING.issue("web", usage=(SERVER,)),
    "without the authority between": Issued(WEB.cert, WEB.key),
}


def test_the_listener_refuses_what_no_role_could_take(tmp_path: pathlib.Path) -> None:
    with secured(tmp_path, ROOT) as server:
        for name, client in REFUSED.items():
            server.shown = client.write(tmp_path, name)
            with pytest.raises(ssl.SSLError):
                server.login()
        done = server.typed("login", "-method=cert", check=False)
        assert "remote error: tls: unknown ca" in done.stderr
        assert "It does not take the certificate of -client-cert" in done.stderr
        server.shown = WEB.write(tmp_path)
        assert server.login()[0] == 200


def test_a_listener_may_trust_more_than_a_role_does(tmp_path: pathlib.Path) -> None:
    other = Authority("Other")
    with secured(tmp_path, ROOT, other) as server:
        server.shown = other.issue("web").write(tmp_path)
        assert server.login() == (400, {"errors": [UNTRUSTED]})
        assert "issued by none of the role's authorities, but by" in server.log.read_text()


def test_a_revoked_certificate_is_refused_from_the_next_login_on(tmp_path: pathlib.Path) -> None:
    with secured(tmp_path, ROOT) as server:
        server.shown = WEB.write(tmp_path)
        assert server.login()[0] == 200
        (tmp_path / "list.pem").write_text(ISSUING.crl(WEB))
        server.typed("write", "auth/cert/crls/issuing", "crl=@list.pem", token=server.token)
        assert server.login()[0] == 400
        assert server.call("GET", "auth/cert/crls/issuing")[1]["data"]["serials"] == {WEB.serial: {}}
        server.typed("delete", "auth/cert/crls/issuing", token=server.token)
        assert server.login()[0] == 200


def test_a_listener_trusts_other_authorities_from_a_signal_on(tmp_path: pathlib.Path) -> None:
    with secured(tmp_path, clients="") as server:
        other = Authority("Other")
        (tmp_path / "other.pem").write_text(other.pem)
        server.typed("write", "auth/cert/certs/other", "certificate=@other.pem", token=server.token)
        config = tmp_path / "config.hcl"
        asks = f'tls_client_ca_file = "{tmp_path}/clients.crt"\n  tls_key_file'
        config.write_text(config.read_text().replace("tls_key_file", asks))
        for trusted, client, role in (((ROOT,), WEB, "web"), ((ROOT, other), other.issue("app"), "other")):
            (tmp_path / "clients.crt").write_text("".join(one.pem for one in trusted))
            server.shown = client.write(tmp_path)
            with pytest.raises((AssertionError, ssl.SSLError)):
                assert server.login()[0] == 200
            server.reload()
            give_up = time.monotonic() + 30  # the server from before may take a few connections more
            while (answer := server.login())[0] != 200 and time.monotonic() < give_up:
                time.sleep(0.01)
            status, body = answer
            assert (status, body["auth"]["metadata"]["cert_name"] if status == 200 else body) == (200, role)


@pytest.mark.parametrize("clients", ["", 'tls_client_ca_file = "{dir}/clients.crt"\n  tls_disable_client_certs = true'])
def test_a_listener_that_asks_nobody_says_so_in_the_log(clients: str, tmp_path: pathlib.Path) -> None:
    with secured(tmp_path, ROOT, clients=clients) as server:
        server.shown = WEB.write(tmp_path)
        assert server.login() == (400, {"errors": ["client certificate must be supplied"]})
        done = server.typed("login", "-method=cert", check=False)
        assert "The listener did not ask for the certificate of -client-cert" in done.stderr
        assert "a listener asks for one when it has tls_client_ca_file" in server.log.read_text()


def test_a_listener_may_require_a_certificate_that_a_role_trusts_by_itself(tmp_path: pathlib.Path) -> None:
    own = Authority("Self").issue("solo")
    required = 'tls_client_ca_file = "{dir}/clients.crt"\n  tls_require_and_verify_client_cert = true'
    write(tmp_path)
    (tmp_path / "clients.crt").write_text(own.pem)
    write_ca(tmp_path)
    server = Secured(tmp_path, CONFIG.replace("CLIENTS", required))
    server.shown = own.write(tmp_path)
    server.start()
    try:
        server.unseal(server.init())
        server.typed("auth", "enable", "cert", token=server.token)
        server.typed("write", "auth/cert/certs/solo", f"certificate=@{server.shown.cert}", token=server.token)
        assert server.login()[1]["auth"]["metadata"]["cert_name"] == "solo"
    finally:
        server.stop()
