"""What Schemathesis checks of each answer, beside its own checks; it loads this through `SCHEMATHESIS_HOOKS`."""

from __future__ import annotations

from typing import Any

import schemathesis

from tests.support.api_walk import problem


@schemathesis.check
def documented_shape(_ctx: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Errors of the server's own, and answers of another shape than all have.

    In the place of Schemathesis' own checks of these: some refusals are answered with 500, and some with nothing, as
    recorded of Vault.
    """
    described = case.operation
    if case.method != described.method.upper():
        return  # a method that is not described, which may be another operation's
    operation = f"{described.method} {described.path}"
    documented = described.definition.raw["responses"]
    kind = (response.headers.get("content-type") or [""])[0]
    assert not (found := problem(operation, documented, response.status_code, kind, response.content)), found
