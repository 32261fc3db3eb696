"""The page on which somebody logs in for a tool."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re

import pytest

from strongroom.server.consent import PAGE, POLICY, consent

PATH = "/ui/vault/identity/oidc/provider/default/authorize"


def test_the_page_runs_its_own_script_and_style_alone() -> None:
    answer = asyncio.run(consent("GET", PATH))
    assert answer is not None
    assert (answer.status, answer.body) == (200, PAGE)
    headers = dict(answer.headers)
    assert headers["content-security-policy"] == POLICY
    assert headers["referrer-policy"] == "no-referrer"
    text = PAGE.decode()
    for tag in ("script", "style"):
        (inner,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in POLICY
    assert "frame-ancestors 'none'" in POLICY
    assert not re.search(r"""\son\w+=|style=|src=|innerHTML|eval\(""", text)


def test_head_is_answered_without_the_page() -> None:
    answer = asyncio.run(consent("HEAD", PATH))
    assert answer is not None
    assert answer.body == b""


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", PATH),
        ("GET", PATH + "/"),
        ("GET", "/ui/"),
        ("GET", "/ui/vault/identity/oidc/provider//authorize"),
        ("GET", "/ui/vault/identity/oidc/provider/a/b/authorize"),
        ("GET", "/ui/vault/identity/oidc/provider/%22/authorize"),
    ],
)
def test_there_is_no_other_page(method: str, path: str) -> None:
    assert asyncio.run(consent(method, path)) is None
