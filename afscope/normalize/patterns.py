"""Patterns of secrets in free text: messages, command lines, log lines.

Repetitions in front of what decides are bounded, so that no text takes longer than its length deserves.

They mask the secret and leave the sentence: error classes, SQLSTATEs, ports and names of Kubernetes objects stay,
because causes are told apart by them.
"""

import re
from typing import NamedTuple

MASK = "***"

NAMES = (
    r"pass(?:word|wd|phrase|code)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|account[_-]?key"
    r"|encryption[_-]?key|signing[_-]?key|shared[_-]?key|credentials?|fernet[_-]?key|client[_-]?secret|jwt[_-]?secret"
    r"|(?<![a-z])sig(?:nature)?|authorization|cookie|session[_-]?id|connection[_-]?string|dockerconfigjson"
    r"|webhook[_-]?url|(?<![a-z])dsn"
)
"""What people call a secret, as a part of a regex."""
_WORDS = (
    "pass", "pwd", "secret", "token", "key", "credential", "sig", "authorization", "cookie", "session", "connection",
    "dockerconfig", "webhook", "dsn",
)  # fmt: skip
# What an earlier rule masked is not masked, and counted, again.
_NEW = r"(?!\*\*\*)"
_VALUE = r"\"(?:[^\"\\]|\\.){0,4096}\"|'[^']{0,4096}'"
# "Invalid auth token: Signature has expired" and "failed to fetch oauth token: unexpected status: 401" tell causes
# apart and hold no secret; nor does MySQL's "(using password: YES)".
_PROSE = (
    r"(?:signature|token|invalid|expired|is|has|not|no|yes|unexpected|failed|unable|error|cannot|could|can't|must"
    r"|missing|required|denied|unauthorized|forbidden|rpc|dial|context|x509|tls|unknown|the)(?=[.,;:)]*(?:\s|$))"
)

SECRET_KEY = re.compile(rf"(?:{NAMES})s?$", re.IGNORECASE)
"""A key of a document that names a secret."""
SECRET_FLAG = re.compile(rf"--?[\w\-]{{0,64}}(?:{NAMES})[\w\-]{{0,64}}", re.IGNORECASE)
"""A flag of a command line that takes a secret."""
TOOL_FLAGS = {"redis-cli": ("-a",), "curl": ("-u", "--user", "-H", "--header"), "wget": ("--header",),
              "sshpass": ("-p",), "mysql": ("-p",), "rabbitmqadmin": ("-p",), "amqp-publish": ("-u",)}  # fmt: skip
"""Programs whose secrets stand behind a flag that says nothing."""


class Rule(NamedTuple):
    """A pattern, and lower-case needles of which a text must hold one: a cheap look before the regex."""

    name: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str
    prose: bool = False
    """Fits sentences only: it would take columns and comments of SQL for secrets."""
    bare: bool = False
    """Finds secrets in single words; all other rules need an `=`, `:`, `@` or space to find any."""

    def held_by(self, needles: list[str]) -> bool:
        """Whether one of its needles is among these."""
        return any([needle in needles for needle in self.needles])  # noqa: C419  (a list is faster here)


RULES = (
    Rule(
        "pem", ("-----begin",), re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.S), MASK
    ),
    # An image's digest follows an @ as well.
    Rule(
        "url_userinfo",
        ("://",),
        re.compile(rf"([A-Za-z][A-Za-z0-9+.\-]{{0,31}}://){_NEW}[^\s'\"`<>]{{0,2048}}@(?!sha\d+:)"),
        rf"\1{MASK}@",
    ),
    Rule("mysql_dsn", ("@",), re.compile(r"[^\s:@/'\"`]{1,64}:[^\s'\"`]{1,256}@(tcp|unix)?\("), rf"{MASK}@\1("),
    Rule(
        "jwt",
        ("eyj",),
        re.compile(r"eyJ[A-Za-z0-9_\-]{6,4096}\.[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]*)?"),
        MASK,
        bare=True,
    ),
    Rule(
        "auth_header",
        ("bearer", "basic ", "digest "),
        re.compile(r"\b(bearer|basic|digest)\s+[A-Za-z0-9+/_.~=\-]{6,}", re.I),
        rf"\1 {MASK}",
    ),
    Rule(
        "known_token",
        (
            "akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "aiza", "k_live_",
            "k_test_", "npm_", "pypi-", "hvs.", "hvb.", "dop_v1_", "sg.", "ya29.", "sk-", "dckr_pat_", "dapi",
            "hooks.slack.com",
        ),
        re.compile(
            r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{12,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w\-]{12,}"
            r"|xox[abeprs]-[\w\-]{8,}|AIza[\w\-]{20,}|[sr]k_(?:live|test)_\w{8,}|npm_\w{16,}|pypi-[\w\-]{16,}"
            r"|hv[sb]\.[\w\-]{16,}|dop_v1_\w{16,}|SG\.[\w\-]{8,}\.[\w\-]{8,}|ya29\.[\w\-]{10,}|sk-[\w\-]{20,}"
            r"|dckr_pat_[\w\-]{16,}|dapi[0-9a-f]{32}|hooks\.slack\.com/\S+)"
        ),
        MASK,
        bare=True,
    ),
    Rule(
        "airflow_connection",
        ("airflow_conn_", "airflow_var_"),
        re.compile(rf"(AIRFLOW_(?:CONN|VAR)_\w+[\"']?\s*[=:]\s*){_NEW}({_VALUE}|\S+)"),
        rf"\1{MASK}",
    ),
    # pgx: failed to connect to `user=… database=…`: 10.0.0.3:5432 (db.internal): dial error: …
    Rule(
        "pgx_address",
        ("failed to connect to",),
        re.compile(r"(?<=\s)(?:\[[0-9a-fA-F:]+\]|[0-9.]+):\d{1,5} \([^()\s]+\)(?=: )"),
        f"{MASK} ({MASK})",
    ),
    Rule("pgx_address", ("failed to connect to `",), re.compile(r"(?<=dial tcp )[^\s:]\S*:\d+(?=: )"), MASK),
    Rule(
        "pgx_address",
        ("hostname resolving error",),
        re.compile(rf"(hostname resolving error:? \(?(?:lookup )?){_NEW}(?!lookup )[^\s:]+"),
        rf"\1{MASK}",
    ),
    Rule(
        "connection_field",
        ("user", "uid", "database", "dbname", "db_name", "host", "server", "pass", "pwd"),
        re.compile(
            r"\b(user(?:name)?|uid|database|db_?name|host(?:addr)?|server|password|passwd|pwd|passfile)"
            rf"(\s*=\s*){_NEW}({_VALUE}|[^\s,;`&)\"']+)",
            re.I,
        ),
        rf"\1\2{MASK}",
        prose=True,
    ),
    Rule(
        "denied_user",
        ("for user ", "role "),
        re.compile(
            rf"(authentication failed for user |Access denied for user |\brole (?={_VALUE} (?:does|is)\b))"
            rf"({_VALUE})(@'[^']*')?"
        ),
        rf"\1{MASK}",
        prose=True,
    ),
    Rule(
        "named_secret",
        _WORDS,
        re.compile(rf"((?:{NAMES})[\w.\-]{{0,64}}[\"']?\s*(?:(?::=|=>|=)\s*|:(?!\s+{_PROSE})\s*))"
            rf"{_NEW}({_VALUE}|[^\s,;}}&)\"']+)", re.I),
        rf"\1{MASK}",
    ),
    Rule(
        "secret_flag",
        _WORDS,
        re.compile(rf"((?<![\w\-])--?[\w\-]{{0,64}}(?:{NAMES})[\w\-]{{0,64}}\s+){_NEW}({_VALUE}|[^\s\-][^\s]*)", re.I),
        rf"\1{MASK}",
        prose=True,
    ),
    Rule(
        "tool_password",
        ("redis-cli", "curl", "sshpass", "mysql", "mariadb", "rabbitmqadmin"),
        re.compile(
            r"(\b(?:redis-cli\b[^|;&\n]{0,256}?\s-a|curl\b[^|;&\n]{0,256}?\s(?:-u|--user)|sshpass\s+-p|rabbitmqadmin\b[^|;&\n]{0,256}?\s-p)"
            rf"\s*|\b(?:mysql\w*|mariadb[\w\-]*)\b[^|;&\n]{{0,256}}?\s-p)(?!ort\b|\s){_NEW}({_VALUE}|\S+)"
        ),
        rf"\1{MASK}",
        prose=True,
    ),
)  # fmt: skip
"""In the order in which they are applied."""
SEPARATED = re.compile(r"[=:@\s]")
"""What a text must hold for the rules that are not bare."""
