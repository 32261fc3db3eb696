"""The error tree. Handlers raise these; only the HTTP edge renders them (`api/status.py` has the statuses).

StrongroomError
├── RequestError                what a client is told, word for word
│   ├── BadRequest              400, malformed or unacceptable input
│   │   └── InvalidCredentials  a login that proved nothing; counts towards a lockout
│   ├── PermissionDenied        403, a valid token without the right
│   ├── BadToken                403, no token or one that is no good
│   ├── NotFound                404, an empty list of errors
│   ├── NoRoute                 404, no mount matches the path
│   ├── UnsupportedPath         404, the mount has no such path
│   ├── UnsupportedOperation    405, the path exists, the operation does not
│   ├── PreconditionFailed      412
│   ├── TooLarge                413
│   ├── UnsupportedMediaType    415
│   ├── TooManyRequests         429
│   ├── InternalError           500, deliberately without detail
│   ├── UpstreamError           502, another system failed us
│   └── Unavailable             503: sealed, standby, shutting down
│       └── Sealed
├── ConfigError                 a server setting, with file, line, column and the fix
├── HCLError                    text that does not parse, with line and column
├── PolicyError                 a policy that cannot be accepted
├── CryptoError                 a key or ciphertext that does not fit
└── StorageError                the engine below refused
    ├── StorageFull             no room: the request fails, the server goes on
    ├── CorruptEntry            an entry does not decrypt or decode: damaged, or the wrong key
    └── FenceLost               this node no longer holds the lock its commit depends on
"""

from __future__ import annotations

from typing import Any

MULTI = "1 error occurred:\n\t* {}\n\n"


class StrongroomError(Exception):
    """The root of all errors of ours."""


class RequestError(StrongroomError):
    """A refusal that the client is told about.

    `errors` are the texts of the answer's `errors` list. `reason` is what only the log and the audit entry may say:
    it may name policies and entities, never a secret. `kind` is the error's class for the audit log (Vault leaves an
    entry's `error` out for refusals that an engine words itself; those have no kind). `data` is a body some refusals
    carry beside their status (a deleted version's metadata). `headers` go with the answer, such as `Retry-After`.
    """

    default = ""
    kind = ""

    def __init__(
        self,
        *errors: str,
        reason: str = "",
        kind: str | None = None,
        data: dict[str, Any] | None = None,
        warnings: list[str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.errors = list(errors) or ([self.default] if self.default else [])
        self.reason = reason
        self.kind = self.kind if kind is None else kind
        self.data = data
        self.warnings = warnings
        self.headers = headers or {}
        super().__init__(reason or "; ".join(self.errors) or type(self).__name__)


class BadRequest(RequestError):
    """400."""


class InvalidCredentials(BadRequest):
    """400 for a login whose name or secret is wrong; which of them, only the `reason` may tell."""

    kind = "invalid credentials"


class PermissionDenied(RequestError):
    """403 for a token that is valid but has no such right."""

    default = MULTI.format("permission denied")
    kind = "permission denied"


class BadToken(RequestError):
    """403 for a request without a token, or with one that is unknown, expired, revoked or used from elsewhere."""

    default = "permission denied"
    kind = "permission denied"


class NotFound(RequestError):
    """404 with no text: the thing asked for is not there."""


class NoRoute(RequestError):
    """404: no mount matches the path."""

    def __init__(self, path: str) -> None:
        super().__init__(f'no handler for route "{path}". route entry not found.', kind="unsupported path")


class UnsupportedPath(RequestError):
    """404: the mount exists but has no such path."""

    default = MULTI.format("unsupported path")
    kind = "unsupported path"


class UnsupportedOperation(RequestError):
    """405: the path exists but not for this operation."""

    default = MULTI.format("unsupported operation")
    kind = "unsupported operation"

    @classmethod
    def terse(cls) -> UnsupportedOperation:
        """The same with an empty list of errors, as the status endpoints answer."""
        error = cls()
        error.errors = []
        return error


class PreconditionFailed(RequestError):
    """412."""


class TooLarge(RequestError):
    """413: the body, a header or the path is longer than this listener takes."""


class UnsupportedMediaType(RequestError):
    """415."""


class TooManyRequests(RequestError):
    """429."""


class InternalError(RequestError):
    """500 that says nothing: the log has the request id and the cause."""

    default = "internal error"
    kind = "internal error"


class UpstreamError(RequestError):
    """502: a system behind us (a database, a cloud) failed."""


class Unavailable(RequestError):
    """503."""


class Sealed(Unavailable):
    """503: nothing is served but the status endpoints and unsealing."""

    default = "Vault is sealed"


class _Located(StrongroomError):
    """An error with a place: `file`, `line` and `column` (both from 1; 0 when unknown) and a `fix`."""

    def __init__(self, message: str, *, file: str = "", line: int = 0, column: int = 0, fix: str = "") -> None:
        self.message, self.file, self.line, self.column, self.fix = message, file, line, column, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        place = ":".join(str(p) for p in (self.file, self.line, self.column) if p)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text}. {self.fix}" if self.fix else text


class ConfigError(_Located):
    """A server setting that cannot be used."""


class HCLError(_Located):
    """Text that is neither HCL nor JSON as we accept them."""


class PolicyError(StrongroomError):
    """A policy that cannot be accepted; the text is for the client."""


class CryptoError(StrongroomError):
    """A key, share or ciphertext that does not fit; never says what it was."""


class StorageError(StrongroomError):
    """The storage engine failed; nothing of the batch was stored."""


class StorageFull(StorageError):
    """There is no room left."""


class CorruptEntry(StorageError):
    """A stored entry does not decrypt or decode: it is damaged, was moved, or belongs to another key."""


class FenceLost(StorageError):
    """This node no longer holds the lock that its commit depends on."""
