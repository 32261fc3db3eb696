"""Certificate requests signed by a key, and the certificates that came of them."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.engines.transit import keypairs
from strongroom.engines.transit.algorithms import ALGORITHMS, Algorithm
from strongroom.engines.transit.ed25519 import SEED_BYTES
from strongroom.engines.transit.engine import find, find_locked, save, transit, usable
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.model import Key, Version
from strongroom.engines.transit.view import chain_text
from strongroom.errors import BadRequest

if TYPE_CHECKING:
    from cryptography import x509

_REFUSAL = "failed to persist certificate chain: "


class CsrArgs(Args):
    """What to request."""

    name: Name = field("The key's name.")
    version: int = field("The version; 0 for the latest.")
    csr: str = field("A certificate request (PEM) whose subject and extensions to take; none for an empty one.")


class CertificateArgs(Args):
    """What came of a request."""

    name: Name = field("The key's name.")
    version: int = field("The version; 0 for the latest.")
    certificate_chain: str = field("The certificates (PEM), the leaf first.", required="missing certificate_chain")


def _signing(key: Key | None, name: str) -> tuple[Key, Algorithm]:
    if key is None:
        raise BadRequest(f"key with provided name '{name}' not found")
    usable(key, "")
    algorithm = ALGORITHMS[key.type]
    if not algorithm.signs:
        raise BadRequest(f"key type '{algorithm.type}' does not support signing")
    if key.derived:
        raise BadRequest("operation not supported on keys with derivation enabled")
    return key, algorithm


def _version(key: Key, number: int, refusal: str) -> tuple[int, Version]:
    number = number or key.latest
    version = key.versions.get(number)
    if version is None or number < key.min_decryption:
        raise BadRequest(f"{refusal}no such key version")
    return number, version


@transit.write("keys/{name}/csr")
async def make_csr(ctx: Context, args: CsrArgs) -> dict[str, Any]:
    """Sign a certificate request with a key."""
    key, algorithm = _signing(await find(ctx, args.name), args.name)
    template = _template(args.csr)
    _, version = _version(key, args.version, "could not create the csr: ")
    if not version.secret:
        raise Failed("could not create the csr: key version does not have a private part")
    pem = await asyncio.to_thread(_signed, algorithm, version, template)
    return {"csr": pem, "name": key.name, "type": algorithm.type}


def _template(text: str) -> x509.CertificateSigningRequest | None:
    from cryptography import x509

    if not text:
        return None
    if "-----BEGIN" not in text:
        raise BadRequest("could not decode PEM CSR")
    try:
        return x509.load_pem_x509_csr(text.encode())
    except ValueError:
        raise BadRequest("could not parse the CSR") from None


def _signed(algorithm: Algorithm, version: Version, template: x509.CertificateSigningRequest | None) -> str:
    from cryptography import x509

    private: Any
    if algorithm.name == "ed25519":
        private = Ed25519PrivateKey.from_private_bytes(version.secret[:SEED_BYTES])
    else:
        private = keypairs.load_private(version.secret)
    digest = hashes.SHA256() if isinstance(private, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)) else None
    builder = x509.CertificateSigningRequestBuilder()
    try:
        builder = builder.subject_name(template.subject if template else x509.Name([]))
        for extension in template.extensions if template else ():
            builder = builder.add_extension(extension.value, extension.critical)
        request = builder.sign(private, digest)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadRequest("could not create the csr: the template does not fit") from None
    return request.public_bytes(Encoding.PEM).decode()


@transit.write("keys/{name}/set-certificate")
async def set_certificate(ctx: Context, args: CertificateArgs) -> dict[str, Any]:
    """Keep a certificate and its chain with a key's version."""
    key, algorithm = _signing(await find_locked(ctx, args.name), args.name)
    chain = _chain(args.certificate_chain)
    number, version = _version(key, args.version, _REFUSAL)
    _check_leaf(chain[0], algorithm, version)
    _check_chain(chain)
    ders = tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)
    version = replace(version, certificates=ders)
    save(ctx, replace(key, versions={**key.versions, number: version}))
    return {"certificate_chain": chain_text(version) + "\n", "name": key.name, "type": algorithm.type}


def _chain(text: str) -> list[x509.Certificate]:
    from cryptography import x509

    if "-----BEGIN" not in text:
        raise BadRequest("could not decode a PEM block in the certificate chain")
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise BadRequest("failed to parse the certificate chain") from None


def _check_leaf(leaf: x509.Certificate, algorithm: Algorithm, version: Version) -> None:
    from cryptography import x509

    try:
        constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        constraints = None
    if constraints is not None and constraints.ca:
        raise BadRequest(_REFUSAL + "certificate in the first element is not a valid leaf certificate")
    try:
        public = leaf.public_key()
        ours = _public(algorithm, version)
    except (ValueError, UnsupportedAlgorithm):
        raise BadRequest(_REFUSAL + "the leaf certificate's public key is not known here") from None
    if not isinstance(public, type(ours)):
        raise BadRequest(
            f"{_REFUSAL}could not validate key match between leaf certificate key and key entry in transit: provided "
            f"leaf certificate public key algorithm does not match the transit key type '{algorithm.type}'"
        )
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != ours.public_bytes(*form):
        raise Failed(_REFUSAL + "leaf certificate public key does not match the selected key version")


def _public(algorithm: Algorithm, version: Version) -> Any:
    if algorithm.name == "ed25519":
        return Ed25519PublicKey.from_public_bytes(version.public)
    return serialization.load_der_public_key(version.public)


def _check_chain(chain: list[x509.Certificate]) -> None:
    """Refuse certificates of which one was not issued by the next."""
    for issued, issuer in itertools.pairwise(chain):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            raise BadRequest(_REFUSAL + "a certificate in the chain was not issued by the one after it") from None
