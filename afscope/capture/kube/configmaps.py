"""ConfigMaps that hold an airflow.cfg: the official chart's `<release>-config`, and whatever others made like it."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.errors import ApiError
from afscope.errors import CannotConnect

_KEY = "airflow.cfg"
_PAGE = 100
# Other ConfigMaps may be large, and there may be many: they are looked through once, then only the found ones are read.
_MOST_PAGES = 50
_NOT_FOUND = 404


class ConfigMaps:
    """The ones in some namespaces, in the whole cluster with ()."""

    name = "airflow.cfg in ConfigMaps"

    def __init__(self, cluster: Cluster, namespaces: tuple[str, ...]) -> None:
        """Nothing is asked for yet."""
        self._cluster = cluster
        self._places = [f"/api/v1/namespaces/{namespace}/configmaps" for namespace in namespaces]
        self._known: set[tuple[str, str]] = set()

    def read(self) -> Mapping[str, str]:
        """Texts by namespace/name. Raises CannotConnect."""
        if not self._known:
            found = dict(self._listed())
            self._known = set(found)
        else:
            found = {which: text for which in sorted(self._known) if (text := self._one(*which)) is not None}
            self._known &= found.keys()
        return {f"{namespace}/{name}": text for (namespace, name), text in found.items()}

    def _listed(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Of all places; one that refuses does not keep the others from being read. Raises when all do."""
        places = self._places or ["/api/v1/configmaps"]
        refused: list[ApiError] = []
        for path in places:
            try:
                yield from self._pages(path)
            except ApiError as error:
                refused.append(error)
        if len(refused) == len(places):
            raise refused[0]

    def _pages(self, path: str) -> Iterator[tuple[tuple[str, str], str]]:
        query: dict[str, Any] = {"limit": _PAGE}
        for _ in range(_MOST_PAGES):
            answer = _decoded(self._cluster.get(path, query))
            for item in answer.get("items") or []:
                if (text := _text(item)) is not None:
                    yield (item["metadata"]["namespace"], item["metadata"]["name"]), text
            token = (answer.get("metadata") or {}).get("continue")
            if not token:
                break
            query["continue"] = token

    def _one(self, namespace: str, name: str) -> str | None:
        """Its text; None when it is gone, or has none any more."""
        try:
            return _text(_decoded(self._cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")))
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return None
            raise


def _text(item: Mapping[str, Any]) -> str | None:
    text = (item.get("data") or {}).get(_KEY)
    return text if isinstance(text, str) else None


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise CannotConnect(f"ConfigMaps: {error}") from None
    if not isinstance(answer, dict):
        raise CannotConnect("ConfigMaps: the answer is no object")
    return answer
