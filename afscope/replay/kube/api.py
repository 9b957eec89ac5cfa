"""The API: which request is for what. Knows no sockets."""

from pathlib import Path

from afscope.model.pace import ScaledPace
from afscope.replay.kube.discovery import AGGREGATED, VERSION, Discovery
from afscope.replay.kube.exchange import Answer, Request, Stream, document
from afscope.replay.kube.faults import Faults
from afscope.replay.kube.freshness import Freshness
from afscope.replay.kube.history import History
from afscope.replay.kube.logs import PodLogs
from afscope.replay.kube.objects import Objects
from afscope.replay.kube.openapi import PROTOBUF_V2, PROTOBUF_V2_TYPE, OpenApi, v2_protobuf
from afscope.replay.kube.resources import NEVER_RECORDED, RESOURCES, Resource
from afscope.replay.kube.reviews import Reviews
from afscope.replay.kube.status import forbidden, no_such_path, not_allowed, not_found, read_only
from afscope.replay.kube.watches import Watches

_HEALTH = ("healthz", "livez", "readyz")


class Api:
    """A read-only Kubernetes API over a history, at the time of a clock."""

    def __init__(self, history: History, pace: ScaledPace, faults: Faults, *, logs: Path | None = None) -> None:
        """`logs` is a recording's folder of logs."""
        self._history = history
        self.freshness = Freshness(history, pace)
        self.watches = Watches(history, pace, faults, self.freshness)
        self._objects = Objects(history, pace, faults, self.freshness)
        everything = {*history.kinds, *RESOURCES}
        recorded = {resource for resource in everything if history.log(resource) is not None}
        self._logs = PodLogs(logs, history, pace)
        self._reviews = Reviews(recorded, logs=logs is not None)
        self._discovery = Discovery(everything)
        self._openapi = OpenApi(everything)
        self._resources = {(r.group, r.version, r.plural): r for r in everything}

    def answer(self, request: Request) -> Answer | Stream:
        """Raises ApiError for whatever is not there, not known or not allowed."""
        match request.segments:
            case ("api", "v1", *rest) if rest:
                return self._resource(request, "", "v1", rest)
            case ("apis", group, version, *rest) if rest:
                return self._resource(request, group, version, rest)
        if request.method not in ("GET", "HEAD"):
            raise not_allowed()
        return self._document(request)

    def _document(self, request: Request) -> Answer:
        aggregated = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" in request.headers.get("accept", "")
        match request.segments:
            case ("version",):
                return document(VERSION)
            case (health, *_) if health in _HEALTH:
                return Answer(b"ok", content_type="text/plain; charset=utf-8")
            case ("api" | "apis" as root,) if aggregated:
                answer = document(self._discovery.aggregated(core=root == "api"))
                answer.content_type = AGGREGATED
                return answer
            case ("openapi", "v2"):
                return self._definitions(request)
            case ("openapi", "v3"):
                return document(self._openapi.index())
            case ("openapi", "v3", *root):
                return document(self._openapi.v3("/".join(root)))
            case ("api",):
                return document(self._discovery.core(request.headers.get("host", "")))
            case ("apis",):
                return document(self._discovery.groups())
            case ("apis", group):
                return document(self._discovery.group(group))
            case ("api", "v1"):
                return document(self._discovery.resources("", "v1"))
            case ("apis", group, version):
                return document(self._discovery.resources(group, version))
        raise no_such_path()

    def _definitions(self, request: Request) -> Answer:
        """Clients written in Go read the old form in protobuf only."""
        if PROTOBUF_V2 in request.headers.get("accept", ""):
            return Answer(v2_protobuf(), content_type=PROTOBUF_V2_TYPE)
        return document(self._openapi.v2())

    def _resource(self, request: Request, group: str, version: str, rest: list[str]) -> Answer | Stream:
        """/namespaces/NS/PLURAL[/NAME[/SUB]] or /PLURAL[/NAME[/SUB]]."""
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            _, namespace, *rest = rest
        plural, name, sub = [*rest, "", ""][:3]
        if group == "authorization.k8s.io":
            return self._review(request, plural)
        resource = self._resources.get((group, version, plural))
        if resource is None or len(rest) > 3 or (namespace and not resource.namespaced):
            raise no_such_path()
        if request.method not in ("GET", "HEAD"):
            raise read_only(f'{resource.qualified} "{name}"' if name else resource.qualified)
        if sub:
            return self._sub(request, resource, namespace, name, sub)
        return self._read(request, resource, namespace, name)

    def _sub(self, request: Request, resource: Resource, namespace: str, name: str, sub: str) -> Answer | Stream:
        log = self._history.log(resource)
        if (resource.qualified, sub) != ("pods", "log"):
            raise no_such_path()
        if log is None:
            raise forbidden(resource, "get", namespace, name, "it was not recorded")
        return self._logs.answer(request, log, self._objects.find(log, namespace, name))

    def _read(self, request: Request, resource: Resource, namespace: str, name: str) -> Answer | Stream:
        watch = request.flag("watch")
        log = self._history.log(resource)
        if log is None:
            if name and resource in NEVER_RECORDED:
                raise not_found(resource, name)
            verb = "get" if name else "watch" if watch else "list"
            raise forbidden(resource, verb, namespace, name, "it was not recorded")
        if watch:
            if name:
                raise no_such_path()
            return self.watches.open(request, resource, log, namespace)
        if name:
            return self._objects.single(request, resource, log, namespace, name)
        return self._objects.listing(request, resource, log, namespace)

    def _review(self, request: Request, plural: str) -> Answer:
        if request.method != "POST":
            raise not_allowed()
        if plural == "selfsubjectaccessreviews":
            return document(self._reviews.access(request.body), 201)
        if plural == "selfsubjectrulesreviews":
            return document(self._reviews.rules(request.body), 201)
        raise no_such_path()


def verb_of(request: Request) -> str:
    """list, watch, get, log, post, or other: what faults are armed for."""
    if request.method != "GET":
        return "post" if request.method == "POST" else "other"
    segments = list(request.segments)
    root = {"api": 2, "apis": 3}.get(segments[0] if segments else "")
    if root is None or len(segments) <= root:
        return "other"
    rest = segments[root:]
    if len(rest) > 2 and rest[0] == "namespaces":
        rest = rest[2:]
    if len(rest) == 1:
        return "watch" if request.flag("watch") else "list"
    return "log" if rest[2:] == ["log"] else "get"
