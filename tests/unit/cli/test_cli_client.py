"""The client: where it connects, what it sends, what it says when that fails."""

from __future__ import annotations

import io
import socket
import socketserver
import ssl
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trustme
from tests.unit.cli.cli_fakes import FakeServer, Vault

from strongroom.client.address import Address, parse_address
from strongroom.client.client import Client
from strongroom.client.errors import AddressError, ResponseError, TransportError
from strongroom.client.proxies import proxy_for
from strongroom.client.settings import Settings, from_environment
from strongroom.client.token_helper import TokenHelper

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\n{"data":{"a":"b"}}'


@contextmanager
def raw_server(*replies: bytes, tls: ssl.SSLContext | None = None, path: str = "") -> Iterator[tuple[int, list[bytes]]]:
    """A socket that answers each connection with the next bytes; the last for ever."""
    seen: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection = self.request
            try:
                if tls:
                    connection = tls.wrap_socket(connection, server_side=True)
                with closing(connection):
                    seen.append(connection.recv(65536))
                    connection.sendall(replies[min(len(seen), len(replies)) - 1])
            except OSError:
                pass

    kind = socketserver.ThreadingUnixStreamServer if path else socketserver.ThreadingTCPServer
    with kind(path or ("127.0.0.1", 0), Handler) as listener:  # type: ignore[arg-type]
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield (0 if path else listener.server_address[1]), seen  # type: ignore[misc]
        finally:
            listener.shutdown()
            thread.join()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ------------------------------------------------------------------------------------------------ settings
@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8200", Address(False, "127.0.0.1", 8200, "", "http://127.0.0.1:8200")),
        ("https://vault.example.com/", Address(True, "vault.example.com", 443, "", "https://vault.example.com")),
        ("https://proxy/vault/", Address(True, "proxy", 443, "/vault", "https://proxy/vault")),
        ("http://[::1]:8200", Address(False, "::1", 8200, "", "http://[::1]:8200")),
        ("unix:///run/s.sock", Address(False, "localhost", 80, "", "http://localhost", "/run/s.sock")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0.1:1", "localhost", "ftp://x", "http://", "http://x:port", "http://u:p@x", "unix://x", "http://a b"],
)
def test_bad_addresses_are_refused(vault: Vault, text: str) -> None:
    with pytest.raises(AddressError, match="failed to create client: parse"):
        parse_address(text)
    if text:
        result = vault("read", f"-address={text}", "a")
        assert (result.code, result.out) == (2, "")


def test_the_environment_is_read() -> None:
    settings = from_environment(
        {
            "VAULT_ADDR": "http://a",
            "VAULT_NAMESPACE": "ns",
            "VAULT_SKIP_VERIFY": "true",
            "VAULT_CLIENT_TIMEOUT": "5",
            "VAULT_MAX_RETRIES": "0",
            "VAULT_CACERT": "/ca",
            "HTTPS_PROXY": "http://p",
        }
    )
    assert settings == Settings(
        address="http://a",
        address_from="VAULT_ADDR",
        namespace="ns",
        skip_verify=True,
        timeout=5.0,
        max_retries=0,
        ca_cert="/ca",
        https_proxy="http://p",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VAULT_SKIP_VERIFY", "perhaps"),
        ("VAULT_CLIENT_TIMEOUT", "soon"),
        ("VAULT_MAX_RETRIES", "-1"),
        ("VAULT_WRAP_TTL", "x"),
    ],
)
def test_a_bad_variable_is_named(vault: Vault, name: str, value: str) -> None:
    result = vault("read", "a", **{name: value})
    assert (result.code, result.out) == (2, "")
    assert name in result.err


def test_flags_win_over_the_environment(vault: Vault, server: FakeServer) -> None:
    vault(
        "read", f"-address={server.address}", "-namespace=b", "a", VAULT_ADDR="http://127.0.0.1:1", VAULT_NAMESPACE="a"
    )
    assert server.seen[0].headers["X-Vault-Namespace"] == "b/"


def test_headers(vault: Vault, server: FakeServer) -> None:
    vault("read", "-header=X-A=1", "-header=X-B=2", "-mfa=m1", "-policy-override", "a")
    headers = server.seen[0].headers
    assert (headers["X-A"], headers["X-B"], headers["X-Vault-MFA"]) == ("1", "2", "m1")
    assert (headers["X-Vault-Request"], headers["X-Vault-Token"]) == ("true", "root")
    assert headers["X-Vault-Policy-Override"] == "true"


@pytest.mark.parametrize("header", ["X-Vault-Token=x", "x-vault-a=b", "A B=c", "=c"])
def test_bad_headers_are_refused(vault: Vault, server: FakeServer, header: str) -> None:
    assert vault("read", f"-header={header}", "a").code == 2
    assert server.seen == []


def test_a_token_with_a_newline_is_refused_and_not_shown(vault: Vault, server: FakeServer) -> None:
    result = vault("read", "a", VAULT_TOKEN="sec\nret")
    assert (result.code, server.seen) == (2, [])
    assert "ret" not in result.err.replace("non-printable", "")


def test_paths_are_escaped(vault: Vault, server: FakeServer) -> None:
    vault("read", "secret/data/ä b%?#+x")
    assert server.seen[0].target == "/v1/secret/data/%C3%A4%20b%25%3F%23+x"


@pytest.mark.parametrize(
    ("settings", "address", "proxied"),
    [
        ({"http_proxy": "http://p:1"}, "http://x", True),
        ({"http_proxy": "http://p:1"}, "https://x", False),
        ({"https_proxy": "p:1"}, "https://x", True),
        ({"https_proxy": "http://p:1", "no_proxy": "a, .x.org"}, "https://v.x.org", False),
        ({"https_proxy": "http://p:1", "no_proxy": "x.org"}, "https://ax.org", True),
        ({"https_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, "https://10.1.2.3", False),
        ({"https_proxy": "http://p:1", "no_proxy": "x:443"}, "https://x:8200", True),
        ({"https_proxy": "http://p:1"}, "https://127.0.0.1:8200", False),
        ({"proxy": "http://p:1", "no_proxy": "*"}, "https://127.0.0.1:8200", True),
    ],
)
def test_proxies(settings: dict[str, str], address: str, proxied: bool) -> None:
    found = proxy_for(Settings(**settings), parse_address(address))  # type: ignore[arg-type]
    assert (found is not None) == proxied


# ------------------------------------------------------------------------------------------------ transport
def test_a_unix_socket(vault: Vault, tmp_path: Path) -> None:
    path = str(tmp_path / "s.sock")
    with raw_server(ANSWER, path=path) as (_, seen):
        assert vault("read", "-field=a", f"-address=unix://{path}", "x").out == "b"
    assert b"\r\nHost: localhost\r\n" in seen[0]


def test_a_plain_proxy_gets_the_whole_url(vault: Vault, server: FakeServer) -> None:
    server.answers["GET http://elsewhere.example/v1/x"] = (200, {"data": {"a": "b"}})
    result = vault("read", "-field=a", "x", VAULT_ADDR="http://elsewhere.example", VAULT_PROXY_ADDR=server.address)
    assert result.out == "b"
    assert server.seen[0].headers["Host"] == "elsewhere.example"


def test_one_redirect_is_followed_with_the_body(vault: Vault, server: FakeServer) -> None:
    server.answers["PUT /v1/a"] = (307, None, ("Location", f"{server.address}/v1/b"))
    server.answers["PUT /v1/b"] = (307, None, ("Location", f"{server.address}/v1/c"))
    assert vault("write", "a", "k=v").code == 2
    assert [(seen.target, seen.json) for seen in server.seen] == [("/v1/a", {"k": "v"}), ("/v1/b", {"k": "v"})]
    vault("write", "-disable-redirects", "a", "k=v")
    assert server.seen[-1].target == "/v1/a"


@pytest.mark.parametrize(
    ("method", "statuses", "calls"),
    [
        ("read", [502, 200], 2),
        ("read", [429, 412, 200], 3),
        ("read", [503], 1),
        ("read", [500], 1),
        ("write", [429, 200], 2),
        ("write", [502], 1),
    ],
)
def test_only_what_is_safe_is_sent_again(
    vault: Vault, server: FakeServer, monkeypatch: pytest.MonkeyPatch, method: str, statuses: list[int], calls: int
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    verb = "GET" if method == "read" else "PUT"
    server.answers[f"{verb} /v1/a"] = [(status, {"data": {"k": "v"}}, ("Retry-After", "1")) for status in statuses]
    words = ["a"] if method == "read" else ["a", "k=v"]
    assert vault(method, *words).code == (0 if statuses[-1] == 200 else 2)
    assert len(server.seen) == calls
    assert pauses == [1.0] * (calls - 1)


def test_a_connection_that_breaks_is_tried_again_for_reads(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with raw_server(b"", ANSWER) as (port, seen):
        assert vault("read", "-field=a", f"-address=http://127.0.0.1:{port}", "x").out == "b"
        assert len(seen) == 2


@pytest.mark.parametrize(
    ("reply", "words", "hint"),
    [
        (b"", "EOF", "begin|https"),
        (b"SSH-2.0-OpenSSH\r\n", "malformed HTTP response", "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "unexpected EOF", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "not JSON at line 1", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "the answer is no JSON object", ""),
    ],
)
def test_broken_answers_are_one_clear_message(vault: Vault, reply: bytes, words: str, hint: str) -> None:
    with raw_server(reply) as (port, _):
        result = vault("read", f"-address=http://127.0.0.1:{port}", "x", VAULT_MAX_RETRIES="0")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f'Error reading x: Get "http://127.0.0.1:{port}/v1/x": {words}')


def test_nobody_listens(vault: Vault) -> None:
    port = free_port()
    result = vault("read", "x", VAULT_ADDR=f"http://127.0.0.1:{port}")
    assert result.code == 2
    assert result.err == (
        f'Error reading x: Get "http://127.0.0.1:{port}/v1/x": dial tcp 127.0.0.1:{port}: connect: connection refused\n'
        f'\nIs the server running? The address is "http://127.0.0.1:{port}" (from VAULT_ADDR).\n'
    )


def test_a_silent_server_times_out(vault: Vault) -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        result = vault("read", f"-address={address}", "x", VAULT_CLIENT_TIMEOUT="50ms")
    assert "context deadline exceeded" in result.err
    assert "No answer within 0.05 seconds" in result.err


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TestTLS:
    @pytest.fixture
    def ca_file(self, authority: trustme.CA, tmp_path: Path) -> str:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        return str(tmp_path / "ca.pem")

    @staticmethod
    def context(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        return context

    @pytest.mark.parametrize("way", ["-ca-cert={file}", "-ca-path={folder}", "-tls-skip-verify", "env"])
    def test_trust_can_be_given_in_each_way(
        self, vault: Vault, authority: trustme.CA, ca_file: str, tmp_path: Path, way: str
    ) -> None:
        env = {"VAULT_CACERT_BYTES": authority.cert_pem.bytes().decode()} if way == "env" else {}
        words = [] if env else [way.format(file=ca_file, folder=tmp_path)]
        with raw_server(ANSWER, tls=self.context(authority)) as (port, _):
            result = vault("read", "-field=a", *words, f"-address=https://127.0.0.1:{port}", "x", **env)
        assert result[:] == (0, "b", "")

    def test_a_stranger_is_not_trusted(self, vault: Vault, authority: trustme.CA) -> None:
        with raw_server(ANSWER, tls=self.context(authority)) as (port, seen):
            result = vault("read", f"-address=https://127.0.0.1:{port}", "x")
        assert (result.code, seen) == (2, [])
        assert "x509: certificate signed by unknown authority" in result.err
        assert "-ca-cert or VAULT_CACERT" in result.err

    def test_a_certificate_of_another_name(self, vault: Vault, authority: trustme.CA, ca_file: str) -> None:
        with raw_server(ANSWER, tls=self.context(authority, "vault.example.com")) as (port, _):
            words = [f"-ca-cert={ca_file}", f"-address=https://127.0.0.1:{port}", "x"]
            assert "The certificate is for another name" in vault("read", *words).err
            assert vault("read", "-field=a", "-tls-server-name=vault.example.com", *words).out == "b"

    def test_client_certificates(self, vault: Vault, authority: trustme.CA, ca_file: str, tmp_path: Path) -> None:
        mine = authority.issue_cert("me@example.com")
        mine.cert_chain_pems[0].write_to_path(tmp_path / "c.pem")
        mine.private_key_pem.write_to_path(tmp_path / "k.pem")
        context = self.context(authority)
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        words = [f"-client-cert={tmp_path}/c.pem", f"-client-key={tmp_path}/k.pem"]
        with raw_server(ANSWER, tls=context) as (port, _):
            common = [f"-ca-cert={ca_file}", f"-address=https://127.0.0.1:{port}", "-field=a", "x"]
            assert vault("read", *words, *common).out == "b"
            assert vault("read", *common, VAULT_MAX_RETRIES="0").code == 2
            assert "both client cert and client key" in vault("read", words[0], *common).err

    def test_a_server_without_tls(self, vault: Vault, server: FakeServer) -> None:
        address = server.address.replace("http:", "https:")
        result = vault("status", VAULT_ADDR=address)
        assert result.code == 1
        assert "server gave HTTP response to HTTPS client" in result.err
        assert f"export VAULT_ADDR='{server.address}'" in result.err

    def test_a_server_with_tls_only(self, vault: Vault, authority: trustme.CA) -> None:
        with raw_server(ANSWER, tls=self.context(authority)) as (port, _):
            result = vault("status", f"-address=http://127.0.0.1:{port}", VAULT_MAX_RETRIES="0")
        assert result.code == 1
        assert f"export VAULT_ADDR='https://127.0.0.1:{port}'" in result.err

    @pytest.mark.parametrize("words", ["-ca-cert=/no/such", "-ca-path=/no/such", "-client-cert=/a"])
    def test_files_that_are_not_there(self, vault: Vault, words: str) -> None:
        result = vault("read", words, "-address=https://127.0.0.1:1", "x")
        assert (result.code, result.out) == (2, "")


@pytest.mark.parametrize(
    ("status", "errors", "token", "hint"),
    [
        (503, ["Vault is sealed"], "t", "The server is sealed."),
        (400, ["Vault is not initialized"], "t", "Initialize the server"),
        (403, ["permission denied"], "", "No token was sent."),
        (403, ["permission denied"], "t", "The server does not know this token"),
        (403, ["1 error occurred:\n\t* permission denied\n\n"], "t", ""),
    ],
)
def test_refusals_say_what_to_do(
    vault: Vault, server: FakeServer, status: int, errors: list[str], token: str, hint: str
) -> None:
    server.answers["GET /v1/a"] = (status, {"errors": errors})
    err = vault("read", "a", VAULT_TOKEN=token).err
    assert err.startswith("Error reading a: Error making API request.\n\nURL: GET ")
    assert hint in err.rstrip("\n").split("\n\n")[-1]


def test_a_download_that_breaks_off_is_an_error() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort") as (port, _):
        client = Client(Settings(address=f"http://127.0.0.1:{port}"))
        with pytest.raises(TransportError, match="unexpected EOF"):
            client.download("x", io.BytesIO())


class Breaking:
    """A body whose connection breaks while it is sent."""

    def read(self, _: int = -1) -> bytes:
        raise BrokenPipeError

    def seek(self, _: int) -> int:
        return 0


def test_an_answer_to_half_a_body_counts() -> None:
    body = b'{"errors":["too large"]}'
    with raw_server(b"HTTP/1.1 413 No\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as (port, _):
        with pytest.raises(ResponseError) as caught:
            Client(Settings(address=f"http://127.0.0.1:{port}")).upload("a", Breaking(), 1 << 20)
        assert (caught.value.status, caught.value.errors) == (413, ["too large"])


def test_without_one_it_is_a_broken_connection() -> None:
    with raw_server(b"") as (port, _), pytest.raises(TransportError):
        Client(Settings(address=f"http://127.0.0.1:{port}")).upload("a", Breaking(), 1 << 20)


def test_errors_keep_status_and_texts(server: FakeServer) -> None:
    server.answers["GET /v1/a"] = (405, {"errors": ["one", "two"]})
    with pytest.raises(ResponseError) as caught:
        Client(Settings(address=server.address)).read("a")
    assert (caught.value.status, caught.value.errors) == (405, ["one", "two"])


# ------------------------------------------------------------------------------------------------ token helper
class TestTokenHelper:
    def test_keeps_one_token_privately(self, tmp_path: Path) -> None:
        helper = TokenHelper({"HOME": str(tmp_path)})
        assert helper.get() == ""
        file = tmp_path / ".vault-token"
        file.write_text("old")
        file.chmod(0o644)
        helper.store("hvs.new")
        assert helper.get() == "hvs.new"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir()] == [".vault-token"]
        helper.erase()
        helper.erase()
        assert helper.get() == ""

    def test_follows_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_text("old\n")
        (tmp_path / ".vault-token").symlink_to(tmp_path / "elsewhere")
        helper = TokenHelper({"HOME": str(tmp_path)})
        assert helper.get() == "old"
        helper.store("new")
        assert (tmp_path / "elsewhere").read_text() == "new"

    @pytest.fixture
    def external(self, tmp_path: Path) -> Callable[[str], TokenHelper]:
        def make(script: str) -> TokenHelper:
            program = tmp_path / "helper"
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o700)
            (tmp_path / ".vault").write_text(f'token_helper = "{program}"\n')
            return TokenHelper({"HOME": str(tmp_path)})

        return make

    def test_an_external_helper(self, external: Callable[[str], TokenHelper], tmp_path: Path) -> None:
        kept = tmp_path / "kept"
        helper = external(f"case $1 in get) cat {kept};; store) cat > {kept};; erase) rm {kept};; esac")
        helper.store("hvs.x")
        assert helper.get() == "hvs.x"
        helper.erase()
        assert not kept.exists()
        assert not (tmp_path / ".vault-token").exists()

    @pytest.mark.parametrize("script", ["exit 3", "kill $$"])
    def test_an_external_helper_that_fails(self, external: Callable[[str], TokenHelper], script: str) -> None:
        with pytest.raises(AddressError, match="error running the token helper"):
            external(script).get()

    @pytest.mark.parametrize("text", ['token_helper = "relative"', "token_helper = ", "token_helper = 5"])
    def test_a_bad_configuration_is_named(self, vault: Vault, tmp_path: Path, text: str) -> None:
        (tmp_path / ".vault").write_text(text)
        result = vault("read", "a", VAULT_TOKEN="")
        assert (result.code, result.out) == (2, "")
        assert ".vault" in result.err
