"""What the server says that it has: versions, groups, resources; in the old form and in the aggregated one."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from afscope.replay.kube.resources import REVIEWS, Resource
from afscope.replay.kube.status import no_such_path

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_VERBS = ["get", "list", "watch"]
_LOG = {"singularName": "", "namespaced": True, "kind": "Pod", "verbs": ["get"]}

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2+afscope",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "afscope/replay",
}


class Discovery:
    """The documents, for a set of resources."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        everything = sorted({*resources, *REVIEWS}, key=lambda resource: resource[:3])
        self._groups = {
            group: {version: list(found) for version, found in groupby(members, lambda resource: resource.version)}
            for group, members in groupby(everything, lambda resource: resource.group)
        }

    def core(self, address: str) -> dict[str, Any]:
        """/api."""
        addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}

    def groups(self) -> dict[str, Any]:
        """/apis."""
        named = [self.group(group) for group in self._groups if group]
        for group in named:
            del group["kind"], group["apiVersion"]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}

    def group(self, group: str) -> dict[str, Any]:
        """/apis/<group>. Raises ApiError 404."""
        if not group or group not in self._groups:
            raise no_such_path()
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in self._groups[group]]
        return {
            "kind": "APIGroup",
            "apiVersion": "v1",
            "name": group,
            "versions": versions,
            "preferredVersion": versions[0],
        }

    def resources(self, group: str, version: str) -> dict[str, Any]:
        """/api/v1 and /apis/<group>/<version>. Raises ApiError 404."""
        found = self._groups.get(group, {}).get(version)
        if found is None:
            raise no_such_path()
        name = f"{group}/{version}" if group else version
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": name,
            "resources": [entry for resource in found for entry in _entries(resource)],
        }

    def aggregated(self, *, core: bool) -> dict[str, Any]:
        """/api or /apis in one document."""
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": [_aggregated(group, versions) for group, versions in self._groups.items() if core != bool(group)],
        }


def _verbs(resource: Resource) -> list[str]:
    return ["create"] if resource in REVIEWS else _VERBS


def _entries(resource: Resource) -> list[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _verbs(resource),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return [entry, {"name": "pods/log", **_LOG}] if resource.qualified == "pods" else [entry]


def _aggregated(group: str, versions: dict[str, list[Resource]]) -> dict[str, Any]:
    return {
        "metadata": {"name": group} if group else {},
        "versions": [
            {"version": version, "freshness": "Current", "resources": [_aggregated_entry(r) for r in resources]}
            for version, resources in versions.items()
        ],
    }


def _aggregated_entry(resource: Resource) -> dict[str, Any]:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": _verbs(resource),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.qualified == "pods":
        entry["subresources"] = [{"subresource": "log", "responseKind": kind, "verbs": ["get"]}]
    return entry
