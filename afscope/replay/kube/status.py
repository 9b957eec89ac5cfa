"""What the API says when it says no: Status objects in the API server's own words."""

from typing import Any

import msgspec

from afscope.replay.kube.resources import Resource

USER = "afscope-replay"
"""Who everybody is to the replay, as error messages name them."""


class ApiError(Exception):
    """A request that is answered with a Status object."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after
        self._reason, self._message, self._details = reason, message, details

    @property
    def document(self) -> dict[str, Any]:
        """The Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self._message,
            "reason": self._reason,
            "code": self.code,
        }
        details = dict(self._details or {})
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        if details:
            status["details"] = details
        return status

    @property
    def body(self) -> bytes:
        """The Status object as JSON."""
        return msgspec.json.encode(self.document) + b"\n"


def unauthorized() -> ApiError:
    """No token, or the wrong one."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, verb: str, namespace: str, name: str = "", why: str = "") -> ApiError:
    """The words of RBAC; `why` follows them."""
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    what = f'{resource.qualified} "{name}"' if name else resource.qualified
    message = (
        f'{what} is forbidden: User "{USER}" cannot {verb} resource "{resource.plural}" '
        f'in API group "{resource.group}" {where}'
    )
    return ApiError(403, "Forbidden", message + (f": {why}" if why else ""), details=_details(resource, name))


def read_only(what: str) -> ApiError:
    """Every request that would change something."""
    return ApiError(403, "Forbidden", f"{what} is forbidden: this is a read-only replay")


def not_found(resource: Resource, name: str) -> ApiError:
    """No object of that name at this time."""
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', details=_details(resource, name))


def no_such_path() -> ApiError:
    """A path that no API serves."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def not_allowed() -> ApiError:
    """A method that a path does not have."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def bad_request(message: str) -> ApiError:
    """A parameter that makes no sense."""
    return ApiError(400, "BadRequest", message)


def not_acceptable() -> ApiError:
    """The client takes none of the forms in which objects can be sent."""
    return ApiError(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/json;stream=watch",
    )


def expired(message: str) -> ApiError:
    """A resourceVersion or a continue token that is too old."""
    return ApiError(410, "Expired", message)


def too_large(asked: int, current: int) -> ApiError:
    """A list at a resourceVersion that the server has not reached: the clock was set back."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details={"causes": [cause], "retryAfterSeconds": 1},
    )


def _details(resource: Resource, name: str) -> dict[str, Any]:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}
