from __future__ import annotations

import datetime
import pathlib
import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from tests.support.certificates import Files, write, write_ca

from strongroom.config import Listener, Place
from strongroom.errors import ConfigError
from strongroom.server.suites import TLS12, openssl_names
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
    assert (tls.cert, tls.key, tls.min_version, tls.context, tls.notes) == (files.cert, files.key, "tls13", None, ())


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


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({}, None),
        ({"tls_client_ca_file": "CA"}, ssl.CERT_OPTIONAL),
        ({"tls_client_ca_file": "CA", "tls_require_and_verify_client_cert": True}, ssl.CERT_REQUIRED),
        ({"tls_client_ca_file": "CA", "tls_disable_client_certs": True}, None),
        ({"tls_max_version": "tls12"}, ssl.CERT_NONE),
        ({"tls_cipher_suites": ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",)}, ssl.CERT_NONE),
    ],
)
def test_our_own_server_takes_the_listeners_that_granian_cannot(
    files: Files, tmp_path: pathlib.Path, settings: dict[str, object], mode: ssl.VerifyMode | None
) -> None:
    ca = str(write_ca(tmp_path))
    tls = load(listener(files, **{name: ca if value == "CA" else value for name, value in settings.items()}))
    assert tls is not None
    assert (None if tls.context is None else tls.context.verify_mode) == mode


def test_versions_and_suites_are_those_of_the_listener(files: Files) -> None:
    suites = ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256")
    tls = load(listener(files, tls_max_version="tls12", tls_cipher_suites=suites))
    assert tls is not None
    assert tls.context is not None
    assert tls.context.minimum_version == tls.context.maximum_version == ssl.TLSVersion.TLSv1_2
    names = [suite["name"] for suite in tls.context.get_ciphers() if suite["protocol"] == "TLSv1.2"]
    assert names == ["ECDHE-ECDSA-AES256-GCM-SHA384"]


@pytest.mark.parametrize(
    ("suites", "message"),
    [
        (("TLS_MADE_UP",), '"TLS_MADE_UP" is not known'),
        (("TLS_AES_128_GCM_SHA256",), "no suite of TLS 1.2 is among them"),
    ],
)
def test_suites_that_cannot_be_are_named(files: Files, suites: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=f"listener.tcp.tls_cipher_suites: {message}"):
        load(listener(files, tls_cipher_suites=suites))


def test_suites_of_tls13_alone_do_where_nothing_older_is_spoken(files: Files) -> None:
    assert load(listener(files, tls_min_version="tls13", tls_cipher_suites=("TLS_AES_128_GCM_SHA256",))) is not None


@pytest.mark.parametrize("name", TLS12)
def test_every_suite_is_known_to_openssl(name: str) -> None:
    # At the lowest security level: what a machine allows is its own matter.
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(openssl_names([name]) + ":@SECLEVEL=0")


def test_an_expired_certificate_is_said(tmp_path: pathlib.Path) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    issued = trustme.CA().issue_cert("localhost", not_after=past)
    files = Files(tmp_path / "c", tmp_path / "k")
    issued.cert_chain_pems[0].write_to_path(str(files.cert))
    issued.private_key_pem.write_to_path(str(files.key))
    tls = load(listener(files))
    assert tls is not None
    assert tls.notes == (f"the certificate {files.cert} expired on {past:%Y-%m-%d}",)
