"""The first questions to a cluster: does it answer, what may be seen of it, are the namespaces there."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from afscope.capture.backoff import Backoff
from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.errors import ApiError, Unreachable
from afscope.capture.kube.kinds import WATCHED, Watched, places
from afscope.errors import CannotConnect

_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_ANSWER_S = 10.0
_TOO_MANY, _SERVER_ERRORS = 429, 500
_FORBIDDEN, _NOT_FOUND = 403, 404


class _Status(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


def may(cluster: Cluster, verb: str, watched: Watched, within_s: float = _ANSWER_S) -> bool:
    """Whether the verb is allowed on a kind in the whole cluster.

    Raises CannotConnect when the cluster cannot be reached or refuses to tell.
    """
    group = watched.group.split("/")[1] if watched.group.startswith("apis/") else ""
    review: dict[str, Any] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": verb, "group": group, "resource": watched.plural}},
    }
    try:
        answer = cluster.post(_REVIEW, msgspec.json.encode(review), timeout_s=within_s)
        return msgspec.json.decode(answer, type=_Review).status.allowed
    except msgspec.DecodeError as error:
        raise CannotConnect(f"{cluster.server} answers a review of rights with something else") from error


def scope(
    cluster: Cluster, namespaces: tuple[str, ...], *, whole: bool, within_s: float = _ANSWER_S
) -> tuple[str, ...]:
    """The namespaces to watch, () for the whole cluster: what was asked for, else as much as is allowed.

    Raises CannotConnect when `whole` is wanted and not allowed.
    """
    if namespaces:
        return namespaces
    pods = WATCHED[0]
    try:
        everywhere = all(may(cluster, verb, pods, within_s) for verb in ("list", "watch"))
    except CannotConnect:  # a server without reviews: trying is the way to find out
        everywhere = True
    if everywhere:
        return ()
    if whole:
        raise CannotConnect(f"{cluster.name}: pods of the whole cluster may not be listed", "name namespaces with -n")
    return (cluster.namespace,)


def all_refused(cluster: Cluster, namespaces: tuple[str, ...], within_s: float = _ANSWER_S) -> dict[str, str]:
    """The places that may not be listed, and the server's words; empty as soon as one answers anything else.

    Places without such a kind (KEDA is not installed) tell nothing about rights.
    """
    refused: dict[str, str] = {}
    for place in places(namespaces):
        try:
            cluster.get(place.path, {"limit": 1}, timeout_s=within_s)
        except ApiError as error:
            if error.status == _FORBIDDEN:
                refused[place.title] = str(error.what)
                continue
            if error.status == _NOT_FOUND:
                continue
            return {}
        except Unreachable:
            return {}
        return {}
    return refused


def unknown(cluster: Cluster, namespaces: tuple[str, ...], within_s: float = _ANSWER_S) -> list[str]:
    """Those that the server says it does not have; who may not ask is told nothing."""
    found = []
    for name in namespaces:
        try:
            cluster.get(f"/api/v1/namespaces/{name}", timeout_s=within_s)
        except ApiError as error:
            if error.status == _NOT_FOUND:
                found.append(name)
        except Unreachable:
            break  # whoever watches will say so
    return found


def reached(cluster: Cluster, within_s: float = _ANSWER_S) -> str:
    """The server's version. Raises CannotConnect, in words that tell a refused login from a dead server.

    A server that is busy or just starts says so (429, 5xx), and is asked again for as long as one answer may take.
    """
    try:
        answer = msgspec.json.decode(_patiently(lambda: cluster.get("/version", timeout_s=within_s), within_s))
    except ApiError as error:
        if error.status in (401, _FORBIDDEN):
            raise CannotConnect(
                f"{cluster.name}: the API server refuses these credentials: {error.what}", "log in again, or --context"
            ) from error
        raise CannotConnect(f"{cluster.name}: {error.what}") from error
    except msgspec.DecodeError as error:
        raise CannotConnect(f"{cluster.server} is no Kubernetes API server") from error
    version = answer.get("gitVersion") if isinstance(answer, dict) else None
    if not isinstance(version, str):
        raise CannotConnect(f"{cluster.server} is no Kubernetes API server")
    return version


def _patiently(ask: Callable[[], bytes], within_s: float) -> bytes:
    """The answer; a server that has no time now is asked again for a while."""
    until, backoff = time.monotonic() + within_s, Backoff()
    while True:
        try:
            return ask()
        except ApiError as error:
            wait = backoff.next(error.retry_after_s)
            busy = error.status == _TOO_MANY or error.status >= _SERVER_ERRORS
            if not busy or time.monotonic() + wait > until:
                raise
        time.sleep(wait)
