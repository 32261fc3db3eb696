"""Kubernetes: pods log in with the JWT of their service account, which the cluster's TokenReview API judges.

Source: Vault's documentation of the method, Kubernetes' of TokenReview, and recorded answers. `engine.py` draws what is
stored.
"""

from __future__ import annotations

from typing import Final

from strongroom.api.backend import Backend, backend
from strongroom.auth.kubernetes import config, doctor, login, roles
from strongroom.auth.kubernetes.engine import kubernetes

__all__ = ["BACKEND", "config", "doctor", "kubernetes", "login", "roles"]

BACKEND: Final[Backend] = backend(kubernetes)
