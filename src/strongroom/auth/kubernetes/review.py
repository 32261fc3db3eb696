"""Asking the cluster: TokenReview, and the labels of namespaces.

The server's own pod, if it runs in one, has a CA and a JWT in files; they are read at each use, since the cluster
replaces them. Source: Kubernetes' documentation of TokenReview (authentication.k8s.io/v1).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from strongroom.api.context import Context
from strongroom.auth import outbound
from strongroom.auth.jose import quoted
from strongroom.auth.kubernetes.accounts import Account
from strongroom.auth.kubernetes.engine import Config
from strongroom.auth.kubernetes.selector import Selector
from strongroom.errors import StrongroomError

POD_FILES = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
NAMESPACES: Final = "/api/v1/namespaces/"
_MAX_CACHED: Final = 4096


class ReviewFailed(StrongroomError):
    """The cluster does not vouch for the JWT; the text is for the log."""


class Cluster:
    """The API of one configuration's cluster, asked on behalf of one login."""

    def __init__(self, ctx: Context, config: Config, jwt: str) -> None:
        self._http, self._jwt, self._clock = outbound.of(ctx), jwt, ctx.clock
        #: Until when a good review counts again, by a digest of all that it depended on.
        self._reviewed: dict[bytes, float] = ctx.memory.setdefault("reviewed", {})
        self._host = config.kubernetes_host.rstrip("/")
        self._ca = config.kubernetes_ca_cert or ("" if config.disable_local_ca_jwt else _pod_file("ca.crt"))
        own = "" if config.disable_local_ca_jwt else _pod_file("token")
        self._reviewer = config.token_reviewer_jwt or own or jwt
        self._keep = config.review_cache_ttl

    async def review(self, account: Account, audience: str) -> None:
        """Have the JWT reviewed; the cluster must say that it is this account's.

        Raises:
            ReviewFailed: it does not, or cannot be asked.
        """
        key = self._digest(audience)
        now = self._clock.monotonic()
        if self._keep and self._reviewed.get(key, 0) > now:
            return
        spec: dict[str, Any] = {"token": self._jwt}
        if audience:
            spec["audiences"] = [audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        answer = await self._ask("POST", REVIEWS, body)
        if answer.status not in (200, 201):
            raise ReviewFailed(_explained(answer.status))
        _check(_object(answer).get("status"), account, audience)
        if self._keep:
            _remember(self._reviewed, key, now, now + self._keep)

    async def selected(self, selector: Selector, namespace: str) -> bool:
        """Whether a namespace has the labels.

        Raises:
            ReviewFailed: the cluster does not tell.
        """
        answer = await self._ask("GET", NAMESPACES + quote(namespace, safe=""))
        metadata = _object(answer).get("metadata")
        labels = metadata.get("labels") if isinstance(metadata, dict) else None
        return selector.matches(labels if isinstance(labels, dict) else {})

    async def _ask(self, method: str, path: str, body: Any = None) -> outbound.Fetched:
        headers = {"Authorization": f"Bearer {self._reviewer}"}
        try:
            if method == "POST":
                return await self._http.post(self._host + path, ca_pem=self._ca, headers=headers, json=body)
            return await self._http.get(self._host + path, ca_pem=self._ca, headers=headers)
        except outbound.Unreachable as e:
            raise ReviewFailed(f"the cluster cannot be asked: {e}") from None

    def _digest(self, audience: str) -> bytes:
        texts = (self._host, self._ca, self._reviewer, audience, self._jwt)
        return hashlib.sha256(b"".join(hashlib.sha256(text.encode()).digest() for text in texts)).digest()


def _remember(reviewed: dict[bytes, float], key: bytes, now: float, until: float) -> None:
    if len(reviewed) >= _MAX_CACHED:
        for old in [k for k, end in reviewed.items() if end <= now] or list(reviewed)[:1]:
            del reviewed[old]
    reviewed[key] = until


def _object(answer: outbound.Fetched) -> dict[str, Any]:
    try:
        return answer.object()
    except outbound.Unreachable as e:
        raise ReviewFailed(f"the cluster's answer cannot be read: {e}") from None


def _explained(status: int) -> str:
    why = {
        401: "the cluster refuses the reviewer's own JWT",
        403: "the reviewer may not create token reviews: bind its service account to system:auth-delegator",
        404: "the address has no TokenReview API",
    }
    return why.get(status, f"the cluster answered the review with status {status}")


def _check(status: Any, account: Account, audience: str) -> None:
    if not isinstance(status, dict) or status.get("authenticated") is not True:
        error = status.get("error") if isinstance(status, dict) else None
        raise ReviewFailed(f"the cluster does not know the JWT{f': {quoted(error)}' if error else ''}")
    user = status.get("user")
    user = user if isinstance(user, dict) else {}
    if user.get("username") != account.user:
        known = quoted(user.get("username") or "")
        raise ReviewFailed(f"to the cluster the JWT is of user {known}, by its own claims of {quoted(account.user)}")
    if user.get("uid") != account.uid:
        raise ReviewFailed(f"the account's uid is {quoted(user.get('uid') or '')}, the JWT's is {quoted(account.uid)}")
    accepted = status.get("audiences")
    # A cluster that knows nothing of audiences says none; the JWT's own claim, which it vouches for, was checked.
    if audience and accepted and (not isinstance(accepted, list) or audience not in accepted):
        raise ReviewFailed(f"the cluster accepts the JWT only for {quoted(accepted)}")


def _pod_file(name: str) -> str:
    try:
        return (POD_FILES / name).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
