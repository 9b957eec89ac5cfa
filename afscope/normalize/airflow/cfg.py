"""airflow.cfg to rows of `airflow_config`: settings on the allow-list only, on change only."""

import configparser
import re
from collections.abc import Iterator, Mapping

from afscope.model.clock import Micros
from afscope.model.row import ADDED, DELETED, MODIFIED, STATE, Row
from afscope.normalize.redact import ENV_KEPT, Redactor

COMPONENT = "airflow.cfg"
"""The component of its rows. A setting in the environment of a container beats it, in Airflow and in the analyzers."""
_NOT_IN_NAMES = re.compile(r"[.\-]")


def kept(text: str, redactor: Redactor) -> dict[str, str]:
    """section.key to value, for what may be kept. What is no airflow.cfg has nothing.

    Lenient: lines that make no sense are skipped, of a setting that comes twice the last one counts. Values are taken
    as they stand: Airflow's own interpolation concerns none that is kept.
    """
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.ParsingError:
        pass  # it raises after having read everything else
    except configparser.Error:
        return {}
    found = {}
    for section in parser.sections():
        # configuration.py (_env_var_name): the section in capitals, dots and dashes as underscores.
        place = _NOT_IN_NAMES.sub("_", section)
        for key, value in parser.items(section):
            name = f"AIRFLOW__{place}__{key}".upper()
            if name in ENV_KEPT and isinstance(value, str):
                found[f"{place}.{key}".lower()] = redactor.env_value(name, value)
    return found


class CfgFiles:
    """What each file said last."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._said: dict[str, dict[str, str]] = {}

    def news(self, texts: Mapping[str, str], seen_at: Micros) -> Iterator[Row]:
        """Rows of what changed. `texts` are all files there are now, by scope (namespace/name of the ConfigMap)."""
        for scope in self._said.keys() | texts.keys():
            before, first = self._said.get(scope, {}), scope not in self._said
            now = kept(texts[scope], self._redactor) if scope in texts else {}
            for key in sorted(before.keys() | now.keys()):
                if before.get(key) != now.get(key):
                    gone = key not in now
                    change = DELETED if gone else STATE if first else MODIFIED if key in before else ADDED
                    yield _row(scope, key, before[key] if gone else now[key], change, seen_at)
            self._said[scope] = now
            if scope not in texts:
                del self._said[scope]


def _row(scope: str, key: str, value: str, change: str, seen_at: Micros) -> Row:
    values = {"scope": scope, "component": COMPONENT, "key": key, "value": value}
    return Row("airflow_config", {**values, "ts": seen_at, "seen_at": seen_at, "change": change})
