-- ---
-- id = "scale_down_delayed"
-- stage = "drain"
-- component = "autoscaler-settings"
-- severity = "info"
-- ordinary = true
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["hpas", "pods"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.worth = 60
-- [text.en]
-- title = "{target} kept workers beyond its demand: {idle} pod-seconds, up to {most} worker(s) too many"
-- detail = "cooldownPeriod is {cooldown} s, the HPA's stabilization window {window} s: that long the size outlives the work. It is the price of warm workers, not a fault."
-- remedy = "If it is too much: a shorter cooldownPeriod (workers.keda.cooldownPeriod) or advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds. Shorter times mean more cold starts and more scale-ins of busy workers."
-- [text.zh]
-- name = "缩容延迟"
-- title = "{target} 保留了超出需求的 worker：{idle} Pod·秒，最多多出 {most} 个"
-- detail = "cooldownPeriod 为 {cooldown} 秒，HPA 稳定窗口为 {window} 秒：任务结束后副本数会再保持这么久。这是保留热 worker 的代价，不是故障。"
-- remedy = "若代价过高：缩短 cooldownPeriod（workers.keda.cooldownPeriod）或 advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds。时间越短，冷启动越多，忙碌的 worker 也越常被缩容。"
-- ---
-- Replicas above what the open tasks need, from the last time that they were needed; workers on their way up are no
-- excess, since the demand that asked for them was there.
WITH slots AS (SELECT target, coalesce(worker_concurrency, 16) AS slots, min_replica_count, cooldown_period_s, behavior FROM targets),
edges AS (
    SELECT target, from_at AS moment, 1 AS n FROM demand_spans WHERE target <> ''
    UNION ALL SELECT target, to_at, -1 FROM demand_spans WHERE target <> '' AND to_at IS NOT NULL
),
open AS (SELECT target, moment, sum(sum(n)) OVER (PARTITION BY target ORDER BY moment) AS tasks FROM edges GROUP BY target, moment),
sizes AS (SELECT target, moment, desired FROM replicas WHERE change <> 'DELETED' AND desired IS NOT NULL),
cuts AS (SELECT target, moment FROM open UNION SELECT target, moment FROM sizes),
steps AS (
    SELECT c.target, c.moment, lead(c.moment, 1, $end::TIMESTAMP) OVER (PARTITION BY c.target ORDER BY c.moment) AS until, s.desired, coalesce(o.tasks, 0) AS tasks
    FROM cuts c ASOF JOIN sizes s ON s.target = c.target AND c.moment >= s.moment
    ASOF LEFT JOIN open o ON o.target = c.target AND c.moment >= o.moment
),
excess AS (
    SELECT p.*, p.desired - greatest(CAST(ceil(p.tasks / l.slots) AS BIGINT), l.min_replica_count) AS over, l.cooldown_period_s, l.behavior,
        greatest(p.moment, $start::TIMESTAMP) AS from_at, least(p.until, $end::TIMESTAMP) AS to_at
    FROM steps p JOIN slots l ON l.target = p.target
),
total AS (
    SELECT target, min(from_at) AS from_at, max(to_at) AS to_at, max(over) AS most, sum(over * date_diff('millisecond', from_at, to_at) / 1000.0) AS idle, arg_max(moment, over) AS ts,
        arg_max(desired, over) AS desired, arg_max(tasks, over) AS tasks, any_value(cooldown_period_s) AS cooldown, any_value(json_extract_string(behavior, '$.scaleDown.stabilizationWindowSeconds')) AS window_s
    FROM excess WHERE over > 0 AND to_at > from_at GROUP BY target
)
SELECT from_at AS started_at, to_at AS ended_at, target, target AS subject,
    {'target': target, 'idle': CAST(round(idle) AS BIGINT), 'most': most, 'cooldown': cooldown, 'window': coalesce(window_s, '300')} AS params,
    0.85 AS confidence,
    [{'table': 'workloads', 'ts': ts, 'key': target, 'text': 'spec.replicas ' || desired || ' with ' || tasks || ' open task(s)'}] AS evidence,
    idle AS idle_pod_seconds
FROM total WHERE idle >= $worth
