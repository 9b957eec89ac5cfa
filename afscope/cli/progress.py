"""The progress of a recording on stderr: one line that rewrites itself on a terminal, a line a minute elsewhere."""

import sys
import time
from typing import TYPE_CHECKING

from afscope.cli.options import duration
from afscope.cli.output import message, plain

if TYPE_CHECKING:
    from afscope.capture.agent import Summary
    from afscope.capture.recorder import Progress

_ELSEWHERE_EVERY = 60.0
_MIB = 1024 * 1024


class ProgressLine:
    """Sentences and progress, so that neither overwrites the other. Safe from several threads, as lines are."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._tty = sys.stderr.isatty()
        self._shown = False
        self._last = time.monotonic()
        self._cpu_before = 0.0

    def say(self, text: str) -> None:
        """A sentence on a line of its own."""
        self._clear()
        message(plain(text))

    def show(self, progress: "Progress") -> None:
        """How far the recording is."""
        now = time.monotonic()
        if self._quiet or (not self._tty and now - self._last < _ELSEWHERE_EVERY):
            return
        spent = (progress.cpu_s - self._cpu_before) / max(now - self._last, 0.001)
        self._last, self._cpu_before = now, progress.cpu_s
        text = (
            f"{duration(progress.elapsed_s)}  {progress.rows:,} rows  {progress.gaps} gap(s)  "
            f"cpu {spent:.0%}  {progress.resident_bytes / _MIB:.0f} MiB"
        )
        if self._tty:
            sys.stderr.write(f"\r\x1b[2K{text}")
            sys.stderr.flush()
            self._shown = True
        else:
            message(text)

    def end(self, summary: "Summary") -> None:
        """The last word."""
        self.say(
            f"ended ({summary.why}): {duration(summary.elapsed_s)}, {summary.rows:,} rows, {summary.gaps} gap(s), "
            f"{summary.bytes / _MIB:.1f} MiB on disk, {summary.cpu_s:.1f} s of CPU"
        )

    def _clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[2K")
            self._shown = False
