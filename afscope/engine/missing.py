"""Sources that an analysis lacked: what each would have settled, and how it can still be had, or could be next time."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from afscope.engine.catalog import Catalog
from afscope.model.capture import Source, SourceState
from afscope.model.finding import MissingSource, NotAssessed

# Sources that only somebody who was there has: no dump holds them.
_LIVE = {
    "en": "only a recorder has it: run `afscope capture` while it happens, or keep one in the cluster (`afscope "
    "manifest`)",
    "zh": "只有现场采集器才有：在故障发生时运行 `afscope capture`，或用 `afscope manifest` 在集群内常驻",
}
_DATABASE = {
    "en": "`afscope import --db-url-file FILE --since T --until T` from the metadata DB, which keeps it until "
    "`airflow db clean`; or a pg_dump, mysqldump or CSV of its tables",
    "zh": "用 `afscope import --db-url-file FILE --since T --until T` 从元数据库读取"
    "（保留到 `airflow db clean` 为止），或导入 pg_dump、mysqldump、CSV",
}
_HOW: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(("task_instances", "dag_runs", "dags", "pools", "jobs", "db_log", "celery_results"), _DATABASE),
    "events": {
        "en": "`kubectl get events -A -o json` within the hour (the API server forgets them after --event-ttl, 1 h); "
        "later from an event exporter or the log store",
        "zh": "一小时内执行 `kubectl get events -A -o json`（API server 默认 1 小时后删除事件）；"
        "之后只能从事件导出器或日志系统获取",
    },
    "log_lines": {
        "en": "`kubectl logs --timestamps` of scheduler, workers, triggerer, KEDA operator and metrics apiserver, "
        "--previous for restarted containers; of gone pods from the log store",
        "zh": "对 scheduler、worker、triggerer、KEDA operator 与 metrics apiserver 执行 `kubectl logs --timestamps`，"
        "重启过的容器加 --previous；已消失的 Pod 从日志系统获取",
    },
    "pods": {
        "en": "`kubectl get pods -A -o json` shows those that are left; their past from kube-state-metrics "
        '(query_range of {__name__=~"kube_pod_.+"})',
        "zh": "`kubectl get pods -A -o json` 只显示现存的；过去的状态来自 kube-state-metrics"
        '（query_range {__name__=~"kube_pod_.+"}）',
    },
    "workloads": {
        "en": "`kubectl get deployments,statefulsets,replicasets -A -o json --show-managed-fields`; their past from "
        "kube-state-metrics",
        "zh": "`kubectl get deployments,statefulsets,replicasets -A -o json --show-managed-fields`；过去的状态来自 "
        "kube-state-metrics",
    },
    "hpas": {
        "en": "`kubectl get hpa -A -o json`; its past from kube-state-metrics "
        '(query_range of {__name__=~"kube_horizontalpodautoscaler_.+"})',
        "zh": "`kubectl get hpa -A -o json`；过去的状态来自 kube-state-metrics"
        '（query_range {__name__=~"kube_horizontalpodautoscaler_.+"}）',
    },
    "airflow_config": {
        "en": "the env of scheduler and workers: `kubectl get pods,deployments,statefulsets -A -o json`",
        "zh": "scheduler 与 worker 的环境变量：`kubectl get pods,deployments,statefulsets -A -o json`",
    },
    **dict.fromkeys(("polls", "task_counts", "broker_queues", "trigger_metrics"), _LIVE),
}
_LISTED = {
    "en": "`kubectl get {plural} -A -o json`; it shows how it is now",
    "zh": "`kubectl get {plural} -A -o json`；只显示当前状态",
}
_PLURALS = {"quotas": "resourcequotas,limitranges"}


def missing_sources(
    catalog: Catalog,
    unlooked: Iterable[NotAssessed],
    source: Callable[[str], Source],
    lang: str,
) -> tuple[MissingSource, ...]:
    """One per source that some cause needed and that was not recorded, the one that would settle most first.

    Sources of which only a part is there come last, with what of them is missing.
    """
    causes: dict[str, list[str]] = {}
    for item in unlooked:
        for need in item.needs:
            causes.setdefault(need, []).append(item.cause)
    needs = {need for file in catalog.analyzers for need in file.header.needs}
    partial = sorted(name for name in needs if name not in causes and source(name).status is SourceState.PARTIAL)
    found = [_missing(catalog, name, of, source(name), lang) for name, of in causes.items()]
    found.sort(key=lambda item: (-len(item.causes), item.source))
    return (*found, *(_missing(catalog, name, (), source(name), lang) for name in partial))


def _missing(catalog: Catalog, name: str, causes: Sequence[str], state: Source, lang: str) -> MissingSource:
    components = {catalog.get(cause).header.component for cause in causes}
    how = _HOW.get(name, _LISTED)
    if how is _DATABASE and not causes:  # the database was read, and holds no more than that
        how = _LIVE
    text = how.get(lang, how["en"])
    return MissingSource(
        source=name,
        status=state.status.value,
        reason=state.reason,
        causes=tuple(sorted(causes)),
        components=tuple(sorted(components)),
        how=text.replace("{plural}", _PLURALS.get(name, name)),
    )
