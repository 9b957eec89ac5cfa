"""How the Kubernetes API says no."""

from typing import Any

import msgspec

from afscope.errors import CannotConnect

_MAX_WORDS = 300


class Unreachable(CannotConnect):
    """No answer: refused, timed out, name unknown, TLS, a connection that was cut."""


class Silent(Unreachable):
    """A stream that was open brought no byte for too long: it may be half open, and what happened since unheard."""


class ApiError(CannotConnect):
    """An answer that is no success: HTTP `status`, and the Status object's `reason` where the server sent one.

    `retry_after_s` is what the server asked for, 0 when it did not.
    """

    def __init__(self, status: int, reason: str, what: str, retry_after_s: float = 0.0, hint: str = "") -> None:
        super().__init__(what, hint)
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s


def api_error(status: int, body: bytes, retry_after: str | None = None) -> ApiError:
    """The error that a response or an ERROR frame of a watch stands for; its sentence is the server's own."""
    told: Any = None
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        told = None
    fields = told if isinstance(told, dict) else {}
    text = fields.get("message")
    words = text if isinstance(text, str) and text else body.decode("utf-8", "replace").strip() or "no reason given"
    code, reason = fields.get("code"), fields.get("reason")
    details = fields.get("details")
    wait = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    asked = (
        float(retry_after) if retry_after and retry_after.isdigit() else float(wait) if isinstance(wait, int) else 0.0
    )
    return ApiError(
        code if isinstance(code, int) else status, reason if isinstance(reason, str) else "", words[:_MAX_WORDS], asked
    )
