"""How commands speak: data on stdout, messages on stderr, hostile text made harmless, a closed pipe ignored."""

import csv
import io
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from afscope.model.clock import from_datetime, rfc3339

if TYPE_CHECKING:
    from rich.console import Console

# C0, DEL and C1 can drive a terminal, bidi controls reorder a line, lone surrogates cannot be encoded.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_WIDE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_WIDTH = 80
_MAX_WIDTH = 120


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    return {"\n": r"\n", "\t": r"\t", "\r": r"\r"}.get(char) or (
        f"\\x{ord(char):02x}" if char < "\x80" else f"\\u{ord(char):04x}"
    )


def plain(text: object) -> str:
    """Text out of a capture as one harmless line: control characters appear as escapes."""
    return _CONTROL.sub(_escape, str(text))


def emit(text: str) -> None:
    """Writes data to stdout, with a final newline. A reader that went away (`| head`) is no error."""
    _write(text if text.endswith("\n") else text + "\n")


def message(text: str) -> None:
    """Writes a message for people to stderr."""
    sys.stderr.write(text + "\n")


def flush() -> None:
    """Flushes stdout before the interpreter does, which would complain about a closed pipe."""
    _write("")


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        # The command goes on to its exit code; the rest of its output has no reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def jsonable(value: object) -> Any:
    """A value of DuckDB or of the model as JSON knows it: times become RFC 3339 UTC, durations seconds."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return rfc3339(from_datetime(value.astimezone(UTC) if value.tzinfo else value))
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return jsonable(float(value))
        case bytes():
            return value.hex()
        case dict():
            return {str(key): jsonable(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [jsonable(item) for item in value]
        case date():
            return value.isoformat()
    return str(value)


def to_json(document: object, *, indent: int | None = 2) -> str:
    """JSON as UTF-8 text; what could still drive a terminal is written as an escape, which decodes to the same."""
    text = json.dumps(jsonable(document), ensure_ascii=False, indent=indent, allow_nan=False)
    return _WIDE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def to_jsonl(documents: Iterable[object]) -> str:
    """One JSON document a line; empty for none."""
    return "".join(to_json(document, indent=None) + "\n" for document in documents)


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """RFC 4180 with a header line and LF ends; None is empty, structures are JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([plain(column) for column in columns])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, dict | list | tuple | set):
        return to_json(value, indent=None)
    ready = jsonable(value)
    return plain(ready) if isinstance(ready, str) else "" if ready is None else ready


def rendered(draw: Callable[["Console"], None]) -> str:
    """What `draw` puts on a rich console, as text: coloured on a terminal, 80 columns wide where there is none."""
    from rich.console import Console

    tty = sys.stdout.isatty()
    width = min(os.get_terminal_size().columns, _MAX_WIDTH) if tty else int(os.environ.get("COLUMNS") or _WIDTH)
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour(),
        no_color=not colour(),
        highlight=False,
        emoji=False,
        markup=False,
    )
    draw(console)
    return re.sub(r"[ \t]+$", "", out.getvalue(), flags=re.MULTILINE)


def colour() -> bool:
    """Colour only on a terminal that wants it (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
