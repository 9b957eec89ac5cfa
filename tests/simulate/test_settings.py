"""Settings of variants: names and texts, sweeps, files that people already have."""

from pathlib import Path

import pytest

from afscope.errors import UsageError
from afscope.simulate.files import settings_from
from afscope.simulate.settings import SETTINGS, expand, parse


def test_every_setting_explains_itself_in_both_languages() -> None:
    for setting in SETTINGS.values():
        assert setting.text("en").endswith(".")
        assert setting.text("zh").endswith("。")
        assert setting.text("en") != setting.text("zh")
        assert setting.default


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"maxReplicaCount": "20"}, 20),
        ({"pod_start_s": "12.5"}, 12.5),
        ({"behavior": "none"}, None),
        ({"behavior": '{"scaleDown": {"stabilizationWindowSeconds": 0}}'}, {"scaleDown": {"stabilizationWindowSeconds": 0}}),
        ({"pool.default_pool": "3"}, 3),
        ({"scaleUp.selectPolicy": "Disabled"}, "Disabled"),
        ({"scaleUp.policies": '[{"type": "Pods", "value": 1, "periodSeconds": 60}]'},
         [{"type": "Pods", "value": 1, "periodSeconds": 60}]),
    ],
)  # fmt: skip
def test_texts_become_values(given: dict[str, str], value: object) -> None:
    assert list(parse(given).values()) == [value]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"maxreplicacount": "5"}, "did you mean maxReplicaCount"),
        ({"colour": "red"}, "it takes: maxReplicaCount"),
        ({"maxReplicaCount": "0"}, "from 1"),
        ({"maxReplicaCount": "-3"}, "from 1"),
        ({"maxReplicaCount": "many"}, "whole number"),
        ({"pollingInterval": "1.5"}, "whole number"),
        ({"tolerance": "nan"}, "from 0 to 1"),
        ({"behavior": "{"}, "JSON of spec.behavior"),
        ({"behavior": "[]"}, "JSON of spec.behavior"),
        (
            {"behavior": '{"scaleUp": {"policies": [{"type": "Cows", "value": 1, "periodSeconds": 1}]}}'},
            "spec.behavior",
        ),
        ({"scaleDown.policies": "4"}, "JSON list"),
        ({"sigterm": "maybe"}, "one of drain, kill"),
        ({"query": " "}, "SELECT"),
        ({"pool.": "3"}, "no setting 'pool.'"),
        ({"pool.NAME": "3"}, "no setting"),
        ({"minReplicaCount": "6", "maxReplicaCount": "5"}, "above maxReplicaCount"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(given: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(given)
    assert said in str(error.value)


def test_all_sets_make_one_variant() -> None:
    assert expand(["maxReplicaCount=5", "pollingInterval=2"]) == [{"maxReplicaCount": "5", "pollingInterval": "2"}]
    assert expand() == []


def test_a_query_may_hold_equal_signs() -> None:
    query = "SELECT COUNT(*) FROM task_instance WHERE state = 'queued'"
    assert expand([f"query={query}"]) == [{"query": query}]


def test_variants_stand_side_by_side_on_top_of_the_sets() -> None:
    found = expand(["pollingInterval=2"], ["maxReplicaCount=5", "maxReplicaCount=9; minReplicaCount=1"])
    assert found == [
        {"pollingInterval": "2"},
        {"pollingInterval": "2", "maxReplicaCount": "5"},
        {"pollingInterval": "2", "maxReplicaCount": "9", "minReplicaCount": "1"},
    ]


def test_sweeps_multiply() -> None:
    swept = expand(["cooldownPeriod=60"], sweeps=["maxReplicaCount=5,10", "worker_concurrency=4, 8"])
    assert [(v["maxReplicaCount"], v["worker_concurrency"]) for v in swept] == [
        ("5", "4"), ("5", "8"), ("10", "4"), ("10", "8"),
    ]  # fmt: skip
    assert all(v["cooldownPeriod"] == "60" for v in swept)


@pytest.mark.parametrize(
    ("sets", "sweeps", "said"),
    [
        (["maxReplicaCount"], [], "write name=value"),
        (["maxReplicaCount=1", "maxReplicaCount=2"], [], "set twice"),
        ([], ["maxReplicaCount="], "no values"),
        ([], ["maxReplicaCount"], "no values"),
        ([], [f"maxReplicaCount={','.join(map(str, range(1, 300)))}"], "too many"),
        ([], ["maxReplicaCount=5,x"], "whole number"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(sets: list[str], sweeps: list[str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        expand(sets, (), sweeps)
    assert said in str(error.value)


SCALED_OBJECT = """
apiVersion: v1
kind: Namespace
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: worker}
spec:
  pollingInterval: 5
  minReplicaCount: 0
  maxReplicaCount: 20
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {scaleDown: {stabilizationWindowSeconds: 60}}
  triggers:
    - type: mysql
      useCachedMetrics: true
      metadata: {query: SELECT COUNT(*) FROM task_instance, queryValue: "2", activationQueryValue: "1"}
"""
HELM = """
executor: CeleryExecutor
config: {celery: {worker_concurrency: 8}, core: {parallelism: 64}}
workers:
  terminationGracePeriodSeconds: 900
  keda:
    enabled: true
    cooldownPeriod: 30
    maxReplicaCount: 12
    query: SELECT ceil(COUNT(*)::decimal / {{ .Values.config.celery.worker_concurrency }}) FROM task_instance
"""
NEW_HELM = "workers: {celery: {keda: {maxReplicaCount: 7}, terminationGracePeriodSeconds: 60}}"


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (SCALED_OBJECT, {
            "pollingInterval": "5", "minReplicaCount": "0", "maxReplicaCount": "20",
            "behavior": '{"scaleDown": {"stabilizationWindowSeconds": 60}}', "useCachedMetrics": "true",
            "query": "SELECT COUNT(*) FROM task_instance", "targetQueryValue": "2", "activationTargetQueryValue": "1",
        }),
        (HELM, {"cooldownPeriod": "30", "maxReplicaCount": "12", "worker_concurrency": "8", "parallelism": "64",
                "terminationGracePeriodSeconds": "900"}),
        (NEW_HELM, {"maxReplicaCount": "7", "terminationGracePeriodSeconds": "60"}),
    ],
    ids=["ScaledObject", "values", "values since the Celery section"],
)  # fmt: skip
def test_files_that_people_have(tmp_path: Path, text: str, settings: dict[str, str]) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    assert settings_from(file) == settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "no YAML at line"),
        ("just text", "sets nothing"),
        ("", "sets nothing"),
        ("workers: {keda: {maxReplicaCount: lots}}", "maxReplicaCount='lots'"),
        ("workers: [1]", "a form that"),
    ],
)
def test_a_file_without_settings_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        settings_from(file)
    assert said in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.yaml"):
        settings_from(tmp_path / "gone.yaml")
