"""The writer's end of one WAL file."""

import os
from pathlib import Path

from afscope.store import layout, wal


class WalFile:
    """A new WAL, its header synced. Every method raises OSError."""

    def __init__(self, root: Path, seq: int) -> None:
        self.seq = seq
        self.path = root / layout.wal_name(seq)
        self.size = wal.HEADER_SIZE
        self.path.unlink(missing_ok=True)  # left by a seal that failed before its commit; nobody wrote rows to it
        self._descriptor = layout.open_new(self.path, os.O_APPEND)
        layout.write_all(self._descriptor, wal.header(seq))
        os.fsync(self._descriptor)
        layout.sync_folder(self.path.parent)

    @property
    def is_empty(self) -> bool:
        """Whether no frame was written."""
        return self.size == wal.HEADER_SIZE

    def write(self, frames: bytes) -> None:
        """Adds whole frames, or nothing: half a frame on a full disk would hide all that follows it."""
        try:
            layout.write_all(self._descriptor, frames)
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(frames)

    def sync(self) -> None:
        """Waits until all of it is on the disk."""
        os.fsync(self._descriptor)

    def read(self) -> wal.WalReader:
        """What is in it, as any reader sees it."""
        return wal.WalReader(self.path.read_bytes())

    def remove(self) -> None:
        """Removes the file; readers that have it open keep it."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Closes the descriptor; the second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
