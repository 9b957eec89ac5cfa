"""Text for people: what stands in it, how wide it is, and that hostile text stays text."""

from zoneinfo import ZoneInfo

import pytest

from afscope.cli.markdown import markdown
from afscope.cli.options import People, duration
from afscope.cli.timeline_view import CSV_COLUMNS as TIMELINE_COLUMNS
from afscope.cli.timeline_view import timeline_rows, timeline_text
from afscope.cli.verdict_view import verdict_text
from afscope.cli.waits_view import CSV_COLUMNS as WAITS_COLUMNS
from afscope.cli.waits_view import grouped, waits_rows, waits_text
from afscope.cli.words import WORDS
from afscope.model.clock import SECOND
from afscope.model.finding import Evidence, Kind, Role
from afscope.model.timeline import AttemptWait, Decision, Episode, Phase, StageWait
from tests.cli.conftest import START, analysis, finding

EN = People(ZoneInfo("UTC"), "en")
HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]x[/] \u202eevil\x9b31m\r\nnext | **bold** <script>"


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def episode() -> Episode:
    return Episode(
        "airflow/worker", START, START + 60 * SECOND, 9, 3,
        (Phase("trigger", START, START + 5 * SECOND, "keda-operator", HOSTILE),),
        (Decision(START + 5 * SECOND, "airflow/worker", 0, 1, "keda-operator", "activation"),),
    )  # fmt: skip


def waiting(dag: str, task: str, *stages: StageWait) -> AttemptWait:
    return AttemptWait(dag, "r", task, -1, 1, "default", "tiny", "airflow/worker", START, None, None, stages)


def test_a_verdict_reads_at_80_columns_and_names_cause_cost_evidence_and_remedy() -> None:
    text = verdict_text(analysis(finding(), finding(id="x-2", role=Role.SYMPTOM, title="Tasks wait")), EN)
    assert max(map(len, text.splitlines())) <= 80
    for part in ("not healthy", "Pool tiny has no open slots", "Do: Raise the slots of tiny.", "pool_exhausted",
                 "812 task-seconds waiting", "pools 10:00:00 tiny: slots 2", "no cause of it could be proven",
                 "watch expired", "needs leases: keda_operator_down, quota_exceeded"):  # fmt: skip
        assert part in text


def test_the_guilty_come_first() -> None:
    text = verdict_text(analysis(finding()), EN)
    assert text.index("  guilty") < text.index("  not guilty") < text.index("  not assessed")


def test_words_exist_in_both_languages() -> None:
    assert set(WORDS["en"]) == set(WORDS["zh"])
    assert "根本原因" in verdict_text(analysis(finding()), People(ZoneInfo("UTC"), "zh"))


def test_times_follow_the_zone() -> None:
    text = verdict_text(analysis(finding()), People(ZoneInfo("Asia/Shanghai"), "en"))
    assert "2026-03-01 18:00:00 CST" in text


@pytest.mark.parametrize("render", [verdict_text, markdown])
def test_hostile_text_cannot_drive_a_terminal(render: object) -> None:
    evil = finding(
        title=HOSTILE, detail=HOSTILE, subject=HOSTILE, evidence=(Evidence("pods", START, HOSTILE, HOSTILE),)
    )
    text = render(analysis(evil), EN)  # type: ignore[operator]
    assert not [char for char in text if (char < " " and char != "\n") or "\x7f" <= char <= "\x9f" or char == "\u202e"]
    assert "red" in text


def test_markdown_takes_hostile_text_literally() -> None:
    text = markdown(analysis(finding(title="**b** <script> [x](y) | `z`")), EN)
    assert r"### \*\*b\*\* \<script\> \[x\](y) \| \`z\`" in text


def test_the_timeline_shows_phases_and_decisions_in_time() -> None:
    text = timeline_text([episode()], EN)
    assert "airflow/worker" in text
    assert text.index("trigger") < text.index("0 → 1: activation")
    assert "\x1b" not in text
    assert "no episodes" in timeline_text([], EN)


def test_timeline_rows_fit_their_columns() -> None:
    rows = list(timeline_rows([episode()]))
    assert {len(row) for row in rows} == {len(TIMELINE_COLUMNS)}
    named = [dict(zip(TIMELINE_COLUMNS, row, strict=True)) for row in rows]
    assert [(row["kind"], row["stage"]) for row in named] == [("phase", "trigger"), ("decision", "decide")]
    assert (named[1]["before"], named[1]["after"]) == (0, 1)


def test_waits_group_by_what_is_asked_and_rank_by_cost() -> None:
    attempts = [
        waiting("a", "t1", StageWait("limits", 10.0, "pool_exhausted")),
        waiting("b", "t1", StageWait("limits", 30.0, "pool_exhausted"), StageWait("start", 60.0, "activation_latency")),
        waiting("b", "t2", StageWait("start", 10.0, "activation_latency")),
    ]
    by_dag = grouped(attempts, "dag")
    assert [(group.name, group.attempts, group.waited_s) for group in by_dag] == [("b", 2, 100.0), ("a", 1, 10.0)]
    assert by_dag[0].parts == (("start", "activation_latency", 70.0), ("limits", "pool_exhausted", 30.0))
    assert [group.name for group in grouped(attempts, "task")] == ["b.t1", "a.t1", "b.t2"]
    assert [group.name for group in grouped(attempts, "pool")] == ["tiny"]
    assert [group.name for group in grouped(attempts, "queue")] == ["default"]
    rows = [dict(zip(WAITS_COLUMNS, row, strict=True)) for row in waits_rows(by_dag)]
    assert [row["share"] for row in rows] == [0.7, 0.3, 1.0]
    assert "70%" in waits_text(by_dag)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0s"), (59.94, "59.9s"), (59.96, "1m00s"), (113, "1m53s"), (7500, "2h05m")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_settings_stand_apart_from_the_incident() -> None:
    rule = finding(id="x-3", role=Role.OBSERVATION, kind=Kind.LINT, title="Two autoscalers", docs="docs/lint.md#two")
    cause = finding(id="x-1")
    symptom = finding(id="x-2", role=Role.SYMPTOM, title="Tasks wait", explained_by=("x-1",))
    text = verdict_text(analysis(rule, cause, symptom), EN)
    assert text.index("Root causes") < text.index("explained by: pool_exhausted")
    assert text.index("Settings that contradict each other") < text.index("Two autoscalers")
    assert "docs/lint.md#two" in text
    assert "Observations" not in text
