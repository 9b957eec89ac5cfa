"""The recorder as a child process: neither side takes the other with it when it dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from afscope.errors import AfscopeError, CannotConnect

_START_S = 60.0
_SEAL_S = 30.0
_LOOK_S = 0.1


class AgentProcess:
    """`afscope capture` in a session of its own, so that Ctrl-C on the terminal is the UI's alone.

    Its stdin is a pipe that nobody writes to: when this process dies, the pipe closes, and the agent goes on for a
    while and then ends whole (`--until-stdin-closes`). What it says goes to `log`. It is this very afscope that runs
    (`-P`), not one that happens to lie in the working directory.
    """

    def __init__(self, arguments: Sequence[str], log: Path, command: Sequence[str] | None = None) -> None:
        """`command` is what runs the recorder; by default this Python's afscope."""
        self.log = log
        self._stderr: IO[bytes] = log.open("wb")
        program = command or (sys.executable, "-P", "-m", "afscope", "capture", "--until-stdin-closes")
        self._process = subprocess.Popen(  # noqa: S603  (our own program)
            [*program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
            start_new_session=True,
        )  # fmt: skip

    def capture(self) -> Path:
        """The capture's path, once the recorder has connected and begun.

        Raises what the recorder ended with instead: its own sentence, as CannotConnect.
        """
        assert self._process.stdout is not None  # noqa: S101  (a pipe was asked for)
        line = self._process.stdout.readline().decode().strip()
        if not line:
            self._process.wait(_START_S)
            raise CannotConnect(self.last_words() or "the recorder ended without a word")
        return Path(line)

    def ended(self) -> str | None:
        """Why it ended; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return self.last_words() or f"exit code {code}"

    def last_words(self) -> str:
        """The last line that it said."""
        said = self.log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
        return next((line.removeprefix("error: ") for line in reversed(said) if line.strip()), "")

    def wait(self) -> None:
        """Until it has ended by itself."""
        self._process.wait()

    def stop(self) -> bool:
        """Asks it to end whole, and waits for that; False when it had to be left behind."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        until = time.monotonic() + _SEAL_S
        while self._process.poll() is None and time.monotonic() < until:
            time.sleep(_LOOK_S)
        self._close()
        return self._process.poll() is not None

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            if stream is not None:
                stream.close()


class ServeProcess:
    """`afscope serve` as a child that ends with its stdin's owner or when asked to."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self._log = log
        self._stderr: IO[bytes] = log.open("wb")
        self._process = subprocess.Popen(  # noqa: S603  (our own program)
            [sys.executable, "-P", "-m", "afscope", "serve", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def ready(self) -> str:
        """Its one line of JSON. Raises AfscopeError with its own sentence when it could not serve."""
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline().decode().strip()
        if not line:
            self._process.wait(_START_S)
            raise AfscopeError(self._log.read_text(encoding="utf-8", errors="replace").strip() or "serve ended")
        return line

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        try:
            self._process.wait(_SEAL_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._stderr.close()
