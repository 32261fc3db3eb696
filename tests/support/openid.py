"""An OpenID provider that does as it is told, for tests of what real ones never do."""

from __future__ import annotations

import base64
import hashlib
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

from tests.support.issuers import Answer, Signer, Site

BACK = "http://localhost:8250/oidc/callback"


class Provider:
    """An OpenID provider that does as it is told."""

    def __init__(self) -> None:
        self.signer, self.site = Signer(), Site(self)
        self.id_token: dict[str, Any] = {}
        self.info: dict[str, Any] | None = None
        self.challenge = ""
        #: What the token endpoint answers whatever it is asked, and what it answers first, once each.
        self.tokens: Answer | None = None
        self.next_tokens: list[Answer] = []
        self.device: dict[str, Any] = {}

    def __enter__(self) -> Provider:
        self.site.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.site.__exit__(*error)

    @property
    def config(self) -> dict[str, Any]:
        return {
            "oidc_discovery_url": self.site.address,
            "oidc_client_id": "strongroom",
            "oidc_client_secret": "s3cret",
            "default_role": "R",
        }

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        address = self.site.address
        if handler.path == "/.well-known/openid-configuration":
            document = {
                "issuer": address,
                "jwks_uri": address + "/keys",
                "authorization_endpoint": address + "/authorize",
                "token_endpoint": address + "/token",
                **({"device_authorization_endpoint": address + "/device"} if self.device else {}),
                "id_token_signing_alg_values_supported": ["RS256", "HS256"],
            }
            return 200, document if self.info is None else {**document, "userinfo_endpoint": address + "/info"}
        if handler.path == "/keys":
            return 200, {"keys": [self.signer.jwk]}
        if handler.path == "/info":
            return (200, self.info) if handler.headers["Authorization"] == "Bearer at" else (401, {})
        if handler.path == "/device":
            return 200, self.device
        if handler.path == "/token":
            if self.next_tokens:
                return self.next_tokens.pop(0)
            return self.tokens or self._redeem(handler, body)
        return 404, {}

    def _redeem(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        expected = "Basic " + base64.b64encode(b"strongroom:s3cret").decode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        right = (
            handler.headers["Authorization"] == expected
            and (form["code"], form["redirect_uri"]) == ("the-code", BACK)
            and digest.rstrip(b"=").decode() == self.challenge
        )
        if not right:
            return 400, {"error": "invalid_grant"}
        return 200, {"id_token": self.signer.sign(self.id_token), "access_token": "at", "token_type": "Bearer"}
