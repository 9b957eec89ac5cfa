"""Who is let in: everybody, whoever has the one token, or whoever has a token of a file that has not run out."""

import hmac
import time
from pathlib import Path

from afscope.model.clock import SECOND, parse_time


class Tokens:
    """Looks at Authorization headers. `token` may be changed at any time, and the file is read at each look."""

    def __init__(self, token: str = "", file: Path | None = None) -> None:
        """Lines of the file are `TOKEN` or `TOKEN EXPIRES` (RFC 3339, by this machine's clock, as credentials are)."""
        self.token = token
        self._file = file

    def admit(self, authorization: str) -> bool:
        """Whether this header opens the door. A file that is gone or holds nonsense opens it to nobody."""
        if self._file is None:
            return not self.token or _same(authorization, self.token)
        return any(_same(authorization, token) for token in self._valid(self._file))

    def _valid(self, file: Path) -> list[str]:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []
        found = [line.split() for line in lines]
        return [parts[0] for parts in found if len(parts) == 1 or (len(parts) == 2 and _good_until(parts[1]))]


def _good_until(text: str) -> bool:
    try:
        return time.time() * SECOND < parse_time(text)
    except ValueError:
        return False


def _same(authorization: str, token: str) -> bool:
    return hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())
