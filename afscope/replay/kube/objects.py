"""Lists and single objects of the recorded kinds."""

from afscope.model.pace import ScaledPace
from afscope.replay.kube.exchange import Answer, Request
from afscope.replay.kube.faults import Faults
from afscope.replay.kube.freshness import Freshness
from afscope.replay.kube.history import History
from afscope.replay.kube.huge import huge_object
from afscope.replay.kube.log import Log, Version
from afscope.replay.kube.paging import Token
from afscope.replay.kube.resources import Resource
from afscope.replay.kube.selectors import Selector
from afscope.replay.kube.status import bad_request, not_found, too_large
from afscope.replay.kube.views import View, negotiated


class Objects:
    """Answers for the objects of a history at the time of a clock."""

    def __init__(self, history: History, pace: ScaledPace, faults: Faults, freshness: Freshness) -> None:
        self._history, self._pace, self._faults, self._freshness = history, pace, faults, freshness

    def listing(self, request: Request, resource: Resource, log: Log, namespace: str) -> Answer:
        """A list, or a page of one. Raises ApiError for parameters that make no sense, and 410 for an old page."""
        selector, view = selector_of(request, resource), view_of(request, resource)
        token = Token.of(request.query["continue"]) if request.query.get("continue") else None
        if token:
            self._freshness.check_page(token.epoch)
        position = token.rv if token else self._position(request, log)
        found = [
            version
            for version in self._history.state(log, log.after(position))
            if namespace in ("", version.key[0]) and selector.matches(version.body)
        ]
        page, following = _page(found, token.start if token else "", request.number("limit"))
        meta: dict[str, object] = {"resourceVersion": str(position)}
        if following is not None:
            meta["continue"] = Token(position, following, self._freshness.epoch).text()
            if selector.everything:
                meta["remainingItemCount"] = sum("/".join(version.key) >= following for version in found)
        bodies = [version.body for version in page]
        if fault := self._faults.take("list", request.target, "huge"):
            bodies.append(huge_object(resource, namespace, position, fault.size))
        return Answer(view.listing(bodies, meta, self._pace.now()), objects=len(bodies))

    def single(self, request: Request, resource: Resource, log: Log, namespace: str, name: str) -> Answer:
        """One object. Raises ApiError 404."""
        view = view_of(request, resource)
        return Answer(view.single(self.find(log, namespace, name).body, self._pace.now()) + b"\n")

    def find(self, log: Log, namespace: str, name: str) -> Version:
        """One object as it is now. Raises ApiError 404."""
        state = self._history.state(log, self._history.upto(log, self._pace.now()))
        version = next((version for version in state if version.key == (namespace, name)), None)
        if version is None:
            raise not_found(log.resource, name)
        return version

    def _position(self, request: Request, log: Log) -> int:
        """The snapshot to list: the current one, or an exact one where that is asked for."""
        current = self._freshness.current(log)
        self._freshness.listed(log)
        asked = number_of(request.query.get("resourceVersion", ""))
        if asked > current:
            raise too_large(asked, current)
        if asked and request.query.get("resourceVersionMatch") == "Exact":
            refusal = self._freshness.refusal(log, asked)
            if refusal is not None:
                raise refusal
            return asked
        return current


def selector_of(request: Request, resource: Resource) -> Selector:
    """The selectors of a request. Raises ApiError 400."""
    return Selector(resource, request.query.get("labelSelector", ""), request.query.get("fieldSelector", ""))


def view_of(request: Request, resource: Resource) -> View:
    """The form that a request accepts. Raises ApiError 406."""
    return negotiated(request.headers.get("accept", ""), resource, request.query.get("includeObject", "Metadata"))


def number_of(resource_version: str) -> int:
    """A resourceVersion as a number, 0 for none. Raises ApiError 400."""
    if resource_version and not resource_version.isdigit():
        raise bad_request(f'invalid resource version "{resource_version}"')
    return int(resource_version or 0)


def _page(found: list[Version], start: str, limit: int | None) -> tuple[list[Version], str | None]:
    """The versions of a page that starts at a key, and the key of the next page, None after the last."""
    rest = [version for version in found if "/".join(version.key) >= start] if start else found
    if not limit or len(rest) <= limit:
        return rest, None
    return rest[:limit], "/".join(rest[limit].key)
