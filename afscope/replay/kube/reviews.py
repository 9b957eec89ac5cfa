"""What one may do: the answers to `kubectl auth can-i`."""

from typing import Any

import msgspec

from afscope.replay.kube import protobuf
from afscope.replay.kube.resources import Resource
from afscope.replay.kube.status import bad_request

_VERBS = ("get", "list", "watch")


class Reviews:
    """Reading what was recorded is allowed, and nothing else."""

    def __init__(self, recorded: set[Resource], *, logs: bool) -> None:
        self._recorded, self._logs = recorded, logs

    def access(self, body: bytes) -> dict[str, Any]:
        """SelfSubjectAccessReview. Raises ApiError 400."""
        review = _decoded(body, "SelfSubjectAccessReview")
        spec = review.get("spec") or {}
        allowed = self._allowed(spec.get("resourceAttributes") or {}) if "resourceAttributes" in spec else True
        if "nonResourceAttributes" in spec:
            allowed = (spec["nonResourceAttributes"] or {}).get("verb") == "get"
        status = (
            {"allowed": allowed} if allowed else {"allowed": False, "reason": "a replay has only what was recorded"}
        )
        return {**review, "status": status}

    def rules(self, body: bytes) -> dict[str, Any]:
        """SelfSubjectRulesReview. Raises ApiError 400."""
        by_group: dict[str, list[str]] = {}
        for resource in sorted(self._recorded, key=lambda resource: resource[:3]):
            by_group.setdefault(resource.group, []).append(resource.plural)
        if self._logs:
            by_group.setdefault("", []).append("pods/log")
        rules = [{"verbs": list(_VERBS), "apiGroups": [group], "resources": names} for group, names in by_group.items()]
        status = {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}
        return {**_decoded(body, "SelfSubjectRulesReview"), "status": status}

    def _allowed(self, attributes: dict[str, Any]) -> bool:
        if attributes.get("verb") not in _VERBS:
            return False
        group, plural = attributes.get("group", ""), attributes.get("resource", "")
        if attributes.get("subresource"):
            return self._logs and (group, plural, attributes["subresource"]) == ("", "pods", "log")
        return any((resource.group, resource.plural) == (group, plural) for resource in self._recorded)


def _decoded(body: bytes, kind: str) -> dict[str, Any]:
    if protobuf.is_protobuf(body):
        return protobuf.review(body, kind)
    try:
        review = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(review, dict):
        raise bad_request("couldn't get version/kind; the body is no object")
    return review
