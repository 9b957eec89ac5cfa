"""Rulings on the components of the chain, and the three conditions of a healthy one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from afscope.engine.catalog import Catalog
from afscope.engine.claims import evidence
from afscope.engine.facts import parameters
from afscope.engine.precondition import Contents
from afscope.engine.reach import Reach
from afscope.engine.session import Session
from afscope.engine.verdict import fill, texts
from afscope.engine.words import say
from afscope.errors import AnalyzerError, QueryError
from afscope.model.clock import Micros
from afscope.model.finding import COMPONENTS, ComponentRuling, Condition, Evidence, Finding, Role, Ruling

# Groups that accuse or clear.
_RULING = ("bottleneck", "alibi")
PER_TARGET = frozenset(
    {
        "trigger", "keda-operator", "keda-metrics-apiserver", "autoscaler-settings", "hpa", "workload", "quota",
        "nodes", "image", "worker", "deployer",
    }
)  # fmt: skip
"""Components of which each target has its own; the others are ruled once for the capture."""
_STATE = ("pods", "hpas", "workloads", "scaledobjects", "nodes", "apiservices")
_TIMELESS = frozenset({"trigger", "metadata-db", "scheduler", "dag", "pool"})
"""Cleared by settings or by Airflow's own rows, which carry their times: one look at the cluster is enough."""
_GLANCE_S = 5.0


class Bench:
    """Rules on every component: guilty by its findings, not guilty by an alibi, else not assessed."""

    def __init__(
        self,
        session: Session,
        catalog: Catalog,
        contents: Contents,
        bounds: tuple[Micros, Micros],
        missing: Callable[[str], bool],
        reach: Reach,
        lang: str,
    ) -> None:
        self._session, self._catalog, self._bounds, self._lang = session, catalog, bounds, lang
        self._contents, self._missing, self._reach = contents, missing, reach
        self._glanced = False

    @property
    def needed(self) -> frozenset[str]:
        """The recorded tables that causes are looked for in."""
        needs = {need for file in self._catalog.group("bottleneck") for need in file.header.needs}
        return frozenset(need for need in needs if not self._missing(need))

    def rule(self, found: Sequence[Finding], targets: Sequence[str]) -> tuple[ComponentRuling, ...]:
        """One ruling per component and, where a target has its own, per target; in the order of the chain."""
        alibis = self._alibis()
        self._glanced = self._only_glanced()
        return tuple(
            self._rule(component, target, found, alibis)
            for component in COMPONENTS
            for target in (targets if component in PER_TARGET and targets else ("",))
        )

    def _rule(
        self, component: str, target: str, found: Sequence[Finding], alibis: Mapping[tuple[str, str], ComponentRuling]
    ) -> ComponentRuling:
        guilt = [
            f for f in found
            if f.role is Role.ROOT_CAUSE and f.component == component and (not target or f.target in ("", target))
        ]  # fmt: skip
        if guilt:
            words = "; ".join(f.title for f in guilt)
            return ComponentRuling(component, target, Ruling.GUILTY, words, tuple(e for f in guilt for e in f.evidence))
        alibi = alibis.get((component, target)) or alibis.get((component, ""))
        suspected = [f for f in found if f.role is Role.CONTRIBUTING and f.component == component]
        if alibi is not None and not suspected and self._glanced and component not in _TIMELESS:
            return ComponentRuling(component, target, Ruling.NOT_ASSESSED, say(self._lang, "one_look"))
        if alibi is not None and not suspected:
            return ComponentRuling(component, target, alibi.ruling, alibi.because, alibi.evidence)
        return ComponentRuling(component, target, Ruling.NOT_ASSESSED, self._why_not(component, suspected))

    def _why_not(self, component: str, suspected: Sequence[Finding]) -> str:
        if suspected:
            return say(self._lang, "suspected", causes=_causes(suspected))
        files = [f for f in self._catalog.analyzers if f.header.component == component and f.header.group in _RULING]
        if not files:
            return say(self._lang, "no_rule")
        missing = sorted({need for f in files for need in f.header.needs if self._missing(need)})
        if missing:
            return say(self._lang, "not_recorded", sources=", ".join(missing))
        return say(self._lang, "no_proof")

    def _only_glanced(self) -> bool:
        """Whether the cluster was listed once and never watched: no kind of object was seen at two instants, and there
        was no recorder, which keeps `samples` of its own cost while it watches and nothing changes.

        In such a list everything may look well that was not well a minute before, or is not a minute later.
        """
        arms = " UNION ALL ".join(
            f"SELECT epoch(max(seen_at)) - epoch(min(seen_at)) AS seen_s FROM {t}" for t in (*_STATE, "samples")
        )
        (longest,) = _one(self._session, f"SELECT max(seen_s) FROM ({arms})")
        return longest is not None and longest < _GLANCE_S

    def _alibis(self) -> dict[tuple[str, str], ComponentRuling]:
        out: dict[tuple[str, str], ComponentRuling] = {}
        for file in self._catalog.group("alibi"):
            if any(self._missing(need) for need in file.header.needs) or not self._contents.may_speak(file.sql):
                continue
            words = texts(file, self._lang)
            try:
                rows = self._session.dicts(file.sql, parameters(file, *self._bounds))
            except QueryError as error:
                raise AnalyzerError(f"analyzer {file.path}: {error}") from error
            for row in rows:
                proof = tuple(evidence(row["evidence"] or ()))
                because = fill(words.because, row["params"] or {}, words.variants)
                if proof:  # no acquittal without a row that a person can check
                    key = (file.header.component, row["target"] or "")
                    out[key] = self._cleared(key, because, proof, file.header.needs)
        return out

    def _cleared(
        self, key: tuple[str, str], because: str, proof: tuple[Evidence, ...], needs: Sequence[str]
    ) -> ComponentRuling:
        """An acquittal as far as its sources reach; none where they prove nothing."""
        if self._reach.nothing(needs):
            return ComponentRuling(*key, Ruling.NOT_ASSESSED, say(self._lang, "unproven", sources=", ".join(needs)))
        return ComponentRuling(*key, Ruling.NOT_GUILTY, self._reach.bounded(because, needs), proof)


CONDITIONS = ("scheduler_fills_table", "metric_path_answers", "query_matches_tasks")
_PATH = frozenset({"keda-operator", "keda-metrics-apiserver", "aggregation"})
_PATH_CAUSES = frozenset(
    {
        "external_metric_timeout", "trigger_query_error", "trigger_auth_failure", "trigger_db_unreachable",
        "trigger_query_slow", "keda_operator_down", "external_metrics_api_missing", "metric_path_tls",
        "metrics_apiserver_overloaded", "fallback_active", "scaledobject_paused", "scaledobject_not_ready",
        "scaledobject_missing",
    }
)  # fmt: skip
_QUERY = frozenset(
    {
        "queue_mismatch",
        "query_ignores_running",
        "query_divisor_mismatch",
        "query_overcounts",
        "activation_threshold",
        "trigger_reads_other_database",
    }
)
_TOLD = (Role.ROOT_CAUSE, Role.CONTRIBUTING)


def conditions(
    session: Session, found: Sequence[Finding], missing: Callable[[str], bool], reach: Reach, lang: str
) -> tuple[Condition, ...]:
    """The three conditions: work reaches the table, the metric path answers, the query matches the tasks."""
    told = [f for f in found if f.role in _TOLD]
    out = []
    for name, (needs, judge) in zip(CONDITIONS, _CONDITIONS, strict=True):
        if lacking := ", ".join(need for need in needs if missing(need)):
            out.append(Condition(name, None, say(lang, "not_recorded", sources=lacking)))
        else:
            ok, because = judge(session, told, lang)
            out.append(Condition(name, ok, reach.bounded(because, needs) if ok else because))
    return tuple(out)


def _causes(found: Sequence[Finding]) -> str:
    return "; ".join(f.title for f in found)


def _one(session: Session, sql: str) -> tuple[Any, ...]:
    return session.run(sql).rows[0]


def _fills(session: Session, told: Sequence[Finding], lang: str) -> tuple[bool | None, str]:
    if bad := [f for f in told if f.stage in ("run", "schedule", "limits")]:
        return False, say(lang, "c1_bad", causes=_causes(bad))
    n, median = _one(
        session,
        """SELECT count(*), median(date_diff('millisecond', runnable_at, queued_at)) / 1000.0
        FROM waiting WHERE queued_at <= wait_ended_at""",
    )
    return (True, say(lang, "c1_ok", n=n, median=round(median, 1))) if n else (None, say(lang, "c1_none"))


def _answers(session: Session, told: Sequence[Finding], lang: str) -> tuple[bool | None, str]:
    bad = [f for f in told if f.component in _PATH or f.cause in _PATH_CAUSES]
    if bad:
        return False, say(lang, "c2_bad", causes=_causes(bad))
    (failed,) = _one(session, "SELECT count(*) FROM metric_trouble")
    if failed:
        return False, say(lang, "c2_failed", n=failed)
    (answers,) = _one(session, "SELECT count(*) FROM hpas WHERE active_status = 'True' AND change <> 'DELETED'")
    return (True, say(lang, "c2_ok", n=answers)) if answers else (None, say(lang, "c2_none"))


def _matches(session: Session, told: Sequence[Finding], lang: str) -> tuple[bool | None, str]:
    if bad := [f for f in told if f.cause in _QUERY]:
        return False, say(lang, "c3_bad", causes=_causes(bad))
    for (reason,) in session.run("SELECT reason FROM trigger_queries WHERE NOT translated").rows:
        return None, say(lang, "c3_unread", reason=reason)
    n, missed = _one(session, "SELECT count(*), count(*) FILTER (WHERE NOT counted) FROM queued_spans")
    if not n:
        return None, say(lang, "c3_none")
    return (
        (False, say(lang, "c3_missed", n=missed)) if missed else (True, say(lang, "c3_ok" if n > 1 else "c3_one", n=n))
    )


_CONDITIONS = (
    (("task_instances", "dag_runs"), _fills),
    (("hpas", "scaledobjects"), _answers),
    (("task_instances", "scaledobjects"), _matches),
)
"""What each condition is judged by, and how."""
