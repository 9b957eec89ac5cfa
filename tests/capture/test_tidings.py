"""Sentences about sources that are lost and come back."""

from afscope.capture.tidings import News, Tidings
from afscope.model.capture import SourceState

FORBIDDEN, FAILED, OK = SourceState.FORBIDDEN, SourceState.FAILED, SourceState.OK


class Ear:
    """Tidings on a clock of the test's own."""

    def __init__(self) -> None:
        self.at = 0.0
        self.tidings = Tidings(lambda: self.at)

    def hear(self, part: str, state: SourceState, reason: str = "") -> None:
        self.tidings.hear(News(part, state, reason))

    def later(self, seconds: float = 1.0) -> list[str]:
        self.at += seconds
        return self.tidings.due()


def test_all_that_is_forbidden_is_one_sentence_that_says_what_to_grant() -> None:
    ear = Ear()
    for kind in ("pods", "events"):
        for place in ("airflow", "keda"):
            ear.hear(f"{kind} in {place}", FORBIDDEN, f'{kind} is forbidden: User "jo" cannot list')
    assert ear.later(0.9) == []
    ear.hear("hpas in airflow", FORBIDDEN, "hpas is forbidden")
    assert ear.later(0.1) == [
        "not recorded, as the API server forbids it: pods, events and hpas in airflow; pods and events in keda "
        "(grant list and watch on them; `afscope manifest -n airflow -n keda` prints the role)"
    ]
    assert ear.later() == []


def test_what_a_manifest_grants_in_any_case_needs_no_namespace() -> None:
    ear = Ear()
    ear.hear("nodes in the cluster", FORBIDDEN, "nodes is forbidden")
    ear.hear("pods in airflow", FORBIDDEN, "pods is forbidden")
    (sentence,) = ear.later()
    assert "`afscope manifest -n airflow` prints the role" in sentence
    ear.hear("leases in kube-system", FORBIDDEN, "the server's own words")
    (sentence,) = ear.later()
    assert sentence.startswith("not recorded: leases in kube-system: the server's own words (grant")


def test_another_reason_or_an_old_state_is_no_news_and_neither_is_what_passes_at_once() -> None:
    ear = Ear()
    ear.hear("pods in air", FAILED, "connection refused")
    ear.hear("events in air", FAILED, "connection refused")
    ear.hear("nodes in the cluster", FAILED, "timed out")
    assert ear.later() == [
        "not recorded: pods and events in air: connection refused",
        "not recorded: nodes in the cluster: timed out",
    ]
    ear.hear("pods in air", FAILED, "timed out")
    ear.hear("events in air", OK)
    ear.hear("nodes in the cluster", OK)
    ear.hear("nodes in the cluster", FAILED, "timed out")
    assert ear.later() == ["recorded again: events in air"]
