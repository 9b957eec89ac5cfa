"""Redaction: nothing that a normalizer yields holds a secret. Every masking is counted by its rule.

Two means: structure (allow-lists of env names, trigger metadata and annotations; data of Secrets and ConfigMaps,
last-applied manifests and managedFields are dropped), and patterns for free text. Structure comes first, because a
pattern can only know what somebody has seen before. What stays and what goes, for people: docs/redaction.md.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from typing import Any, TypeVar

from afscope.normalize.allowed import (
    AIRFLOW_ANNOTATIONS,
    ANNOTATIONS_DROPPED,
    ANNOTATIONS_KEPT,
    ENV_KEPT,
    TRIGGER_KEPT,
)  # fmt: skip
from afscope.normalize.patterns import MASK, RULES, SECRET_FLAG, SECRET_KEY, SEPARATED, TOOL_FLAGS, Rule

__all__ = ["ENV_KEPT", "MASK", "TRIGGER_KEPT", "Redactor", "writes_replicas"]


class _Rules:
    """Some of the rules, and all their needles: they share many, and a text is looked at once for each."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self.needles = tuple(dict.fromkeys(needle for rule in self.rules for needle in rule.needles))


_ALL = _Rules(RULES)
_BARE = _Rules(rule for rule in RULES if rule.bare)
_SQL = _Rules(rule for rule in RULES if not rule.prose)
PLAIN_LETTERS = "0123456789abcdef-:.TZ"
"""Whatever has only these (uids, hashes, versions, times, addresses) holds no needle of any rule, and needs no look."""
_DATA = frozenset({"data", "stringData", "binaryData"})
# Objects repeat the same strings update after update; remembering the verdict is ten times faster than the patterns.
_REMEMBERED, _LONGEST = 16_384, 2_048
_KEYS = 4_096
_T = TypeVar("_T")
Maskings = tuple[tuple[str, int], ...]
"""How often which rule had to mask something."""
_Verdict = tuple[str, Maskings]
_GONE = object()


class Redactor:
    """Masks secrets and counts what it masked, by rule."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._log: list[tuple[str, int]] | None = None
        self._clean: set[str] = set()
        """Texts that were looked at and hold no secret."""
        self._known: dict[str, _Verdict] = {}
        """What became of others."""
        self._plain: set[str] = set()
        """Keys of documents that say nothing about the text below them."""

    def text(self, text: str) -> str:
        """Free text: messages, log lines, arguments."""
        if text in self._clean or not text.strip(PLAIN_LETTERS):
            return text
        clean, hits = self._known.get(text) or self._verdict(text)
        self.count(hits)
        return clean

    def is_clean(self, key: str, text: str) -> bool:
        """Whether a member of an object holds nothing to mask. True is certain; False may mean that nobody looked."""
        return key in self._plain and (text in self._clean or not text.strip(PLAIN_LETTERS))

    def _verdict(self, text: str) -> _Verdict:
        clean, hits = verdict = _scrubbed(text, _ALL)
        if len(text) <= _LONGEST:
            if len(self._clean) + len(self._known) >= _REMEMBERED:
                self._clean.clear()
                self._known.clear()
            if hits or clean != text:
                self._known[text] = verdict
            else:
                self._clean.add(text)
        return verdict

    def optional(self, text: str | None) -> str | None:
        """As `text`, None stays None."""
        return None if text is None else self.text(text)

    def query(self, sql: str) -> str:
        """A trigger's SQL. It is run again on recorded rows, so columns named host, user or database stay."""
        clean, hits = _scrubbed(sql, _SQL)
        self.count(hits)
        return clean

    def env_value(self, name: str, value: str) -> str:
        """The value of an env variable: literal where its name is on the allow-list, masked otherwise."""
        if name in ENV_KEPT:
            return self.text(value)
        return str(self._mask("env", value))

    def env(self, entries: list[Any]) -> list[Any]:
        """A container's `env`; where a value comes from (valueFrom) names a Secret and does not hold it."""
        return [self._env(entry) for entry in entries]

    def args(self, args: list[str]) -> list[str]:
        """Command lines; a secret flag may stand in one argument and its value in the next."""
        out: list[str] = []
        flags: tuple[str, ...] = ()
        masked_next = False
        for arg in args:
            if masked_next and not arg.startswith("-"):
                out.append(self._mask("secret_flag", arg))
            elif glued := next((f for f in flags if len(f) == 2 and arg.startswith(f) and len(arg) > 2), None):
                out.append(glued + self._mask("tool_password", arg))
            else:
                out.append(self.text(arg))
            flags = TOOL_FLAGS.get(arg.rpartition("/")[2], flags)
            masked_next = arg in flags or SECRET_FLAG.fullmatch(arg) is not None
        return out

    def trigger_metadata(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """A trigger's metadata by allow-list."""
        return {key: self._trigger_value(key, value) for key, value in metadata.items()}

    def annotations(self, annotations: dict[str, Any]) -> dict[str, Any]:
        """Annotations by allow-list; the keys of others stay, their values do not."""
        out: dict[str, Any] = {}
        for key, value in annotations.items():
            if key.startswith(ANNOTATIONS_DROPPED):
                self.count((("annotation", 1),))
            elif key in AIRFLOW_ANNOTATIONS or key.startswith(ANNOTATIONS_KEPT):
                out[key] = self._string(key, value) if isinstance(value, str) else value
            else:
                out[key] = self._mask("annotation", value)
        return out

    def labels(self, labels: dict[str, str | None] | None) -> dict[str, str | None] | None:
        """Labels, cleaned as members of a document: one whose key names a secret is masked. None stays None."""
        if labels is None:
            return None
        return {key: None if value is None else self._string(key, value) for key, value in labels.items()}

    def object(self, obj: dict[str, Any]) -> dict[str, Any]:
        """A whole API object, for the table `objects`."""
        if not _DATA.isdisjoint(obj):
            self.count(((f"{str(obj.get('kind')).lower()}_data", 1),))
            obj = {key: value for key, value in obj.items() if key not in _DATA}
        return self._document(obj)

    def is_whole(self, members: Collection[str]) -> bool:
        """Whether members of these names must be redacted together: one of them says what another one is."""
        return not _DATA.isdisjoint(members) or ("name" in members and "value" in members)

    def member(self, key: str, value: Any) -> dict[str, Any]:
        """One member of an object, where `is_whole` is false; empty when it is left out."""
        if type(value) is str and key not in _SPECIAL:
            return {key: self._string(key, value)}
        return self._document({key: value})

    def counted(self, clean: Callable[..., _T], *args: Any) -> tuple[_T, Maskings]:
        """What `clean` makes of these, and what was masked in that."""
        outer, self._log = self._log, []
        try:
            return clean(*args), tuple(self._log)
        finally:
            if outer is not None:
                outer += self._log
            self._log = outer

    def aside(self, clean: Callable[..., _T], *args: Any) -> tuple[_T, Maskings]:
        """As `counted`, but what was masked is not counted yet."""
        counts, log = self.counts, self._log
        self.counts, self._log = Counter(), None
        try:
            return self.counted(clean, *args)
        finally:
            self.counts, self._log = counts, log

    def count(self, maskings: Maskings) -> None:
        """Counts what was masked; for those who remember what became of something."""
        for rule, count in maskings:
            self.counts[rule] += count
        if self._log is not None:
            self._log += maskings

    def _mask(self, rule: str, value: Any) -> Any:
        """Nothing stays nothing: an empty value is a clue, and no secret."""
        if value is None or value == "":
            return value
        self.count(((rule, 1),))
        return MASK

    def _document(self, document: dict[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        plain, clean = self._plain, self._clean
        for key, value in document.items():
            kind = type(value)
            if key in plain and kind is not dict and kind is not list:  # most of all there is
                known = kind is not str or value in clean or not value.strip(PLAIN_LETTERS)
                out[key] = value if known else self.text(value)
                continue
            special = _SPECIAL.get(key)
            if special is not None:
                if (cleaned := special(self, value)) is not _GONE:
                    out[key] = cleaned
            elif type(value) is str:
                out[key] = self._string(key, value)
            elif type(value) is dict:
                out[key] = self._document(value)
            elif type(value) is list:
                out[key] = [self._item(key, item) for item in value]
            else:
                out[key] = self._number(key, value)
        if "value" in out and isinstance(out.get("name"), str) and _names_secret(out["name"]):
            out["value"] = self._mask("named_secret", out["value"])
        return out

    def _item(self, key: str, item: Any) -> Any:
        if isinstance(item, dict):
            return self._document(item)
        if isinstance(item, list):
            return [self._item(key, inner) for inner in item]
        return self._string(key, item) if isinstance(item, str) else item

    def _string(self, key: str, value: str) -> str:
        """A string under a key that names a secret is one, whatever it looks like."""
        if key not in self._plain:
            if _names_secret(key):
                return str(self._mask("named_secret", value))
            self._say_plain(key)
        return self.text(value)

    def _say_plain(self, key: str) -> None:
        if key not in _SPECIAL:
            if len(self._plain) >= _KEYS:
                self._plain.clear()
            self._plain.add(key)

    def _number(self, key: str, value: Any) -> Any:
        if isinstance(value, bool) or value is None:
            return value
        if _names_secret(key):
            return self._mask("named_secret", value)
        self._say_plain(key)
        return value

    def _trigger_value(self, key: str, value: Any) -> Any:
        if key == "query" and isinstance(value, str):
            return self.query(value)
        if key in TRIGGER_KEPT:
            return self.text(value) if isinstance(value, str) else value
        return value if key.endswith("FromEnv") else self._mask("trigger_metadata", value)

    def _env(self, entry: Any) -> Any:
        if isinstance(entry, dict) and entry.get("value") is not None:
            name = str(entry.get("name"))
            return {**entry, "name": self.text(name), "value": self.env_value(name, str(entry["value"]))}
        return self._item("", entry)

    # What follows treats the value of a key that means the same wherever it stands in an API object. A value of
    # another shape than expected is somebody's own use of the word and is walked like anything else.

    def _env_of(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: inner and self.env_value(key, str(inner)) for key, inner in value.items()}
        return self.env(value) if isinstance(value, list) else self._item("env", value)

    def _command(self, value: Any) -> Any:
        if isinstance(value, list) and all(isinstance(arg, str) for arg in value):
            return self.args(value)
        return self._item("", value)

    def _annotations_of(self, value: Any) -> Any:
        return self.annotations(value) if isinstance(value, dict) else self._item("", value)

    def _headers(self, value: Any) -> Any:
        if not isinstance(value, list):
            return self._item("", value)
        return [{k: self._mask("header", v) if k == "value" else v for k, v in header.items()}
                if isinstance(header, dict) else self._item("", header) for header in value]  # fmt: skip

    def _triggers(self, value: Any) -> Any:
        return [self._trigger(one) for one in value] if isinstance(value, list) else self._item("", value)

    def _trigger(self, trigger: Any) -> Any:
        if not isinstance(trigger, dict) or not isinstance(trigger.get("metadata"), dict):
            return self._item("", trigger)
        rest = self._document({key: value for key, value in trigger.items() if key != "metadata"})
        return {**rest, "metadata": self.trigger_metadata(trigger["metadata"])}

    def _managed(self, value: Any) -> Any:
        """Of managedFields only who wrote spec.replicas: field sets are long, and their keys are people's words."""
        owners = [entry for entry in value if writes_replicas(entry)] if isinstance(value, list) else []
        kept = ("manager", "operation", "subresource", "apiVersion", "time")
        if not owners:
            return _GONE
        return [{**{k: o[k] for k in kept if k in o}, "fieldsV1": {"f:spec": {"f:replicas": {}}}} for o in owners]


_SPECIAL = {
    "env": Redactor._env_of,
    "args": Redactor._command,
    "command": Redactor._command,
    "annotations": Redactor._annotations_of,
    "httpHeaders": Redactor._headers,
    "triggers": Redactor._triggers,
    "managedFields": Redactor._managed,
}


@lru_cache(maxsize=4096)
def _names_secret(key: str) -> bool:
    return SECRET_KEY.search(key) is not None


def _scrubbed(text: str, rules: _Rules) -> _Verdict:
    """The text without secrets, and how often which rule had to mask something."""
    if SEPARATED.search(text) is None:
        rules = _BARE
    low = text.lower()
    found = [needle for needle in rules.needles if needle in low]
    hits: Counter[str] = Counter()
    for rule in rules.rules if found else ():
        if not rule.held_by(found):
            continue
        text, count = rule.pattern.subn(rule.replacement, text)
        if count:
            hits[rule.name] += count
    return text, tuple(hits.items())


def writes_replicas(field: Any) -> bool:
    """Whether a managedFields entry owns spec.replicas."""
    fields = field.get("fieldsV1") if isinstance(field, dict) else None
    spec = fields.get("f:spec") if isinstance(fields, dict) else None
    return isinstance(spec, dict) and "f:replicas" in spec
