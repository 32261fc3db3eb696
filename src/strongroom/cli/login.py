"""Logging in: exchange what a person or a machine can show for a token, and keep it."""

from __future__ import annotations

from typing import Any

from strongroom.cli import mfa, output
from strongroom.cli.command import ANY, Command, Group, Refused
from strongroom.cli.data import clean_path, parse_words
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run
from strongroom.client.client import Client
from strongroom.client.errors import ClientError
from strongroom.client.secret import Secret


class _LoginError(ClientError):
    """What was given does not suffice to try."""


def _by_token(run: Run, client: Client, mount: str, given: dict[str, Any]) -> Secret | None:
    token = str(given.get("token") or "")
    if not token:
        token = _ask(run, "Token (will be hidden): ", "a token")
    client.settings = client.settings._replace(token=token.strip())
    if not (client.settings.token.isascii() and client.settings.token.isprintable()):
        raise _LoginError("the token contains non-printable characters and cannot be used")
    if given.get("lookup") in ("false", "0"):
        return Secret({"auth": {"client_token": client.settings.token}})
    try:
        found = client.read("auth/token/lookup-self")
    except ClientError as error:
        wrapped = _LoginError(f"error looking up token: {error}")
        wrapped.hint = 'Check that the token is whole and not expired. Others log in with "-method".'
        raise wrapped from None
    if found is None:
        raise _LoginError("empty response from lookup-self")
    if found.wrap_info is not None:
        return found
    data = found.data or {}
    auth = {
        "client_token": client.settings.token,
        "accessor": data.get("accessor") or "",
        "policies": data.get("policies"),
        "token_policies": data.get("policies"),
        "identity_policies": data.get("identity_policies"),
        "metadata": data.get("meta"),
        "orphan": bool(data.get("orphan")),
        "entity_id": data.get("entity_id") or "",
        "lease_duration": data.get("ttl") or 0,
        "renewable": bool(data.get("renewable")),
    }
    return Secret({"auth": auth})


def _by_password(run: Run, client: Client, mount: str, given: dict[str, Any]) -> Secret | None:
    username = str(given.pop("username", "") or "")
    if not username:
        raise _LoginError("'username' must be specified")
    if "password" not in given:
        given["password"] = _ask(run, "Password (will be hidden): ", "'password'")
    return client.write(f"auth/{mount}/login/{username}", given)


def _by_fields(run: Run, client: Client, mount: str, given: dict[str, Any]) -> Secret | None:
    return client.write(f"auth/{mount}/login", given)


def _by_browser(run: Run, client: Client, mount: str, given: dict[str, Any]) -> Secret | None:
    # Only this way of logging in needs a listener.
    from strongroom.cli.oidc import log_in

    return log_in(run, client, mount, given)


METHODS = {
    "approle": _by_fields,
    "cert": _by_fields,
    "jwt": _by_fields,
    "kubernetes": _by_fields,
    "ldap": _by_password,
    "oidc": _by_browser,
    "token": _by_token,
    "userpass": _by_password,
}


def _ask(run: Run, prompt: str, what: str) -> str:
    if not run.may_ask:
        raise _LoginError(f"{what} must be specified: there is no terminal to ask on")
    return run.ui.ask_hidden(prompt)


def _login(run: Run) -> int:
    method = run.flags.text("method") or "token"
    log_in = METHODS.get(method)
    if log_in is None:
        raise Refused(
            f'Unknown auth method: {method}. Use "vault auth list" to see the complete list of\n'
            "auth methods. Additionally, some auth methods are only available via the HTTP\nAPI."
        )
    given = _given(run, method)
    mount = clean_path(run.flags.text("path") or method)
    token_only = run.flags.bool("token-only")
    if token_only:
        run.field = "token"
    client = run.anonymous()
    with run.doing("Error authenticating"):
        mfa.ask_missing(run, client)
        secret = log_in(run, client, mount, given)
    if secret is None:
        raise Refused("Vault returned an empty secret", 2)
    secret = mfa.completed(run, client, secret)
    if mfa.requirement(secret) is not None:
        return _wait(run, secret)
    if secret.wrap_info is not None:
        return output.show(run, secret)
    if not (secret.auth or {}).get("client_token"):
        raise Refused("Error authenticating: the answer has no token. Is this path an auth method?", 2)
    _keep(run, secret, store=not (run.flags.bool("no-store") or token_only), quiet=token_only)
    return _print(run, secret)


def _wait(run: Run, secret: Secret) -> int:
    """The login waits for a second factor that nobody could be asked for."""
    hint = (
        "Bring it along with -mfa=METHOD:PASSCODE, or end the login within five minutes with\n"
        f'"{run.prog} write sys/mfa/validate mfa_request_id=... mfa_payload=@FILE".'
    )
    if run.field or run.flags.bool("no-print"):
        raise Refused("The login needs a second factor", 2, hint)
    output.show_secret(run, secret)
    if run.table:
        run.ui.warn(f"\nThe login needs a second factor. {hint}")
    return 0


def _given(run: Run, method: str) -> dict[str, Any]:
    words = list(run.args)
    if method == "token" and words:
        if words[0] == "-":
            words[0] = "token=" + run.ui.read_stdin()
        elif "=" not in words[0]:
            words[0] = f"token={words[0]}"
        if words[0].startswith("token="):  # a token is never the name of a file
            rest = parse_words(words[1:], run.ui.read_stdin, "Error parsing configuration")
            return {**rest, "token": words[0].removeprefix("token=")}
    return parse_words(words, run.ui.read_stdin, "Error parsing configuration")


def _keep(run: Run, secret: Secret, *, store: bool, quiet: bool) -> None:
    assert secret.auth is not None
    if store:
        with run.doing("Error storing token"):
            run.tokens.store(str(secret.auth["client_token"]))
        if run.env.get("VAULT_TOKEN"):
            run.ui.warn(
                "WARNING! The VAULT_TOKEN environment variable is set! The value of this variable\n"
                "will take precedence; if this is unwanted please unset VAULT_TOKEN or update its\n"
                "value accordingly.\n"
            )
    elif not quiet:
        run.ui.warn(
            "The token was not stored in token helper. Set the VAULT_TOKEN environment\n"
            "variable or pass the token below with each request to Vault.\n"
        )


def _print(run: Run, secret: Secret) -> int:
    if run.flags.bool("no-print"):
        return 0
    if run.field:
        return output.show_fields(run, secret)
    if run.table:
        run.ui.out(
            "Success! You are now authenticated. The token information displayed below is\n"
            'already stored in the token helper. You do NOT need to run "vault login" again.\n'
            "Future Vault requests will automatically use this token.\n"
        )
    return output.show_secret(run, secret)


COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "login",
        "Authenticate locally",
        _login,
        usage="[options] [AUTH K=V...]",
        about="""
Logs in and keeps the token for later commands of this user on this machine.

Without -method the argument is a token; without an argument it is asked for.
"-" reads it from stdin. Other methods take K=V words.

    $ {prog} login
    $ {prog} login -method=userpass username=ann
    $ {prog} login -method=userpass -path=people username=ann
    $ {prog} login -method=approle role_id=... secret_id=@secret-id

"oidc" opens a browser and waits for it on localhost:8250; K=V words are role,
port, callbackhost, callbackport, listenaddress and skip_browser=true.

    $ {prog} login -method=oidc role=people

If the login needs a second factor, its passcode is asked for. -mfa brings it
along: the id or the name of the method, and the passcode, which is asked for
if it is left out.

    $ {prog} login -method=userpass -mfa=phone:123456 username=ann
""",
        flags=(
            Flag("method", "Auth method: " + ", ".join(sorted(METHODS)) + ".", default="token"),
            Flag("no-print", "Do not print the token.", "bool"),
            Flag("no-store", "Do not keep the token.", "bool"),
            Flag("path", "Where the method is enabled, if not at its own name."),
            Flag("token-only", "Print the token and nothing else, and do not keep it.", "bool"),
        ),
        arity=ANY,
        output=("field", "format"),
    ),
)
