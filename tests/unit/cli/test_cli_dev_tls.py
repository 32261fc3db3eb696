"""Certificates of `server -dev-tls`: a client that trusts the authority, and no other, gets through."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from strongroom.app import dev_tls


def shaken(server: ssl.SSLObject, client: ssl.SSLObject) -> None:
    """Pass messages between the two, in memory, until both are done."""
    waiting = [client, server]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)


def connected(files: dev_tls.Files, name: str, trust: Path | None) -> None:
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=trust)
    ours.load_cert_chain(files.cert, files.key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = ours.wrap_bio(to_server, to_client, server_side=True)
    client = theirs.wrap_bio(to_client, to_server, server_hostname=name)
    shaken(server, client)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "10.1.2.3"])
def test_every_name_of_this_machine_is_in_it(tmp_path: Path, name: str) -> None:
    files = dev_tls.make(tmp_path, "10.1.2.3")
    connected(files, name, files.ca)


def test_names_that_were_asked_for_are_in_it(tmp_path: Path) -> None:
    files = dev_tls.make(tmp_path, "", ("vault.internal", "10.9.8.7", "localhost"))
    for name in ("vault.internal", "10.9.8.7", "localhost"):
        connected(files, name, files.ca)


def test_other_names_and_other_authorities_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files, other = dev_tls.make(tmp_path, ""), dev_tls.make(tmp_path / "other", "")
    for name, trust in (("example.com", files.ca), ("localhost", other.ca), ("localhost", None)):
        with pytest.raises(ssl.SSLCertVerificationError):
            connected(files, name, trust)


def test_the_key_is_for_its_owner_and_is_made_anew(tmp_path: Path) -> None:
    first = dev_tls.make(tmp_path, "").key.read_bytes()
    files = dev_tls.make(tmp_path, "")
    assert files.key.read_bytes() != first
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vault-ca.pem", "vault-cert.pem", "vault-key.pem"]
