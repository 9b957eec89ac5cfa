"""Where Airflow itself finds the URL of its DB: env variables, commands, and files that hold it."""

import os
from collections.abc import Mapping
from pathlib import Path

from afscope.capture.airflow.login import Login, parse
from afscope.capture.given import source_of

# configuration.py (_get_environment_variables): the section of today, then the one until 2.2.
_NAMES = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN")
_SCHEMAS = ("AIRFLOW__DATABASE__SQL_ALCHEMY_SCHEMA", "AIRFLOW__CORE__SQL_ALCHEMY_SCHEMA")


def login_of(env: Mapping[str, str] = os.environ, url_file: Path | None = None) -> Login | None:
    """The login in a file that holds the URL, else the one that Airflow would use here; None when nothing says.

    Raises CannotConnect when the file or a command fails, for a secrets backend, and for what is no URL.
    """
    source = source_of(_NAMES, url_file, env, flag="--db-url-file")
    return None if source is None else parse(source(), schema_of(env))


def schema_of(env: Mapping[str, str]) -> str:
    """[database] sql_alchemy_schema, where it is set."""
    return next((env[name] for name in _SCHEMAS if env.get(name)), "")
