-- ---
-- id = "replicas_below_demand"
-- group = "symptom"
-- stage = "decide"
-- component = "workload"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["pods"]
-- params.end = "1970-01-01"
-- params.min_s = 60
-- [text.en]
-- title = "{target} was asked for {desired} worker(s) where its {open} tasks need {needed}, for {seconds} s"
-- detail = "Counted are tasks that are queued or running, {slots} slots a worker. What is still scheduled, or not even that, would come on top."
-- remedy = "Who decided for less, or could not decide, is named with this symptom."
-- [text.zh]
-- name = "副本数低于需求"
-- title = "{target} 只请求了 {desired} 个 worker，而其 {open} 个任务需要 {needed} 个，持续 {seconds} 秒"
-- detail = "统计的是排队和运行中的任务，每个 worker {slots} 个槽位。仍处于 scheduled 或更早状态的任务尚未计入。"
-- remedy = "是谁做出了较小的决定，或无法做出决定，见此症状旁列出的原因。"
-- ---
-- Sixty seconds without a break: a ramp takes a sync of the HPA for each doubling, and each step ends the count.
WITH edges AS (
    SELECT target, from_at AS moment, 1 AS open, 0 AS waiting FROM demand_spans WHERE target <> ''
    UNION ALL SELECT target, to_at, -1, 0 FROM demand_spans WHERE target <> '' AND to_at IS NOT NULL
    UNION ALL SELECT target, from_at, 0, 1 FROM queued_spans WHERE target <> ''
    UNION ALL SELECT target, to_at, 0, -1 FROM queued_spans WHERE target <> ''
    UNION ALL SELECT target, moment, 0, 0 FROM replicas
),
steps AS (
    SELECT target, moment, lead(moment, 1, $end::TIMESTAMP) OVER w AS until, sum(open) OVER w AS open, sum(waiting) OVER w AS waiting
    FROM (SELECT target, moment, sum(open) AS open, sum(waiting) AS waiting FROM edges GROUP BY ALL) WINDOW w AS (PARTITION BY target ORDER BY moment)
),
sized AS (
    SELECT s.*, r.desired, r.ts, r.key, r.moment AS step, coalesce(t.worker_concurrency, 16) AS slots
    FROM steps s ASOF JOIN (FROM replicas WHERE change <> 'DELETED' AND desired IS NOT NULL) r ON r.target = s.target AND s.moment >= r.moment JOIN targets t ON t.target = s.target
),
changes AS (SELECT *, desired IS DISTINCT FROM lag(desired) OVER (PARTITION BY target ORDER BY moment) AS moved FROM sized),
short AS (
    SELECT *, waiting > 0 AND desired < ceil(open / slots) AS low,
        sum(CASE WHEN moved OR NOT (waiting > 0 AND desired < ceil(open / slots)) THEN 1 ELSE 0 END) OVER (PARTITION BY target ORDER BY moment) AS island
    FROM changes
),
spans AS (
    SELECT target, island, min(moment) AS from_at, max(until) AS to_at, max(open) AS open, min(desired) AS desired, any_value(slots) AS slots, arg_max(moment, open) AS peak_at, min(ts) AS ts, any_value(key) AS key
    FROM short WHERE low GROUP BY ALL
)
SELECT min(from_at) AS started_at, max(to_at) AS ended_at, target, target AS subject,
    {'target': target, 'desired': arg_max(desired, to_at - from_at), 'open': arg_max(open, to_at - from_at), 'slots': any_value(slots), 'needed': CAST(ceil(arg_max(open, to_at - from_at) / any_value(slots)) AS BIGINT),
     'seconds': CAST(round(sum(date_diff('millisecond', from_at, to_at)) / 1000.0) AS BIGINT)} AS params, 0.9 AS confidence,
    [{'table': 'workloads', 'ts': arg_max(ts, to_at - from_at), 'key': any_value(key), 'text': 'spec.replicas = ' || arg_max(desired, to_at - from_at)},
     {'table': 'task_instances', 'ts': arg_max(peak_at, to_at - from_at), 'key': target, 'text': arg_max(open, to_at - from_at) || ' queued or running'}] AS evidence
FROM spans WHERE to_at >= from_at + to_seconds($min_s) GROUP BY target
