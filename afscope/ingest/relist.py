"""What a new list says about the objects that it no longer holds: they were deleted while nobody watched."""

from collections.abc import Iterator

import msgspec

from afscope.model.row import DELETED, STATE


class _Metadata(msgspec.Struct):
    uid: str = ""
    name: str = ""
    namespace: str | None = None


class _Object(msgspec.Struct):
    kind: str = ""
    apiVersion: str = ""  # noqa: N815  (the API's own word)
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


_DECODER = msgspec.json.Decoder(_Object)
_ENCODER = msgspec.json.Encoder()


class Relist:
    """The living objects of one kind, and which of them the list after a lost watch has shown.

    Only namespaces that the list names are judged: somebody may watch each namespace on its own.
    """

    def __init__(self) -> None:
        self._living: dict[str, _Object] = {}
        self._lost = False
        self._listed: dict[str, str | None] = {}

    def lost(self) -> None:
        """The watch broke: a list that comes next tells what is left."""
        self._lost = True

    def see(self, change: str, raw: bytes) -> None:
        """Takes note of one observation; STATE is a line of a list."""
        try:
            obj = _DECODER.decode(raw)
        except msgspec.DecodeError:  # whoever reads the object itself reports it
            return
        uid = obj.metadata.uid
        if change == STATE and self._lost:
            self._listed[uid] = obj.metadata.namespace
        if change == DELETED:
            self._living.pop(uid, None)
        elif uid:
            self._living[uid] = obj

    def end(self) -> Iterator[bytes]:
        """A list is complete: yields, as JSON of their identity only, the objects that it no longer holds."""
        namespaces = set(self._listed.values())
        gone = [
            uid
            for uid, obj in self._living.items()
            if self._listed and uid not in self._listed and obj.metadata.namespace in namespaces
        ]
        self._lost, self._listed = False, {}
        for uid in gone:
            yield _ENCODER.encode(self._living.pop(uid))
