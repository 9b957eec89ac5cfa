"""Field managers: which of them are KEDA and the HPA, which are tools of a deployment, which a person.

KEDA and the HPA were confirmed on Kubernetes 1.36 with KEDA 2.20.1: both do `Update` of the scale subresource. The
names of tools are the managers their clients set, or the start of their user agent (apiserver's default).
"""

from enum import StrEnum


class Kind(StrEnum):
    """Who wrote spec.replicas."""

    KEDA = "keda"
    HPA = "hpa"
    PERSON = "person"
    DEPLOYER = "deployer"
    UNKNOWN = "unknown"


_DEPLOYERS = (
    "argocd", "argo-cd", "argo", "helm", "flux", "kustomize", "terraform", "pulumi", "hashicorp", "fleet", "rancher",
    "spinnaker", "gitops", "jenkins", "werf", "ansible", "openshift-gitops", "cdk8s", "kapp", "skaffold", "tilt",
    "kubectl-client-side-apply", "kubectl-last-applied", "before-first-apply",
)  # fmt: skip
_PEOPLE = ("kubectl", "k9s", "lens", "openlens", "freelens", "headlamp", "mozilla", "oc", "dashboard", "octant")


def kind_of(manager: str, operation: str | None = None, subresource: str | None = None) -> Kind:
    """What kind of writer a managedFields entry names.

    An unknown manager that applies is a deployment tool, one that scales is a person (or a script in a person's
    name); an unknown plain update can be either.
    """
    name = manager.lower()
    if name in ("keda-operator", "keda"):
        return Kind.KEDA
    if name == "kube-controller-manager":
        return Kind.HPA if subresource == "scale" else Kind.UNKNOWN
    if _named(name, _DEPLOYERS):
        return Kind.DEPLOYER
    if _named(name, _PEOPLE):
        # Server-side apply by kubectl is how pipelines deploy; edit, patch, scale and replace are typed by hand.
        return Kind.DEPLOYER if operation == "Apply" else Kind.PERSON
    if operation == "Apply":
        return Kind.DEPLOYER
    return Kind.PERSON if subresource == "scale" else Kind.UNKNOWN


def _named(name: str, known: tuple[str, ...]) -> bool:
    """`helm` names `helm` and `helm-controller`, never `helmsman`."""
    return any(name == word or (name.startswith(word) and not name[len(word)].isalnum()) for word in known)
