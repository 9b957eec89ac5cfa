"""One writer per capture: an flock that dies with its process, so that no crash leaves a capture locked."""

import fcntl
import os
import time
from pathlib import Path

from afscope.errors import CaptureError
from afscope.store import layout

_AGAIN_S = 0.02


class WriterLock:
    """Exclusive right to change the capture folder `root`. Raises CaptureError when another process has it."""

    def __init__(self, root: Path, patience_s: float = 0.0) -> None:
        """`patience_s`: how long to wait for whoever has it."""
        self._descriptor = os.open(root / layout.LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, layout.FILE_MODE)
        until = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if time.monotonic() < until:
                    time.sleep(_AGAIN_S)
                    continue
                os.close(self._descriptor)
                raise CaptureError(f"{root} is being written by another process", "stop that recorder first") from error
            return

    def fileno(self) -> int:
        """For a child that shares the lock: it is held until both have ended."""
        return self._descriptor

    def release(self) -> None:
        """Gives the right back. The file stays: removing it would let two writers lock two files of one name."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "WriterLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_being_written(root: Path) -> bool:
    """Whether a live writer holds the lock. Never creates a file, works on read-only captures."""
    try:
        descriptor = os.open(root / layout.LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
