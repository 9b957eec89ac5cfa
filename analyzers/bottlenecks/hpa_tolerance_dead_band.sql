-- ---
-- id = "hpa_tolerance_dead_band"
-- stage = "decide"
-- binds = "target"
-- component = "autoscaler-settings"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "hpas"]
-- uses = ["pods"]
-- explains = ["replicas_below_demand", "tasks_waiting"]
-- params.end = "1970-01-01"
-- params.tolerance = 0.1
-- params.standing_s = 30
-- [text.en]
-- title = "The HPA keeps {replicas} workers of {target} although the metric asks for {needed}: inside its tolerance of {percent} %"
-- detail = "The metric is {ratio} times the target for these workers. Up to 1 + tolerance the HPA changes nothing, so from ten workers on one more is never asked for; tasks wait until others end."
-- remedy = "Set advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.tolerance of the ScaledObject to 0 or 0.01 (KEDA 2.18, Kubernetes 1.35 or the gate HPAConfigurableTolerance; workers.keda.advanced in the chart), or let the query ask for headroom, such as ceil(COUNT(*) * 1.1 / worker_concurrency)."
-- [text.zh]
-- name = "HPA 容差死区"
-- title = "指标要求 {target} 有 {needed} 个 worker，HPA 却停在 {replicas} 个：落在 {percent} % 的容差之内"
-- detail = "对现有 worker 而言，指标是目标值的 {ratio} 倍。在 1 + 容差以内 HPA 不作任何改变，因此从十个 worker 起，再多要一个永远不会被批准；任务只能等其他任务结束。"
-- remedy = "把 ScaledObject 的 advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.tolerance 设为 0 或 0.01（KEDA 2.18，Kubernetes 1.35 或特性门 HPAConfigurableTolerance；chart 中为 workers.keda.advanced），或让查询留出余量，例如 ceil(COUNT(*) * 1.1 / worker_concurrency)。"
-- ---
-- AverageValue only: usage over target x status.replicas, both ends of the band included (replica_calculator.go). The
-- reported average is rounded up, so it exceeds the target exactly when the sum does. A status that stands for two
-- syncs was confirmed by them.
WITH looks AS (
    SELECT m.*, h.current_replicas, h.namespace || '/' || h.name AS key, h.ts,
        coalesce(CASE WHEN json_extract_string(h.behavior, '$.scaleUp.tolerance') LIKE '%m' THEN try_cast(rtrim(json_extract_string(h.behavior, '$.scaleUp.tolerance'), 'm') AS DOUBLE) / 1000
            ELSE try_cast(json_extract_string(h.behavior, '$.scaleUp.tolerance') AS DOUBLE) END, $tolerance) AS tolerance,
        h.metric_type,
        lead(m.moment, 1, $end::TIMESTAMP) OVER (PARTITION BY m.target ORDER BY m.moment) AS until
    FROM metric_seen m JOIN targets t ON t.target = m.target JOIN hpas h ON h.uid = t.hpa_uid AND h.seen_at = m.moment AND h.change <> 'DELETED'
),
judged AS (
    SELECT *, coalesce(answered AND metric_type IS DISTINCT FROM 'Value' AND workers IS NOT NULL
        AND current_milli > target_milli AND current_milli <= target_milli * (1 + tolerance) + 1e-6
        AND desired_replicas = status_replicas AND current_replicas = status_replicas AND status_replicas < max_replicas, false) AS inside
    FROM looks
),
islands AS (
    SELECT *, sum(CASE WHEN inside THEN 0 ELSE 1 END) OVER (PARTITION BY target ORDER BY moment) AS island FROM judged
),
spans AS (
    SELECT target, min(moment) AS from_at, max(until) AS to_at, arg_max(status_replicas, until - moment) AS replicas, max(tolerance) AS tolerance,
        arg_max(current_milli / target_milli, until - moment) AS ratio, arg_max(ceil(current_milli * status_replicas / target_milli - 0.001 * status_replicas), until - moment) AS needed,
        min(ts) AS ts, any_value(key) AS key
    FROM islands WHERE inside GROUP BY target, island
)
SELECT from_at AS started_at, to_at AS ended_at, target, target AS subject,
    {'target': target, 'replicas': replicas, 'needed': greatest(CAST(needed AS BIGINT), replicas + 1), 'percent': CAST(round(100 * tolerance) AS BIGINT), 'ratio': format('{:.2f}', ratio)} AS params,
    0.93 AS confidence,
    [{'table': 'hpas', 'ts': ts, 'key': key, 'text': 'metric ' || format('{:.3f}', ratio) || ' of the target at ' || replicas || ' replicas, desiredReplicas ' || replicas}] AS evidence
FROM spans WHERE to_at >= from_at + to_seconds($standing_s)
