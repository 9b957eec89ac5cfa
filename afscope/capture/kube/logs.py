"""Which logs are followed: those of the components that say why work waits."""

import json
import queue
import threading
import time
from typing import Any

from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.tail import Container, Tail
from afscope.capture.tape import Tape
from afscope.model.capture import SourceState
from afscope.model.row import DELETED, Row
from afscope.normalize.logs import component_of

MAX_TAILS = 50
"""Containers that are followed at once; each is a thread and an open connection."""
# For all tails together, in real seconds.
_PATIENCE_S = 3.0
# For the log of a pod that was deleted, to come to its end.
_LEAVE_S = 2.0
_AIRFLOW = frozenset({"scheduler", "worker", "triggerer", "dag-processor", "api-server"})
_KEDA = frozenset({"keda-operator", "keda-metrics-apiserver"})
# KEDA's Helm chart calls it so; its plain manifests do not.
_HELM = {"keda-operator-metrics-apiserver": "keda-metrics-apiserver"}
_LABELS = ("component", "app.kubernetes.io/component", "app.kubernetes.io/name", "app")


class LogCollector:
    """Follows the pods that the watch on pods sees, and keeps lines whose pattern is known."""

    name: str = "logs"
    tables: tuple[str, ...] = ("log_lines",)

    def __init__(self, cluster: Cluster, tape: Tape, *, raw: bool = False) -> None:
        """`raw` keeps unknown lines, too."""
        self._cluster, self._tape, self._raw = cluster, tape, raw
        self._pods: queue.SimpleQueue[Row] = queue.SimpleQueue()
        self._tails: dict[str, tuple[Tail, threading.Thread]] = {}
        self._refused: set[str] = set()
        self._left_out: set[str] = set()
        tape.listen("pods", self._pods.put)

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.is_set():
            try:
                self._look(self._pods.get(timeout=0.5), stop)
            except queue.Empty:
                self._gather()
        for tail, _ in self._tails.values():
            tail.end()
        until = time.monotonic() + _PATIENCE_S
        for _, thread in self._tails.values():
            thread.join(max(0.0, until - time.monotonic()))

    def _look(self, row: Row, stop: threading.Event) -> None:
        """A pod appeared, changed or went."""
        pod = row.values
        uid = str(pod["uid"])
        if row.values["change"] == DELETED:
            if uid in self._tails:
                self._tails[uid][0].end(within=_LEAVE_S)
            return
        of = followed(pod)
        if of is None or uid in self._tails or of.namespace in self._refused:
            return
        if len(self._tails) >= MAX_TAILS:
            self._leave_out(of)
            return
        tail = Tail(self._cluster, self._tape, of, raw=self._raw)
        thread = threading.Thread(target=tail.run, args=(stop,), name=f"log of {of.pod}", daemon=True)
        self._tails[uid] = tail, thread
        self._tape.source("log_lines", of.namespace, SourceState.OK)
        thread.start()

    def _gather(self) -> None:
        """Forgets tails that ended; a refused one speaks for its namespace."""
        for uid, (tail, thread) in list(self._tails.items()):
            if thread.is_alive():
                continue
            del self._tails[uid]
            if tail.refused is not None and tail.namespace not in self._refused:
                self._refused.add(tail.namespace)
                why = str(tail.refused.what)
                self._tape.source("log_lines", tail.namespace, SourceState.FORBIDDEN, why)
                self._tape.told(f"logs in {tail.namespace}", SourceState.FORBIDDEN, why)

    def _leave_out(self, of: Container) -> None:
        if of.uid not in self._left_out:
            self._left_out.add(of.uid)
            reason = f"{len(self._left_out)} pod(s) are not followed: {MAX_TAILS} logs at once is the limit"
            self._tape.source("log_lines", "limit", SourceState.PARTIAL, reason)


def followed(pod: Any) -> Container | None:
    """The container of a pod (a row of `pods`) whose log is followed; None for pods that say nothing of waiting."""
    if pod["phase"] != "Running" or not pod["main_container"]:
        return None
    component = _component(pod)
    if component is None:
        return None
    return Container(
        str(pod["namespace"]), str(pod["name"]), str(pod["uid"]), str(pod["main_container"]), component,
        int(pod["restart_count"] or 0),
    )  # fmt: skip


def _component(pod: Any) -> str | None:
    labels = json.loads(pod["labels"]) if pod["labels"] else {}
    named = [str(labels[key]) for key in _LABELS if labels.get(key)]
    named.append(component_of(f"pod.{pod['name']}.log")[0])
    named.append(str(pod["main_container"]))
    for name in named:
        component = _HELM.get(name, name)
        if component in _AIRFLOW or component in _KEDA:
            return component
    return next((known for known in sorted(_KEDA) for name in named if known in name), None)
