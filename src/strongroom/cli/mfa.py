"""The second factor of a login: brought along by -mfa, or asked for on the terminal."""

from __future__ import annotations

from typing import Any

from strongroom.cli.command import Refused
from strongroom.cli.run import Run
from strongroom.client.client import Client
from strongroom.client.secret import Secret, mapping


def requirement(secret: Secret | None) -> dict[str, Any] | None:
    """What a login still has to prove; None when it is done."""
    return mapping((secret.auth or {}).get("mfa_requirement")) if secret is not None else None


def ask_missing(run: Run, client: Client) -> None:
    """Ask for the passcodes of methods that -mfa names without one."""
    given = client.settings.mfa
    if run.may_ask and any(":" not in one for one in given):
        client.settings = client.settings._replace(
            mfa=tuple(one if ":" in one else f"{one}:{_ask(run, one, '')}" for one in given)
        )


def completed(run: Run, client: Client, secret: Secret) -> Secret:
    """A login's answer after its second factor; as it was where nobody can be asked, or there is a choice."""
    needs = requirement(secret)
    if needs is None:
        return secret
    methods = _methods(needs)
    if not methods or not run.may_ask:
        return secret
    run.ui.warn("Initiating Interactive MFA Validation...")
    payload = {str(method["id"]): [_ask(run, str(method["id"]), str(method.get("type") or ""))] for method in methods}
    body = {"mfa_request_id": needs.get("mfa_request_id"), "mfa_payload": payload}
    with run.doing("Error validating MFA"):
        done = client.write("sys/mfa/validate", body)
    if done is None:
        raise Refused("Vault returned an empty secret", 2)
    return done


def _choices(needs: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Each constraint with the methods that would satisfy it."""
    found = []
    for name, constraint in sorted((mapping(needs.get("mfa_constraints")) or {}).items()):
        methods = (mapping(constraint) or {}).get("any")
        found.append((name, [one for one in methods if isinstance(one, dict)] if isinstance(methods, list) else []))
    return found


def _methods(needs: dict[str, Any]) -> list[dict[str, Any]]:
    """The methods to ask for, each once; none when a constraint leaves a choice or asks for no passcode."""
    found: dict[str, dict[str, Any]] = {}
    for _, methods in _choices(needs):
        if len(methods) != 1 or not methods[0].get("id") or not methods[0].get("uses_passcode"):
            return []
        found[str(methods[0]["id"])] = methods[0]
    return list(found.values())


def _ask(run: Run, method: str, kind: str) -> str:
    about = f'methodID "{method}" of type "{kind}"' if kind else f'method "{method}"'
    return run.ui.ask_hidden(f"Enter the passphrase for {about}: ").strip()


def rows(needs: dict[str, Any]) -> list[tuple[str, str]]:
    """What a table says of a login that waits."""
    found = [("mfa_request_id", str(needs.get("mfa_request_id") or ""))]
    for name, methods in _choices(needs):
        for method in methods:
            prefix = f"mfa_constraint_{name}_{method.get('type')}"
            found.append((f"{prefix}_id", str(method.get("id") or "")))
            found.append((f"{prefix}_uses_passcode", "true" if method.get("uses_passcode") else "false"))
            if method.get("name"):
                found.append((f"{prefix}_name", str(method["name"])))
    return found
