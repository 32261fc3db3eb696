"""Error class ↔ HTTP status: the one table that server and client share."""

from __future__ import annotations

from strongroom import errors

STATUS: dict[type[errors.RequestError], int] = {
    errors.BadRequest: 400,
    errors.PermissionDenied: 403,
    errors.BadToken: 403,
    errors.NotFound: 404,
    errors.NoRoute: 404,
    errors.UnsupportedPath: 404,
    errors.UnsupportedOperation: 405,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.TooManyRequests: 429,
    errors.InternalError: 500,
    errors.UpstreamError: 502,
    errors.Unavailable: 503,
    errors.Sealed: 503,
}


def status_of(error: errors.RequestError) -> int:
    """The HTTP status of an error, by its nearest class in the table."""
    return next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)
