"""Segments out of a WAL, written by a child process: what Arrow takes of memory goes with it.

The child holds the writer's lock as long as it lives, so that nobody repairs a capture while it writes, and it ends as
soon as its parent does. It only writes the files: the manifest, which makes them count, is the writer's.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from afscope.model.capture import Segment
from afscope.store import layout, wal

_segments = msgspec.json.Decoder(list[Segment])
_PROGRAM = "from afscope.store.sealing import main; main()"
# A WAL of 4 MiB takes a second or two; who takes longer than this hangs.
_PATIENCE_S = 120.0
_DISK = 74  # EX_IOERR; the error's number is on stdout


class SealingChild:
    """Writes the segments of WAL `seq` while the caller goes on."""

    def __init__(self, root: Path, capture: str, seq: int, lock: int) -> None:
        """`lock`: the descriptor of the writer's lock. Raises OSError."""
        # In a session of its own, because a Ctrl-C at the terminal is the recorder's.
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and program)
            [sys.executable, "-P", "-c", _PROGRAM, str(root.absolute()), capture, str(seq)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            pass_fds=(lock,), start_new_session=True,
        )  # fmt: skip

    @property
    def done(self) -> bool:
        """Whether `result` needs no waiting."""
        return self._process.poll() is not None

    def result(self) -> list[Segment] | None:
        """Waits for the segments; None when the child was killed, broke or hangs. Raises OSError if it cannot write."""
        try:
            code = self._process.wait(_PATIENCE_S)  # what it says is short, and never fills the pipe
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        said = self._process.stdout.read() if self._process.stdout is not None else b""
        self._close()
        if code == _DISK:
            number = int(said)
            raise OSError(number, os.strerror(number))
        try:
            return _segments.decode(said) if code == 0 else None
        except msgspec.DecodeError:
            return None

    def kill(self) -> None:
        """Ends it; what it wrote counts for nothing."""
        self._process.kill()
        self._process.wait()
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def main() -> None:
    """The child: a capture's folder, its id and the number of a WAL to a list of segments as JSON."""
    root, capture, seq = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from afscope.store.segment import write_segments

    try:
        data = (root / layout.wal_name(seq)).read_bytes()
        segments = write_segments(root, capture, seq, wal.WalReader(data))
    except OSError as error:
        sys.stdout.write(str(error.errno or 5))
        sys.stdout.flush()
        os._exit(_DISK)
    sys.stdout.buffer.write(msgspec.json.encode(segments))
    sys.stdout.flush()
    os._exit(0)  # without waiting for the thread


def _end_with_parent() -> None:
    """Nothing is ever written to stdin: it ends with whoever holds the other end."""
    sys.stdin.buffer.read()
    os._exit(1)
