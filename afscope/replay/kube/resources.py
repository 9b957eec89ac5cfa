"""The API resources that a replay knows: what discovery names, whether or not the recording holds any."""

from typing import NamedTuple


class Resource(NamedTuple):
    """One resource of one group and version, in discovery's words; `group` is empty for the core API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """As objects write it: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As error messages name it: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.kind.lower()


_ALL = ("all",)
RESOURCES = (
    Resource("", "v1", "configmaps", "ConfigMap", short=("cm",)),
    Resource("", "v1", "events", "Event", short=("ev",)),
    Resource("", "v1", "limitranges", "LimitRange", short=("limits",)),
    Resource("", "v1", "namespaces", "Namespace", namespaced=False, short=("ns",)),
    Resource("", "v1", "nodes", "Node", namespaced=False, short=("no",)),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short=("pvc",)),
    Resource("", "v1", "pods", "Pod", short=("po",), categories=_ALL),
    Resource("", "v1", "resourcequotas", "ResourceQuota", short=("quota",)),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", short=("sa",)),
    Resource("", "v1", "services", "Service", short=("svc",), categories=_ALL),
    Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False),
    Resource("apps", "v1", "daemonsets", "DaemonSet", short=("ds",), categories=_ALL),
    Resource("apps", "v1", "deployments", "Deployment", short=("deploy",), categories=_ALL),
    Resource("apps", "v1", "replicasets", "ReplicaSet", short=("rs",), categories=_ALL),
    Resource("apps", "v1", "statefulsets", "StatefulSet", short=("sts",), categories=_ALL),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ("hpa",), _ALL),
    Resource("batch", "v1", "cronjobs", "CronJob", short=("cj",), categories=_ALL),
    Resource("batch", "v1", "jobs", "Job", categories=_ALL),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource("events.k8s.io", "v1", "events", "Event", short=("ev",)),
    Resource("keda.sh", "v1alpha1", "scaledjobs", "ScaledJob", short=("sj",)),
    Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", short=("so",)),
    Resource("keda.sh", "v1alpha1", "triggerauthentications", "TriggerAuthentication", short=("ta", "triggerauth")),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short=("pdb",)),
    Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
)
"""Sorted by group, version and plural, core first."""

REVIEWS = (
    Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False),
    Resource("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False),
)
"""What can only be posted, to be told what one may do."""

NEVER_RECORDED = frozenset(
    resource for resource in RESOURCES if resource.group.startswith("rbac.") or resource.kind == "ServiceAccount"
)
"""Who may do what, which no recorder reads. Single ones are *not found*, so that `kubectl apply --dry-run=client` can
check a manifest; lists are forbidden like those of all that was not recorded."""

NAMESPACES = next(resource for resource in RESOURCES if resource.plural == "namespaces")
BY_PLURAL = {resource.plural: resource for resource in RESOURCES if resource.group != "events.k8s.io"}
BY_KIND = {resource.kind: resource for resource in BY_PLURAL.values()}


def guessed(plural: str, kind: str, api_version: str, *, namespaced: bool) -> Resource:
    """A resource that only its objects tell about: custom kinds that somebody recorded as well."""
    group, _, version = api_version.rpartition("/")
    return Resource(group, version, plural, kind, namespaced)
