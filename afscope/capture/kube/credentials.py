"""Where the cluster is and who we are there: the kubernetes package reads kubeconfigs, runs plugins, rotates tokens."""

import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from afscope.errors import CannotConnect

_LOOK_S = 30.0
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Credentials:
    """One context of a kubeconfig, or the service account of the pod that this runs in.

    Raises CannotConnect, with the contexts there are when the wanted one is not among them.
    """

    def __init__(self, kubeconfig: str | None = None, context: str | None = None) -> None:
        self._kubeconfig, self._context = kubeconfig, context
        self._lock = threading.Lock()
        self.name = "in-cluster"
        """Context or cluster, for people and file names."""
        self.namespace = "default"
        self.generation = 0
        """Grows with each renewal: connections made with older files are not used any more."""
        self.configuration: Any = None
        self._looked_at = 0.0
        self.renew()

    def renew(self, seen: int | None = None) -> None:
        """Loads everything anew: kubeconfig, plugin, token file; not twice when many requests failed with `seen`."""
        with self._lock:
            if seen is not None and seen != self.generation:
                return
            self.configuration = self._load()
            self._looked_at = time.monotonic()
            self.generation += 1

    def authorization(self) -> str | None:
        """The value of the Authorization header; a token that is about to expire is renewed by the package's own hook.

        That hook runs a credential plugin at each call in the last five minutes of its token, and plugins keep theirs
        to the end or give out shorter ones: so it is left alone for a while. A token that is refused meanwhile is
        renewed by whoever was refused.
        """
        with self._lock:
            try:
                settings = self._settings()
            except Exception as error:  # plugins and token files can fail in any way
                raise CannotConnect(f"no credentials for {self.name}: {_sentence(error)}") from error
        bearer = settings.get("BearerToken")
        return None if bearer is None else str(bearer["value"])

    def _settings(self) -> Any:
        """What the package would send."""
        configuration = self.configuration
        if time.monotonic() - self._looked_at >= _LOOK_S:
            with _complaints():  # a plugin that fails while its token is good is asked again, and heard when it is not
                settings = configuration.auth_settings()
            self._looked_at = time.monotonic()
            return settings
        hook, configuration.refresh_api_key_hook = configuration.refresh_api_key_hook, None
        try:
            return configuration.auth_settings()
        finally:
            configuration.refresh_api_key_hook = hook

    def _load(self) -> Any:
        from kubernetes import client

        config = _loaders()
        configuration = type.__call__(client.Configuration)  # not the process-wide default
        if self._kubeconfig is None and self._context is None and not _has_kubeconfig() and _in_cluster():
            try:
                config.load_incluster_config(client_configuration=configuration)
            except config.ConfigException as error:
                raise CannotConnect(f"in-cluster credentials: {error}") from error
            self.namespace = _own_namespace()
            return configuration
        self._choose(config)
        with _complaints() as complaints:
            try:
                config.load_kube_config(
                    config_file=self._kubeconfig, context=self._context, client_configuration=configuration,
                    persist_config=False,
                )  # fmt: skip
            except Exception as error:  # the package lets through whatever a malformed file causes
                raise CannotConnect(f"context {self.name!r}: {_sentence(error)}") from error
        if complaints:  # it logs a plugin's failure and goes on without credentials
            raise CannotConnect(f"context {self.name!r}: {_of_plugin(complaints[-1])}", "log in again, then try again")
        return configuration

    def _choose(self, config: Any) -> None:
        """Finds the context; its name and namespace become ours. One that is named need not be the current one."""
        given = self._kubeconfig or config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION
        where = self._kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        hint = "give --kubeconfig, or run inside the cluster"
        try:
            merged = config.kube_config.KubeConfigMerger(given).config
            content = {} if merged is None else merged.value
            entries = [_plain(entry) for entry in content.get("contexts") or ()]
            contexts = {str(entry["name"]): _plain(entry.get("context")) or {} for entry in entries}
        except Exception as error:  # the package lets through whatever a malformed file causes
            told = isinstance(
                error, (OSError, config.ConfigException)
            )  # else it says what Python met, not what is wrong
            why = f": {getattr(error, 'strerror', None) or _sentence(error)}" if told else " is no kubeconfig"
            raise CannotConnect(f"no cluster: {where}{why}", hint) from error
        if not contexts:
            raise CannotConnect(f"no cluster: {where} {'has no contexts' if content else 'is not there'}", hint)
        wanted = self._context or content.get("current-context")
        if wanted not in contexts:
            what = f"no context {wanted!r}" if wanted else "no current context"
            raise CannotConnect(f"{where} has {what}", f"give --context; there are: {', '.join(contexts)}")
        self.name = str(wanted)
        self.namespace = str(contexts[self.name].get("namespace") or "default")


def _loaders() -> Any:
    """kubernetes.config, which has no types."""
    from kubernetes import config

    return config


def _plain(node: Any) -> Any:
    """What the package's merger wrapped, to remember the file that it came from."""
    return getattr(node, "value", node)


def _has_kubeconfig() -> bool:
    return bool(os.environ.get("KUBECONFIG")) or (Path.home() / ".kube" / "config").is_file()


def _in_cluster() -> bool:
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST"))


def _own_namespace() -> str:
    try:
        return (_SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return "default"


def _of_plugin(complaint: str) -> str:
    """A credential plugin's failure without its output, which may be the token."""
    ended = re.match(r"exec: process returned (-?\d+)", complaint)
    return f"its credential plugin {f'ended with exit code {ended[1]}' if ended else 'gave no credentials'}"


def _sentence(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What the kubernetes package logs as an error in the meantime."""
    found: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage().splitlines()[0])

    listener, root = Listener(logging.ERROR), logging.getLogger()
    root.addHandler(listener)
    try:
        yield found
    finally:
        root.removeHandler(listener)
