from __future__ import annotations

import datetime
import pathlib

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from tests.support.certificates import Files, write, write_ca

from strongroom.config import Listener, Place
from strongroom.errors import ConfigError
from strongroom.server.tls import load


@pytest.fixture
def files(tmp_path: pathlib.Path) -> Files:
    return write(tmp_path)


def listener(files: Files, **settings: object) -> Listener:
    settings = {"tls_cert_file": str(files.cert), "tls_key_file": str(files.key), **settings}
    return Listener(place=Place("c.hcl", 2, 1), **settings)  # type: ignore[arg-type]


def test_a_pair_is_loaded(files: Files) -> None:
    tls = load(listener(files, tls_min_version="tls13"))
    assert tls is not None
    assert (tls.cert, tls.key, tls.min_version, tls.client_ca, tls.notes) == (files.cert, files.key, "tls13", None, ())


@pytest.mark.parametrize("plain", [Listener(tls_disable=True), Listener(type="unix", address="/s")])
def test_plain_listeners_need_none(plain: Listener) -> None:
    assert load(plain) is None


def encrypted(files: Files) -> None:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"x"))
    )


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda f: f.cert.unlink(), r"tls_cert_file: .*server.crt cannot be read: no such file"),
        (lambda f: f.key.unlink(), r"tls_key_file: .*server.key cannot be read: no such file"),
        (lambda f: f.cert.write_text("nonsense"), "tls_cert_file: .*server.crt holds no certificate in PEM"),
        (lambda f: f.key.write_text("nonsense"), "tls_key_file: .*server.key holds no usable private key in PEM"),
        (lambda f: f.key.write_bytes(write(f.key.parent, "other").key.read_bytes()), "server.key is not the key of"),
        (encrypted, "server.key is encrypted. Store the key without a passphrase"),
    ],
)
def test_what_is_wrong_is_named(files: Files, spoil: object, text: str) -> None:
    assert callable(spoil)
    spoil(files)
    with pytest.raises(ConfigError, match=text) as e:
        load(listener(files))
    assert str(e.value).startswith("c.hcl:2:1: listener.tcp.tls_")


@pytest.mark.parametrize("name", ["tls_cert_file", "tls_key_file"])
def test_both_files_must_be_set(files: Files, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: is not set. Set {name}, or tls_disable = true"):
        load(listener(files, **{name: ""}))


def test_client_certificates_need_a_ca(files: Files, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match="tls_client_ca_file"):
        load(listener(files, tls_require_and_verify_client_cert=True))
    ca = write_ca(tmp_path)
    tls = load(listener(files, tls_require_and_verify_client_cert=True, tls_client_ca_file=str(ca)))
    assert tls is not None
    assert tls.client_ca == ca


def test_an_expired_certificate_is_said(tmp_path: pathlib.Path) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    issued = trustme.CA().issue_cert("localhost", not_after=past)
    files = Files(tmp_path / "c", tmp_path / "k")
    issued.cert_chain_pems[0].write_to_path(str(files.cert))
    issued.private_key_pem.write_to_path(str(files.key))
    tls = load(listener(files))
    assert tls is not None
    assert tls.notes == (f"the certificate {files.cert} expired on {past:%Y-%m-%d}",)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"tls_max_version": "tls12"}, "tls_max_version"),
        ({"tls_cipher_suites": ("X",)}, "tls_cipher_suites"),
        ({"tls_client_ca_file": "x"}, "tls_require_and_verify_client_cert"),
    ],
)
def test_what_is_not_honoured_is_said(files: Files, settings: dict[str, object], word: str) -> None:
    tls = load(listener(files, **settings))
    assert tls is not None
    assert word in tls.notes[0]
