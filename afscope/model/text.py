"""Text out of a capture on its way to people: one printable line, whatever somebody wrote into it."""

import re

# C0, DEL and C1 drive terminals; zero-width, bidi and tag characters hide or reorder text; U+2028/9 break lines;
# lone surrogates cannot be written at all.
_HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def harmless(text: object) -> str:
    """`text` as one printable line: what could drive a terminal, hide or reorder the line appears as its escape."""
    return _HOSTILE.sub(_escape, str(text))
