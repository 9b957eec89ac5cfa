"""afscope manifest: what a user pipes into kubectl."""

import pytest
import yaml

from tests.cli.conftest import Run


def test_it_is_yaml_and_says_that_there_is_no_image(run: Run) -> None:
    code, out, err = run("manifest", "-n", "airflow", "-n", "keda")
    assert code == 0
    kinds = [document["kind"] for document in yaml.safe_load_all(out)]
    assert kinds[0] == "ServiceAccount"
    assert kinds[-1] == "StatefulSet"
    assert kinds.count("Role") == 3
    assert "no image is published" in err
    assert run("manifest", "--image", "x/y:1")[2] == ""


def test_the_secrets_namespace_is_the_first_or_the_named_one(run: Run) -> None:
    def home(*arguments: str) -> str:
        first = next(yaml.safe_load_all(run("manifest", *arguments)[1]))
        return str(first["metadata"]["namespace"])

    assert home() == "airflow"
    assert home("-n", "etl", "-n", "keda") == "etl"
    assert home("-n", "etl", "--home", "ops") == "ops"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--db-secret", "meta"), "NAME:KEY"),
        (("--db-via", "postgres"), "svc/"),
        (("--retain", ""), "without a bound"),
        (("--max-bytes", "many"), "no size"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(run: Run, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = run("manifest", *arguments)
    assert (code, out) == (2, "")
    assert words in err
