"""One value of one Secret, asked for by name."""

import base64
import binascii
import re

import msgspec

from afscope.capture.kube.connection import Cluster
from afscope.capture.kube.errors import ApiError
from afscope.errors import CannotConnect, UsageError

_FORM = re.compile(r"(?:(?P<namespace>[a-z0-9-]+)/)?(?P<name>[a-z0-9.-]+):(?P<key>[A-Za-z0-9._-]+)")


def read_secret(cluster: Cluster, reference: str, *, namespace: str) -> str:
    """The value of `[NS/]NAME:KEY`; `namespace` where none is named. It is given to the caller and kept nowhere.

    Raises UsageError for another form, CannotConnect when it cannot be read; no message holds any of its values.
    """
    asked = _FORM.fullmatch(reference)
    if asked is None:
        raise UsageError(f"--db-secret {reference!r}: not of the form [NS/]NAME:KEY")
    place, name, key = asked["namespace"] or namespace, asked["name"], asked["key"]
    where = f"secret {place}/{name}"
    try:
        body = cluster.get(f"/api/v1/namespaces/{place}/secrets/{name}")
    except ApiError as error:
        if error.status == 403:
            raise CannotConnect(f"{where} may not be read", f"allow get on secrets/{name} in {place}") from None
        if error.status == 404:
            raise CannotConnect(f"there is no {where}") from None
        raise
    try:
        data = msgspec.json.decode(body).get("data") or {}
        value = base64.b64decode(data[key], validate=True).decode().strip()
    except KeyError:
        raise CannotConnect(f"{where} has no key {key!r}", f"there are: {', '.join(sorted(data)) or 'none'}") from None
    except (msgspec.DecodeError, binascii.Error, UnicodeDecodeError, AttributeError, TypeError):
        raise CannotConnect(f"{where}: {key} is no text") from None
    if not value:
        raise CannotConnect(f"{where}: {key} is empty")
    return value
