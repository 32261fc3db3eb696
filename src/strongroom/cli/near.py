"""Which mount was meant, where a path leads to none."""

from __future__ import annotations

from strongroom.cli.run import Run
from strongroom.client.errors import ClientError, ResponseError

_PREFLIGHT = "sys/internal/ui/mounts/"


def mount_hint(run: Run, error: ResponseError) -> str:
    """A hint for an error that no mount answers for, or ""; asks the server for the mounts that the token may reach."""
    if not run.client.settings.token:
        return ""  # who has none may reach none
    path = error.url.partition("/v1/")[2].partition("?")[0]
    if error.status == 403 and path.startswith(_PREFLIGHT):
        path = path.removeprefix(_PREFLIGHT)
    elif error.status != 404 or not any("no handler for route" in text for text in error.errors):
        return ""
    try:
        with run.client.preliminary():
            answer = run.client.get_json(_PREFLIGHT.rstrip("/"))
    except ClientError:
        return ""
    halves = answer.get("data") or answer
    secrets, methods = (halves.get(half) or {} for half in ("secret", "auth"))
    mounts = [*secrets, *(f"auth/{name}" for name in methods)]
    if any(f"{path}/".startswith(mount) for mount in mounts):
        return ""  # it is there: something else is amiss
    import difflib

    begins = ["/".join(path.split("/")[: mount.count("/")]) + "/" for mount in mounts]
    close = [
        m for m, begin in zip(mounts, begins, strict=True) if difflib.SequenceMatcher(None, m, begin).ratio() > 0.7
    ]
    if close:
        return f"There is no mount for that path. Did you mean {' or '.join(sorted(close)[:2])}?"
    return 'There is no mount for that path, or none that the token may reach. See "vault secrets list".'
