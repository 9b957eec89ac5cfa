"""Every error a user can meet, in one tree. The exit code lives on the class.

AfscopeError (2)
├── UsageError               a flag or an argument makes no sense
├── CaptureError             a capture cannot be opened, read or written
│   ├── NotACapture          the path holds something else, or nothing
│   ├── NewerFormat          written by a newer afscope
│   ├── DamagedCapture       checksums or files do not agree
│   └── CaptureExists        the output path is taken
├── ImportFailed             a dump could not be turned into a capture
├── CannotConnect            a cluster, a database or a broker cannot be reached, or refuses
├── CannotReplay             a recording or a capture cannot be served
├── AnalyzerError            an analyzer file breaks the contract of docs/analyzers.md
├── QueryError               SQL given by the user was refused by the engine
└── GateTripped (1)          --fail-on found what it looked for
"""


class AfscopeError(Exception):
    """Base of all errors that end a command with one clear sentence.

    `what` says what went wrong and where; `hint`, if any, says what to do about it.
    """

    exit_code = 2

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} ({self.hint})" if self.hint else self.what


class UsageError(AfscopeError):
    """A flag or an argument makes no sense."""


class CaptureError(AfscopeError):
    """A capture cannot be opened, read or written."""


class NotACapture(CaptureError):  # noqa: N818  (reads better where it is caught)
    """The path holds something else, or nothing."""


class NewerFormat(CaptureError):  # noqa: N818
    """The capture was written by a newer afscope; reading it would misread it."""


class DamagedCapture(CaptureError):  # noqa: N818
    """Checksums, files and manifest do not agree."""


class CaptureExists(CaptureError):  # noqa: N818
    """The output path is taken; captures are never overwritten."""


class ImportFailed(AfscopeError):  # noqa: N818
    """A dump could not be turned into a capture."""


class CannotConnect(AfscopeError):  # noqa: N818
    """A cluster, a database or a broker cannot be reached, or refuses; `what` never holds a password."""


class CannotReplay(AfscopeError):  # noqa: N818
    """A recording or a capture cannot be served as a cluster or a database."""


class AnalyzerError(AfscopeError):
    """An analyzer file breaks its contract."""


class QueryError(AfscopeError):
    """SQL given by the user was refused by the engine."""


class GateTripped(AfscopeError):  # noqa: N818
    """A gate such as --fail-on found what it looked for."""

    exit_code = 1
