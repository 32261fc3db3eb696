"""Looking into auth methods: why a login fails, who logged in last, which secret ids there are."""

from __future__ import annotations

from typing import Any, Final

from strongroom.cli import output
from strongroom.cli.command import Refused
from strongroom.cli.data import clean_path, parse_words
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run
from strongroom.client.durations import human_seconds
from strongroom.client.secret import Secret

_SIGNS: Final = {"ok": "✓", "failed": "✗", "skipped": "-", "note": "i"}
#: What the doctor is given, by flag; a value that begins with @ is a file's name, "-" is stdin.
EVIDENCE: Final = (
    Flag("certificate", "Client's certificate in PEM with those above it, like -jwt; else -client-cert is looked at."),
    Flag("jwt", "JWT of a kubernetes, jwt or oidc login; @FILE reads it from a file, - from stdin."),
    Flag("password", "Password of a user, like -jwt. A wrong one counts as a failed login."),
    Flag("remote-address", "Address that the login comes from, if not this one's."),
    Flag("role", "Role that logs in."),
    Flag("role-id", "Role id of an AppRole login."),
    Flag("secret-id", "Secret id of an AppRole login, like -jwt. No use of it is spent."),
    Flag("username", "User that logs in."),
)


def doctor(run: Run) -> int:
    """Ask why a login fails, and print each check; exit code 2 when one fails."""
    path, *words = run.args
    given = [
        f"{flag.name.replace('-', '_')}={run.flags.text(flag.name)}" for flag in EVIDENCE if run.flags.given(flag.name)
    ]
    body = parse_words([*given, *words], run.ui.read_stdin)
    for name in ("jwt", "password", "secret_id"):
        if isinstance(body.get(name), str):
            body[name] = body[name].rstrip("\r\n")  # a file's last line ends
    path = clean_path(path).removeprefix("auth/")
    with run.doing(f"Error examining {path}/"):
        secret = run.client.write(f"sys/auth-doctor/{path}", body, method="POST")
    if secret is None:
        raise Refused("Vault returned an empty secret", 2)
    data = secret.data or {}
    if secret.wrap_info is not None:
        return output.show_secret(run, secret)
    if run.table:
        checks = [check for check in data.get("checks") or () if isinstance(check, dict)]
        rows = [
            (_SIGNS.get(str(check.get("result")), "?"), str(check.get("check")), str(check.get("detail")))
            for check in checks
        ]
        run.ui.out(output.columns(rows) + "\n")
        verdict = "Nothing would stop this login." if data.get("ok") else f"The login fails: {data.get('reason')}"
        run.ui.out(verdict)
    else:
        output.show_secret(run, secret)
    return 0 if data.get("ok") else 2


def last_logins(run: Run) -> int:
    """Print when the roles of an auth method have logged in last."""
    path = clean_path(run.args[0]).removeprefix("auth/")
    role = run.flags.text("role")
    with run.doing(f"Error reading the last logins at {path}/"):
        found = _of_role(run, path, role) if role else _of_all(run, path)
    if not found:
        raise Refused(f"Nobody has logged in at {path}/ yet" if not role else f"{role} has not logged in yet", 2)
    if not run.table:
        return output.emit(run, found)
    rows = [
        [
            name,
            output.go_time(str(login.get("last_login_time") or "")),
            str(login.get("remote_address") or ""),
            str(login.get("logins") or ""),
            str(login.get("entity_id") or ""),
        ]
        for name, login in found.items()
    ]
    run.ui.out(output.table(("Role", "Last Login", "From", "Logins", "Entity"), rows))
    return 0


def _of_role(run: Run, path: str, role: str) -> dict[str, Any]:
    secret = run.client.read(f"sys/internal/logins/{path}", {"role": role})
    return {role: secret.data} if secret is not None and secret.data else {}


def _of_all(run: Run, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    after = ""
    while True:
        params = {"list": "true", **({"after": after} if after else {})}
        info = _info(run.client.read(f"sys/internal/logins/{path}", params))
        if not info or after in info:
            return found
        found |= info
        after = max(info)


def _info(secret: Secret | None) -> dict[str, dict[str, Any]]:
    info = (secret.data or {}).get("key_info") if secret is not None else None
    return {str(name): one for name, one in info.items() if isinstance(one, dict)} if isinstance(info, dict) else {}


def search_secret_ids(run: Run) -> int:
    """Print the secret ids of a role that have some metadata."""
    role, *words = run.args
    mount = clean_path(run.flags.text("path") or "approle").removeprefix("auth/")
    wanted = {name: str(value) for name, value in parse_words(words, run.ui.read_stdin).items()}
    most = run.flags.int("limit") or 1000
    found: dict[str, dict[str, Any]] = {}
    following = ""
    with run.doing(f"Error searching the secret ids of role {role}"):
        while len(found) < most:
            body = {"metadata": wanted, "limit": most - len(found), "after": following}
            secret = run.client.write(f"auth/{mount}/role/{clean_path(role)}/secret-id/search", body, method="POST")
            found |= _info(secret)
            following = str(((secret.data if secret else None) or {}).get("next") or "")
            if not following:
                break
    if not run.table:
        return output.emit(run, found)
    if not found:
        raise Refused(f"Role {role} has no such secret id", 2)
    rows = [[accessor, *_secret_id(one)] for accessor, one in found.items()]
    run.ui.out(output.table(("Accessor", "Metadata", "TTL", "Uses", "Expires"), rows))
    if following:
        run.ui.warn(f"There are more; -limit is {most}.")
    return 0


def _secret_id(one: dict[str, Any]) -> list[str]:
    metadata = one.get("metadata")
    pairs = ",".join(f"{name}={metadata[name]}" for name in sorted(metadata)) if isinstance(metadata, dict) else ""
    ttl, expires = one.get("secret_id_ttl") or 0, str(one.get("expiration_time") or "")
    return [
        pairs or "-",
        human_seconds(ttl) if ttl else "-",
        str(one.get("secret_id_num_uses") or "-"),
        output.go_time(expires) if ttl else "never",
    ]
