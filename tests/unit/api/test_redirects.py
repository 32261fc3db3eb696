"""Where a login in a browser may lead back to."""

from __future__ import annotations

import pytest

from strongroom.api.redirects import redirect_allowed

CALLBACK = "http://localhost:8250/oidc/callback"
ALLOWED = ("https://app.example/cb?a=1", CALLBACK, "http://[::1]/cb", "com.example.app:/cb")


@pytest.mark.parametrize(
    ("uri", "right"),
    [
        ("https://app.example/cb?a=1", True),
        ("com.example.app:/cb", True),
        (CALLBACK, True),
        ("http://localhost:1/oidc/callback", True),
        ("http://localhost/oidc/callback", True),
        ("http://[::1]:99/cb", True),
        ("", False),
        ("https://app.example/cb", False),
        ("https://app.example/cb?a=1&b=2", False),
        ("https://app.example/cb?a=1#f", False),
        ("https://app.example:8443/cb?a=1", False),
        ("https://APP.example/cb?a=1", False),
        ("https://app.example.evil.example/cb?a=1", False),
        ("https://app.example@evil.example/cb?a=1", False),
        ("http://localhost:8250/oidc/callback?x=1", False),
        ("http://localhost:8250/oidc/callback#f", False),
        ("http://localhost:8250/oidc/callback/../other", False),
        ("https://localhost:8250/oidc/callback", False),
        ("http://127.0.0.1:8250/oidc/callback", False),
        ("http://localhost.evil.example/oidc/callback", False),
        ("http://evil.example@localhost/oidc/callback", False),
        ("http://evil.example\\@localhost/oidc/callback", False),
        ("http://localhost:80\\.evil.example/oidc/callback", False),
        ("http://localhost:evil.example/oidc/callback", False),
        ("http://localhost:99999/oidc/callback", False),
        ("http://[::1]evil.example/cb", False),
        ("http://[::1/cb", False),
        ("http://local\thost/oidc/callback", False),
        ("//localhost/oidc/callback", False),
        ("javascript://localhost/oidc/callback", False),
    ],
)
def test_only_registered_addresses_and_other_ports_of_this_machine(uri: str, right: bool) -> None:
    assert redirect_allowed(uri, ALLOWED) is right


def test_nothing_is_allowed_where_nothing_is_registered() -> None:
    assert not redirect_allowed("http://localhost/oidc/callback", ())
