"""cert: machines log in with a TLS client certificate, which a certificate authority or a role itself vouches for.

Source: Vault's documentation of the method, RFC 5280 (paths), RFC 6960 (OCSP). `engine.py` draws what is stored.
"""

from __future__ import annotations

from typing import Final

from strongroom.api.backend import Backend, backend
from strongroom.auth.cert import config, crls, doctor, login, roles
from strongroom.auth.cert.engine import cert

__all__ = ["BACKEND", "cert", "config", "crls", "doctor", "login", "roles"]

BACKEND: Final[Backend] = backend(cert)
