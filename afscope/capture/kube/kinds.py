"""What is watched, and where the API has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Watched:
    """One kind of object. `only` are names: everything else of that kind is left alone."""

    kind: str
    plural: str
    group: str
    """Group and version as in paths: "api/v1", "apis/apps/v1"."""
    namespaced: bool = True
    only: tuple[str, ...] = ()
    minor: bool = False
    """Its table speaks for itself without this kind: being refused here does not make it partial."""
    home: str = ""
    """The one namespace where `only` live, whatever namespaces are recorded."""

    def path(self, namespace: str = "") -> str:
        """The path of the list, of one namespace or of the cluster."""
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"/{self.group}{scope}/{self.plural}"


WATCHED = (
    Watched("Pod", "pods", "api/v1"),
    Watched("Event", "events", "api/v1"),
    Watched("Deployment", "deployments", "apis/apps/v1"),
    Watched("ReplicaSet", "replicasets", "apis/apps/v1"),
    Watched("StatefulSet", "statefulsets", "apis/apps/v1"),
    Watched("HorizontalPodAutoscaler", "horizontalpodautoscalers", "apis/autoscaling/v2"),
    Watched("ScaledObject", "scaledobjects", "apis/keda.sh/v1alpha1"),
    Watched("Node", "nodes", "api/v1", namespaced=False),
    Watched("ResourceQuota", "resourcequotas", "api/v1"),
    Watched("LimitRange", "limitranges", "api/v1", minor=True),
    Watched("APIService", "apiservices", "apis/apiregistration.k8s.io/v1", namespaced=False),
    # A lease is renewed every two seconds: only the leaders of KEDA and of the HPA controller are worth that.
    Watched("Lease", "leases", "apis/coordination.k8s.io/v1", only=("operator.keda.sh",)),
    Watched(
        "Lease", "leases", "apis/coordination.k8s.io/v1", only=("kube-controller-manager",), home="kube-system",
    ),
)  # fmt: skip


class Place(NamedTuple):
    """One list to follow: a kind, where ("" for the cluster), and the one name if only that matters."""

    watched: Watched
    namespace: str
    name: str = ""

    @property
    def path(self) -> str:
        """The path of the list."""
        return self.watched.path(self.namespace)

    @property
    def title(self) -> str:
        """For people."""
        name = f" {self.name}" if self.name else ""
        return f"{self.watched.plural}{name} in {self.namespace or 'the cluster'}"


def places(namespaces: tuple[str, ...]) -> Iterator[Place]:
    """What there is to follow in these namespaces; without any, in the whole cluster."""
    for watched in WATCHED:
        for namespace in _namespaces_of(watched, namespaces):
            for name in watched.only or ("",):
                yield Place(watched, namespace, name)


def _namespaces_of(watched: Watched, namespaces: tuple[str, ...]) -> tuple[str, ...]:
    if not watched.namespaced:
        return ("",)
    if watched.home:
        return (watched.home,)
    return namespaces or ("",)
