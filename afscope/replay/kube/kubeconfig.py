"""The kubeconfig of a replayed cluster: for kubectl, k9s, and a recorder that is to live in the replay's time."""

import base64
from typing import Any

import yaml

EXTENSION = "afscope.dev/replay"
"""Name of the cluster's extension that tells where the clock is; other clients ignore it."""


def kubeconfig(url: str, *, token: str = "", ca_pem: bytes = b"", name: str = "afscope-replay") -> str:
    """The text of a kubeconfig whose only context, `name`, is the server at `url`; with its token and certificate."""
    cluster: dict[str, Any] = {
        "server": url,
        "extensions": [{"name": EXTENSION, "extension": {"clock": f"{url}/afscope/clock"}}],
    }
    if ca_pem:
        cluster["certificate-authority-data"] = base64.b64encode(ca_pem).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token} if token else {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
    }
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text
