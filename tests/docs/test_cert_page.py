"""The commands of the page about certificates, typed against a server whose listener asks for them."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.docs.pages import ROOT, blocks
from tests.docs.test_commands import shell, started
from tests.support import certificates
from tests.support.secure import SecureProcess

PAGE = ROOT / "docs" / "cert.md"
CONFIG = """
storage "inmem" {}
listener "tcp" {
  address = "127.0.0.1:{port}"
  tls_cert_file = "{dir}/tls.crt"
  tls_key_file = "{dir}/tls.key"
  LISTENER}
disable_mlock = true
"""


def revocation_list(folder: Path) -> None:
    """What the page's authority has revoked: the service's certificate."""
    ca, web = (x509.load_pem_x509_certificate((folder / f"{name}").read_bytes()) for name in ("clients.pem", "web.crt"))
    private = load_pem_private_key((folder / "clients.key").read_bytes(), None)
    now = datetime.datetime.now(datetime.UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(web.serial_number).revocation_date(now).build()
    builder = x509.CertificateRevocationListBuilder(ca.subject, now, now + datetime.timedelta(1), (), [entry])
    listed = builder.sign(private, web.signature_hash_algorithm)  # type: ignore[arg-type]
    (folder / "machines.crl").write_bytes(listed.public_bytes(Encoding.PEM))


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    certificates.write(tmp_path, "tls")
    (settings,) = blocks(PAGE, "hcl")
    make, *others = blocks(PAGE, "sh")
    config = CONFIG.replace("LISTENER", settings.text.replace("/etc/strongroom", str(tmp_path)))
    server = SecureProcess(tmp_path, config)
    console = shell(server)
    console.run(make)
    revocation_list(tmp_path)
    with started(server):
        server.unseal(server.init())
        (tmp_path / ".vault-token").write_text(server.token)
        console.run(f"export VAULT_CACERT={certificates.write_ca(tmp_path)}")
        shown = "".join(console.run(block) for block in others)
    assert "common_name:web" in shown
    assert "serials" in shown
    assert "Nothing would stop this login." in shown
    assert "Error" not in shown
