"""Issuers of JWTs for tests: keys that sign, and servers that publish keys or review service accounts' JWTs."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.support.certificates import Files

Answer = tuple[int, Any]
Serve = Callable[[BaseHTTPRequestHandler, bytes], Answer | bytes | None]


class Signer:
    """A private key under a name."""

    def __init__(self, alg: str = "RS256", kid: str = "one") -> None:
        self.alg, self.kid = alg, kid
        self.private: Any
        if alg.startswith(("RS", "PS")):
            self.private = rsa.generate_private_key(65537, 2048)
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
            self.private = ec.generate_private_key(curves[alg])

    @property
    def pem(self) -> str:
        public = self.private.public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return str(public.public_bytes(serialization.Encoding.PEM, form).decode())

    @property
    def jwk(self) -> dict[str, Any]:
        algorithm = jwt.get_algorithm_by_name(self.alg)
        return {**algorithm.to_jwk(self.private.public_key(), as_dict=True), "kid": self.kid, "use": "sig"}

    def sign(self, claims: dict[str, Any], alg: str = "", **header: Any) -> str:
        return jwt.encode(claims, self.private, alg or self.alg, headers={"kid": self.kid, **header})


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


class Site:
    """A running server; `seen` has the bodies that it got, `address` begins its URLs."""

    def __init__(self, serve: Serve, tls: Files | None = None) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                site.seen.append((self.path, dict(self.headers), body))
                answer = serve(self, body)
                if isinstance(answer, tuple):
                    raw = answer[1] if isinstance(answer[1], bytes) else json.dumps(answer[1]).encode()
                    self.send_response(answer[0])
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(raw)))
                    self.end_headers()
                    self.wfile.write(raw)

            do_POST = do_GET  # noqa: N815 - the library's name

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        scheme = "http"
        if tls is not None:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.cert, tls.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Site:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def key_set(*signers: Signer) -> Iterator[tuple[Site, list[Signer]]]:
    """A server of a key set; what is in the list is what it shows."""
    shown = list(signers)
    with Site(lambda *_: (200, {"keys": [signer.jwk for signer in shown]})) as site:
        yield site, shown


class KubernetesAPI:
    """A cluster with a signing key of its own: it reviews JWTs by their signature, and knows namespaces' labels."""

    ISSUER = "https://kubernetes.default.svc.cluster.local"

    def __init__(self) -> None:
        self.signer = Signer()
        self.reviewers = {"reviewer"}
        self.deleted: set[str] = set()
        self.labels: dict[str, dict[str, str]] = {}

    def token(self, namespace: str = "production", name: str = "workflow-service", **more: Any) -> str:
        claims = {
            "iss": self.ISSUER,
            "aud": ["https://kubernetes.default.svc"],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": name, "uid": self.uid(namespace, name)},
                "pod": {"name": f"{name}-0", "uid": "p"},
            },
            **more,
        }
        return self.signer.sign(claims)

    @staticmethod
    def uid(namespace: str, name: str) -> str:
        return f"uid-{namespace}-{name}"

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        bearer = (handler.headers.get("Authorization") or "").removeprefix("Bearer ")
        if bearer not in self.reviewers:
            return 401, {"kind": "Status", "code": 401}
        if handler.path.startswith("/api/v1/namespaces/"):
            name = handler.path.rpartition("/")[2]
            return 200, {"kind": "Namespace", "metadata": {"name": name, "labels": self.labels.get(name)}}
        if handler.path != "/apis/authentication.k8s.io/v1/tokenreviews":
            return 404, {}
        return 201, {"kind": "TokenReview", "status": self._review(json.loads(body)["spec"])}

    def _review(self, spec: dict[str, Any]) -> dict[str, Any]:
        try:
            claims = jwt.decode(
                spec["token"], self.signer.private.public_key(), ["RS256"], options={"verify_aud": False}
            )
        except jwt.PyJWTError as e:
            return {"error": f"invalid bearer token: {e}"}
        if claims["sub"] in self.deleted:
            return {"error": "the service account was deleted"}
        asked = spec.get("audiences") or ["https://kubernetes.default.svc"]
        accepted = [one for one in asked if one in claims["aud"]]
        if not accepted:
            return {"error": "the token's audiences are others"}
        uid = claims["kubernetes.io"]["serviceaccount"]["uid"]
        return {"authenticated": True, "user": {"username": claims["sub"], "uid": uid}, "audiences": accepted}
