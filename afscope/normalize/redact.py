"""Redaction: nothing that a normalizer yields holds a secret. Every masking is counted by its rule.

Two means: structure (allow-lists of env names and trigger metadata; data of Secrets and ConfigMaps, last-applied
annotations and managedFields are dropped), and patterns for free text. Structure comes first, because a pattern can
only know what it has seen before.
"""

import re
from collections import Counter
from typing import Any, NamedTuple

MASK = "***"

ENV_KEPT = frozenset(
    {
        "AIRFLOW__CELERY__WORKER_CONCURRENCY", "AIRFLOW__CELERY__WORKER_AUTOSCALE", "AIRFLOW__CELERY__TASK_ACKS_LATE",
        "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER", "AIRFLOW__CELERY__SYNC_PARALLELISM",
        "AIRFLOW__CELERY__OPERATION_TIMEOUT", "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT",
        "AIRFLOW__CORE__PARALLELISM", "AIRFLOW__CORE__EXECUTOR", "AIRFLOW__CORE__DAG_CONCURRENCY",
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG", "AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG",
        "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT", "AIRFLOW__CORE__DEFAULT_TASK_EXECUTION_TIMEOUT",
        "AIRFLOW__OPERATORS__DEFAULT_QUEUE", "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE",
        "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY", "AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC", "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT", "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL", "AIRFLOW__SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION",
        "AIRFLOW__TRIGGERER__DEFAULT_CAPACITY", "AIRFLOW__TRIGGERER__CAPACITY",
        "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME", "AIRFLOW__LOGGING__LOGGING_LEVEL",
        "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_PODS_PENDING_TIMEOUT", "DUMB_INIT_SETSID", "REMAP_SIGTERM",
        "KEDA_HTTP_DEFAULT_TIMEOUT", "KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES",
    }
)  # fmt: skip
"""Names of env variables whose literal value stays."""

TRIGGER_KEPT = frozenset(
    {
        "query", "targetQueryValue", "activationTargetQueryValue", "queryValue", "activationQueryValue", "targetValue",
        "activationTargetValue", "value", "activationValue", "queueName", "listName", "listLength",
        "activationListLength", "queueLength", "mode", "databaseIndex", "metricName", "timezone", "start", "end",
        "desiredReplicas", "threshold", "activationThreshold", "excludeUnacknowledged", "useRegex", "operation",
        "enableTLS", "tls", "unsafeSsl", "metricType", "sslmode", "timeout",
    }
)  # fmt: skip
"""Keys of a trigger's metadata whose value stays; keys that end in FromEnv name a variable and stay as well."""

_DROPPED_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration", "checksum/")

_SECRET_WORDS = ("pass", "pwd", "secret", "token", "key", "credential", "sig", "authorization", "cookie", "session")
_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|account[_-]?key|credentials?"
    r"|fernet[_-]?key|client[_-]?secret|jwt[_-]?secret|(?<![a-z])sig(?:nature)?|authorization|cookie|session[_-]?id"
)
_VALUE = r"\"[^\"]*\"|'[^']*'"


_SECRET_KEY = re.compile(rf"(?:{_NAMES})$", re.I)
_SECRET_FLAG = re.compile(rf"--?[\w\-]*(?:{_NAMES})[\w\-]*", re.I)
# "Invalid auth token: Signature has expired" is the proof of a cause, not a secret.
_PROSE = r"(?!(?:signature|token|invalid|expired|is|has|not)\b)"


class _Rule(NamedTuple):
    """A pattern, and lower-case needles of which a text must hold one: a cheap look before the regex."""

    name: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str


_RULES = (
    _Rule(
        "pem", ("-----begin",), re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.S), MASK
    ),
    _Rule("url_userinfo", ("://",), re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)[^\s'\"`<>]*@"), rf"\1{MASK}@"),
    _Rule("mysql_dsn", ("@",), re.compile(r"[^\s:@/'\"`]+:[^\s'\"`]+@(tcp|unix)?\("), rf"{MASK}@\1("),
    _Rule("jwt", ("eyj",), re.compile(r"eyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]*)?"), MASK),
    _Rule(
        "auth_header",
        ("bearer", "basic ", "digest "),
        re.compile(r"\b(bearer|basic|digest)\s+[A-Za-z0-9+/_.~=\-]{6,}", re.I),
        rf"\1 {MASK}",
    ),
    _Rule(
        "known_token",
        (
            "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "aiza", "k_live_",
            "k_test_", "npm_", "pypi-", "hvs.", "hvb.", "dop_v1_", "sg.", "ya29.",
        ),
        re.compile(
            r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{12,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w\-]{12,}"
            r"|xox[abeprs]-[\w\-]{8,}|AIza[\w\-]{20,}|[sr]k_(?:live|test)_\w{8,}|npm_\w{16,}|pypi-[\w\-]{16,}"
            r"|hv[sb]\.[\w\-]{16,}|dop_v1_\w{16,}|SG\.[\w\-]{8,}\.[\w\-]{8,}|ya29\.[\w\-]{10,})"
        ),
        MASK,
    ),
    _Rule(
        "connection_field",
        ("user", "uid", "database", "dbname", "db_name", "host", "server", "pass", "pwd"),
        re.compile(
            r"\b(user(?:name)?|uid|database|db_?name|host(?:addr)?|server|password|passwd|pwd|passfile)"
            rf"(\s*=\s*)({_VALUE}|[^\s,;`&)\"']+)",
            re.I,
        ),
        rf"\1\2{MASK}",
    ),
    _Rule(
        "denied_user",
        ("for user ", "role "),
        re.compile(rf"(authentication failed for user |Access denied for user |role )({_VALUE})(@'[^']*')?"),
        rf"\1{MASK}",
    ),
    _Rule(
        "named_secret",
        _SECRET_WORDS,
        re.compile(rf"((?:{_NAMES})[\w.\-]*[\"']?\s*(?::=|=>|[:=])\s*){_PROSE}({_VALUE}|[^\s,;}}&)\"']+)", re.I),
        rf"\1{MASK}",
    ),
    _Rule(
        "secret_flag",
        _SECRET_WORDS,
        re.compile(rf"(--?[\w\-]*(?:{_NAMES})[\w\-]*\s+)({_VALUE}|[^\s\-][^\s]*)", re.I),
        rf"\1{MASK}",
    ),
)  # fmt: skip


class Redactor:
    """Masks secrets and counts what it masked, by rule."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def text(self, text: str) -> str:
        """Free text: messages, log lines, arguments, queries."""
        low = text.lower()
        for rule in _RULES:
            if any(needle in low for needle in rule.needles):
                text, hits = rule.pattern.subn(rule.replacement, text)
                if hits:
                    self.counts[rule.name] += hits
        return text

    def optional(self, text: str | None) -> str | None:
        """As `text`, None stays None."""
        return None if text is None else self.text(text)

    def env_value(self, name: str, value: str) -> str:
        """The value of an env variable: literal where its name is on the allow-list, masked otherwise."""
        if name in ENV_KEPT:
            return value
        if value:
            self.counts["env"] += 1
        return MASK if value else value

    def args(self, args: list[str]) -> list[str]:
        """Command lines; a secret flag may stand in one argument and its value in the next."""
        out: list[str] = []
        masked_next = False
        for arg in args:
            if masked_next and not arg.startswith("-"):
                self.counts["secret_flag"] += 1
                out.append(MASK)
            else:
                out.append(self.text(arg))
            masked_next = _SECRET_FLAG.fullmatch(arg) is not None
        return out

    def trigger_metadata(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """A trigger's metadata by allow-list."""
        return {key: self._trigger_value(key, value) for key, value in metadata.items()}

    def _trigger_value(self, key: str, value: Any) -> Any:
        if key in TRIGGER_KEPT:
            return self.text(value) if isinstance(value, str) else value
        if key.endswith("FromEnv"):
            return value
        self.counts["trigger_metadata"] += 1
        return MASK

    def object(self, obj: dict[str, Any]) -> dict[str, Any]:
        """A whole API object, for the table `objects`."""
        kind = obj.get("kind")
        out = {key: value for key, value in obj.items() if key not in ("data", "stringData", "binaryData")}
        if len(out) != len(obj):
            self.counts[f"{str(kind).lower()}_data"] += 1
        redacted: dict[str, Any] = self._value(out, "")
        if isinstance(redacted.get("metadata"), dict):
            redacted["metadata"] = self._metadata(redacted["metadata"])
        return redacted

    def _metadata(self, metadata: dict[str, Any]) -> dict[str, Any]:
        out = dict(metadata)
        if isinstance(out.get("managedFields"), list):
            out["managedFields"] = [f for f in out["managedFields"] if writes_replicas(f)]
            if not out["managedFields"]:
                del out["managedFields"]
        annotations = out.get("annotations")
        if isinstance(annotations, dict):
            kept = {k: v for k, v in annotations.items() if not k.startswith(_DROPPED_ANNOTATIONS)}
            self.counts["annotation"] += len(annotations) - len(kept)
            out["annotations"] = kept
        return out

    def _value(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return self._list(value, key)
        if isinstance(value, dict):
            return {k: self._child(k, v) for k, v in value.items()}
        return value

    def _child(self, key: str, value: Any) -> Any:
        if key == "triggers" and isinstance(value, list):
            return [self._trigger(trigger) for trigger in value]
        if key == "annotations" and isinstance(value, dict):
            return {k: v if k.startswith(_DROPPED_ANNOTATIONS) else self._secretly(k, v) for k, v in value.items()}
        if isinstance(value, str):
            return self._secretly(key, value)
        return self._value(value, key)

    def _secretly(self, key: str, value: Any) -> Any:
        """A string under a key that names a secret is one, whatever it looks like; names of Secrets are not."""
        if isinstance(value, str) and value and _SECRET_KEY.search(key):
            self.counts["named_secret"] += 1
            return MASK
        return self.text(value) if isinstance(value, str) else self._value(value, key)

    def _trigger(self, trigger: Any) -> Any:
        if not isinstance(trigger, dict) or not isinstance(trigger.get("metadata"), dict):
            return self._value(trigger, "")
        rest = {k: self._value(v, k) for k, v in trigger.items() if k != "metadata"}
        return {**rest, "metadata": self.trigger_metadata(trigger["metadata"])}

    def _list(self, value: list[Any], key: str) -> list[Any]:
        if key == "env":
            return [self._env(item) for item in value]
        if key in ("args", "command"):
            return self.args([str(item) for item in value])
        return [self._value(item, "") for item in value]

    def _env(self, item: Any) -> Any:
        if isinstance(item, dict) and isinstance(item.get("value"), str):
            return {**item, "value": self.env_value(str(item.get("name")), item["value"])}
        return self._value(item, "")


def writes_replicas(field: Any) -> bool:
    """Whether a managedFields entry owns spec.replicas."""
    spec = field.get("fieldsV1", {}).get("f:spec", {}) if isinstance(field, dict) else {}
    return isinstance(spec, dict) and "f:replicas" in spec
