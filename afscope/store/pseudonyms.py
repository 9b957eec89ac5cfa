"""Pseudonyms: which words of a capture are names, and what stands in their place.

Names are learned from the columns and the members of objects that hold names, then replaced wherever they occur, in
texts as well. A name is a sequence of words; between them any punctuation may stand, because Airflow makes `etl-orders`
of `etl_orders` for a pod. Names that are made of the field's own words only (`airflow-worker`, `default`) stay: they
tell nothing, and texts that analyzers read are made of them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

_WORD = re.compile(r"[^\W_]+")
_LETTER = re.compile(r"[^\W\d_]")
# What controllers append: kube-apiserver's alphabet of generated names, ordinals, the time in the name of an event.
_SUFFIX = r"(?:-[bcdfghjklmnpqrstvwxz2456789]{5,10}){0,2}(?:-\d+)?(?:\.[0-9a-f]{14,16})?"
_IPV4 = re.compile(r"(?<![\d.])(?!127\.|0\.0\.0\.0)(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HOST = re.compile(
    r"(?<![\w.@-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:local|internal|com|net|org|io|dev|cloud|corp|lan|cn|de|eu|co|app)"
    r"(?![\w-]|\.[a-z])",
    re.I,
)
_PUBLIC = re.compile(
    r"(?:^|\.)(?:k8s\.io|kubernetes\.io|keda\.sh|apache\.org|helm\.sh|argoproj\.io|fluxcd\.io|docker\.io|quay\.io|gcr\.io"
    r"|ghcr\.io|docker\.com|github\.com|cluster\.local|svc\.local|prometheus\.io|openshift\.io|nvidia\.com|example)$",
    re.I,
)
# Airflow's names have underscores, those of Kubernetes dashes; a pseudonym looks like what it stands for.
_UNDERSCORED = frozenset({"dag", "task", "run", "pool", "queue", "env"})
LEAST_LETTERS = 3
# Captures repeat the same texts; what was found in one is remembered.
_REMEMBERED, _LONGEST = 200_000, 4096


@lru_cache(maxsize=1)
def ordinary_words() -> frozenset[str]:
    """The words of the field that are no names: of our tables, of messages of Airflow, KEDA and Kubernetes."""
    return frozenset((resources.files("afscope.store") / "ordinary_words.txt").read_text(encoding="utf-8").split())


class Pseudonyms:
    """Learns names first (`learn`), numbers them (`number`), then replaces them (`text`, `value`).

    Numbers follow the order of the names: what happens at one instant is told apart by name, and stays so.
    """

    def __init__(self, ordinary: Iterable[str] = ()) -> None:
        self._ordinary = ordinary_words() | {word.lower() for word in ordinary}
        self._kinds: dict[str, str] = {}
        self._names: dict[str, _Pseudonym] = {}
        self._loose: dict[tuple[str, ...], _Pseudonym] = {}
        self._lengths: dict[str, set[int]] = {}
        self._numbers: Counter[str] = Counter()
        self._found: dict[tuple[str, str], str] = {}
        self._done: dict[str, tuple[str, Counter[str]]] = {}
        self._hits: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """Replacements by kind."""
        self.kept: set[str] = set()
        """Names that stay, because they are ordinary words."""

    @property
    def names(self) -> Mapping[str, str]:
        """What was learned: name to pseudonym."""
        return {name: _shown(*which) for name, which in self._names.items()}

    def learn(self, kind: str, name: Any) -> None:
        """Takes note that `name` names a thing of this kind; nothing, numbers and ordinary words are no names."""
        if not isinstance(name, str) or name in self._kinds or name in self.kept:
            return
        words = _words(name)
        plain = all(word in self._ordinary or not _LETTER.search(word) for word in words)
        if plain or sum(map(len, words)) < LEAST_LETTERS:
            self.kept.update([name] if words else [])
        else:
            self._kinds[name] = kind

    def number(self) -> None:
        """Ends the learning: every name gets its pseudonym."""
        by_kind: dict[str, list[str]] = {}
        for name in sorted(self._kinds):
            by_kind.setdefault(self._kinds[name], []).append(name)
        for kind, names in by_kind.items():
            width = len(str(len(names)))
            self._numbers[kind] = len(names)
            for number, name in enumerate(names, 1):
                which = self._names[name] = (kind, f"{number:0{width}}")
                words = _words(name)
                self._loose.setdefault(words, which)
                self._lengths.setdefault(words[0], set()).add(len(words))

    def learn_made(self, kind: str, name: Any) -> None:
        """As `learn`, for names that controllers make of others: they only need to be known if they are not."""
        if isinstance(name, str) and not self._is_made(name):
            self.learn(kind, name)

    def _is_made(self, name: str) -> bool:
        base = name.removeprefix("keda-hpa-")
        words = list(_WORD.finditer(base))
        for count in range(len(words), 0, -1):
            stem = base[: words[count - 1].end()]
            if (stem in self._kinds or stem in self.kept) and re.fullmatch(_SUFFIX, base[len(stem) :]):
                return True
        return False

    def value(self, value: Any) -> Any:
        """Any JSON value with all its texts and keys replaced."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        return value

    def text(self, text: str) -> str:
        """A text with names, addresses, hosts and mail addresses replaced."""
        known = self._done.get(text)
        if known is None:
            self._hits = Counter()
            known = self._replaced(text), self._hits
            if len(self._done) < _REMEMBERED and len(text) < _LONGEST:
                self._done[text] = known
        done, hits = known
        self.counts.update(hits)
        return done

    def _replaced(self, text: str) -> str:
        if text in self._names:
            return self._counted(self._names[text])
        text = _MAIL.sub(lambda m: self._pattern("user", m.group(), "user-{}@mail.example"), text)
        text = self._in_words(text)
        text = _HOST.sub(self._host, text)
        return _IPV4.sub(self._address, text)

    def _in_words(self, text: str) -> str:
        words = list(_WORD.finditer(text))
        out: list[str] = []
        done = place = 0
        while place < len(words):
            hit = self._at(words, place, text)
            if hit is None:
                place += 1
                continue
            count, which = hit
            first, last = words[place], words[place + count - 1]
            between = text[first.end() : words[place + 1].start()] if count > 1 else ""
            out += [text[done : first.start()], self._counted(which, between if between in ("-", "_", ".") else "")]
            done, place = last.end(), place + count
        return "".join([*out, text[done:]])

    def _at(self, words: list[re.Match[str]], place: int, text: str) -> "tuple[int, _Pseudonym] | None":
        """The longest name that begins at a word: its number of words, and which it is."""
        for count in sorted(self._lengths.get(words[place].group().lower(), ()), reverse=True):
            if place + count > len(words):
                continue
            span = text[words[place].start() : words[place + count - 1].end()]
            if span in self._names:
                return count, self._names[span]
            key = tuple(word.group().lower() for word in words[place : place + count])
            if key in self._loose:
                return count, self._loose[key]
        return None

    def _counted(self, which: "_Pseudonym", between: str = "") -> str:
        self._hits[which[0]] += 1
        return _shown(*which, between)

    def _host(self, match: re.Match[str]) -> str:
        if _PUBLIC.search(match.group()) or re.fullmatch(r"[a-z]+[-_.]\d+\.example", match.group()):
            return match.group()
        return self._pattern("host", match.group().lower(), "host-{}.example")

    def _address(self, match: re.Match[str]) -> str:
        """Addresses of the range that RFC 2544 keeps for tests."""
        self._hits["ip"] += 1
        known = self._found.get(("ip", match.group()))
        if known is None:
            self._numbers["ip"] += 1
            number = self._numbers["ip"] % 0x1FFFF
            known = self._found["ip", match.group()] = f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        return known

    def _pattern(self, kind: str, found: str, form: str) -> str:
        self._hits[kind] += 1
        if (kind, found) not in self._found:
            self._numbers[kind] += 1
            self._found[kind, found] = form.format(self._numbers[kind])
        return self._found[kind, found]


class Leaks:
    """Looks for names in what is left, in another way than they were replaced: words only, whatever is between them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, str] = {}
        self._longest = 1
        for name in names:
            words = _words(name)
            self._names[" ".join(words)] = name
            self._longest = max(self._longest, len(words))
        self._first = {key.split(" ", 1)[0] for key in self._names}
        self.texts = 0
        self._clean: set[str] = set()

    def find(self, text: str) -> str | None:
        """A name that the text still holds."""
        self.texts += 1
        if text in self._clean:
            return None
        words = _words(text)
        for place, word in enumerate(words):
            if word in self._first:
                for end in range(place + 1, min(place + self._longest, len(words)) + 1):
                    known = self._names.get(" ".join(words[place:end]))
                    if known is not None:
                        return known
        if len(self._clean) < _REMEMBERED and len(text) < _LONGEST:
            self._clean.add(text)
        return None


_Pseudonym = tuple[str, str]
"""Kind and number."""


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name))


def _shown(kind: str, number: str, between: str = "") -> str:
    return f"{kind}{between or ('_' if kind in _UNDERSCORED else '-')}{number}"
