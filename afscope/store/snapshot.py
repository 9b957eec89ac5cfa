"""One consistent look at a capture that may be growing: the WALs first, the manifest second (see writer.py)."""

from pathlib import Path
from typing import IO, NamedTuple

from afscope.errors import NotACapture
from afscope.model.capture import Manifest
from afscope.store import layout
from afscope.store.manifest import read_manifest, sealed_seq


class Tails:
    """Open handles of the WALs that are not yet read to their end; a handle outlives the removal of its file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[int, IO[bytes]] = {}

    def look(self, after: int) -> None:
        """Opens the WALs that exist now and come after `after`. To be called before the manifest is read."""
        for seq, path in layout.wal_files(self._root).items():
            if seq > after and seq not in self._open:
                try:
                    self._open[seq] = path.open("rb")
                except FileNotFoundError:
                    continue  # sealed since the listing: the manifest has it

    def seqs(self) -> list[int]:
        """The sequence numbers with an open handle, ascending."""
        return sorted(self._open)

    def read(self, seq: int, offset: int) -> bytes:
        """What WAL `seq` holds from byte `offset` on."""
        handle = self._open[seq]
        handle.seek(offset)
        return handle.read()

    def drop(self, seq: int) -> None:
        """Closes a handle."""
        self._open.pop(seq).close()

    def close(self) -> None:
        """Closes all handles."""
        for seq in self.seqs():
            self.drop(seq)


class Snapshot(NamedTuple):
    """A manifest and the bytes of the WALs that it has not sealed, by sequence number."""

    manifest: Manifest
    wals: dict[int, bytes]


def take(root: Path, tails: Tails) -> Snapshot:
    """Reads the WALs, then the manifest. Raises NotACapture, NewerFormat or DamagedCapture."""
    check_folder(root)
    tails.look(after=0)
    wals = {seq: tails.read(seq, 0) for seq in tails.seqs()}
    manifest = read_manifest(root)
    sealed = sealed_seq(manifest)
    for seq in [seq for seq in wals if seq <= sealed]:
        del wals[seq]
        tails.drop(seq)
    return Snapshot(manifest, wals)


def check_folder(root: Path) -> None:
    """Raises NotACapture for what cannot be one, with a hint for each case."""
    if not root.exists():
        raise NotACapture(f"{root} does not exist", "check the path; `afscope demo` shows a shipped capture")
    if root.suffix == ".zip" and root.is_file():
        raise NotACapture(f"{root} is packed, and this works on folders", "unzip it into NAME.afscope/ first")
    if not root.is_dir():
        raise NotACapture(
            f"{root} is a file", "captures are folders or .afscope.zip; dumps go through `afscope import`"
        )
    if not (root / layout.MANIFEST).exists():
        if not any(root.iterdir()):
            raise NotACapture(f"{root} is an empty folder", "nothing was recorded into it")
        if not (root / layout.SEGMENTS).is_dir() and not (root / layout.WAL).is_dir():
            raise NotACapture(f"{root} has no {layout.MANIFEST}", "a folder of dumps becomes one with `afscope import`")
