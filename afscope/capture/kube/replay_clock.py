"""The clock of a replayed cluster: a recorder of `afscope serve` lives in the replay's time, at its speed.

`afscope serve` writes the address of its clock into the kubeconfig, as an extension of the cluster entry that every
other client ignores. A real cluster has none, and its recorder keeps the machine's clock.
"""

import base64
import json
import os
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import urllib3
import yaml

from afscope.errors import CannotConnect
from afscope.model.clock import SECOND, Micros
from afscope.model.pace import Pace, ScaledPace, SystemPace

EXTENSION = "afscope.dev/replay"
_ASK_EVERY = 1.0
# A difference that the way to the server and back explains is left alone, so that time never wobbles backwards.
_TOLERANCE_S = 0.25


def pace_of(kubeconfig: str | None, context: str | None) -> Pace:
    """The replay's clock if the kubeconfig names one, else this machine's. Raises CannotConnect."""
    cluster = _cluster(_document(kubeconfig), context)
    url = _clock_url(cluster)
    return SystemPace() if url is None else ReplayPace(url, _authority(cluster))


class ReplayPace(ScaledPace):
    """Follows the clock at `url`, asked each second by a daemon thread: time, speed, whether it stands still."""

    def __init__(self, url: str, authority: str | None = None) -> None:
        """`authority` is the certificate to trust, PEM, where the clock is told over HTTPS."""
        self._url = url
        context = ssl.create_default_context(cadata=authority) if authority else None
        self._http = urllib3.PoolManager(ssl_context=context, retries=False, timeout=5)
        now, speed, paused = self._ask()
        super().__init__(now, speed, paused=paused)
        threading.Thread(target=self._follow, name="replay clock", daemon=True).start()

    def _follow(self) -> None:
        while True:
            time.sleep(_ASK_EVERY)
            try:
                now, speed, paused = self._ask()
            except CannotConnect:
                continue  # a replay that ended: the time goes on as it went
            if paused:
                self.pause()
            elif self.paused or speed != self.speed:
                self.resume(speed)
            if abs(now - self.now()) > _TOLERANCE_S * speed * SECOND:
                self.jump(now)

    def _ask(self) -> tuple[Micros, float, bool]:
        try:
            answer = json.loads(self._http.request("GET", self._url).data)
            return int(answer["now_us"]), float(answer["speed"]), bool(answer["paused"])
        except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError) as error:
            raise CannotConnect(
                f"the replay's clock at {self._url} does not answer", "is `afscope serve` running?"
            ) from error


def _document(kubeconfig: str | None) -> dict[str, Any]:
    """The kubeconfig as it is written; what cannot be read is left to whoever connects with it."""
    path = Path(kubeconfig or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or Path.home() / ".kube" / "config")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def _cluster(document: dict[str, Any], context: str | None) -> dict[str, Any]:
    """The cluster entry of a context, by default the current one."""
    name = context or document.get("current-context")
    chosen = _named(document.get("contexts"), name, "context")
    return _named(document.get("clusters"), chosen.get("cluster"), "cluster")


def _clock_url(cluster: dict[str, Any]) -> str | None:
    for extension in cluster.get("extensions") or ():
        if isinstance(extension, dict) and extension.get("name") == EXTENSION:
            url = (extension.get("extension") or {}).get("clock")
            return url if isinstance(url, str) else None
    return None


def _authority(cluster: dict[str, Any]) -> str | None:
    data = cluster.get("certificate-authority-data")
    try:
        return base64.b64decode(data).decode() if isinstance(data, str) else None
    except ValueError:
        return None


def _named(entries: Any, name: Any, what: str) -> dict[str, Any]:
    """The body of the kubeconfig entry of this name; empty when there is none."""
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(what), dict):
            return dict(entry[what])
    return {}
