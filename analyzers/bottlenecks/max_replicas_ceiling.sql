-- ---
-- id = "max_replicas_ceiling"
-- stage = "decide"
-- binds = "target"
-- cap = true
-- component = "autoscaler-settings"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods"]
-- uses = ["hpas"]
-- explains = ["tasks_waiting", "replicas_below_demand"]
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{target} is at maxReplicaCount {max} while up to {waiting} tasks wait for a slot"
-- detail = "All {max} workers that maxReplicaCount allows were asked for ({slots} slots each); the demand would have needed {needed}."
-- remedy = "Raise maxReplicaCount of {target} from {max} to {needed} (workers.keda.maxReplicaCount), or worker_concurrency together with the divisor of the trigger query; check that quota, nodes and DB connections allow it."
-- [text.zh]
-- name = "maxReplicaCount 上限"
-- title = "{target} 已达到 maxReplicaCount {max}，最多有 {waiting} 个任务在等待槽位"
-- detail = "maxReplicaCount 允许的 {max} 个 worker（每个 {slots} 个槽位）已全部请求；需求需要 {needed} 个。"
-- remedy = "把 {target} 的 maxReplicaCount 从 {max} 提高到 {needed}（workers.keda.maxReplicaCount），或同时提高 worker_concurrency 与触发器查询的除数；并确认配额、节点和数据库连接允许。"
-- ---
-- Who waits beyond the last slot that maxReplicaCount allows waits for the ceiling, also while the ramp to it is under
-- way; but a ceiling that was never reached limited nobody.
WITH at_max AS (
    SELECT r.target, r.moment, r.ts, r.key, r.desired >= t.max_replica_count AS maxed,
        lead(r.moment, 1, $end::TIMESTAMP) OVER (PARTITION BY r.target ORDER BY r.moment) AS until
    FROM replicas r JOIN targets t ON t.target = r.target
),
reached AS (
    SELECT target, min(moment) AS from_at, max(until) AS to_at, min(ts) AS ts, any_value(key) AS key
    FROM (SELECT *, sum(CASE WHEN maxed THEN 0 ELSE 1 END) OVER (PARTITION BY target ORDER BY moment) AS island FROM at_max)
    WHERE maxed GROUP BY target, island
),
edges AS (
    SELECT target, from_at AS moment, 1 AS open, 1 AS waiting FROM queued_spans WHERE target <> ''
    UNION ALL SELECT target, to_at, 0, -1 FROM queued_spans WHERE target <> ''
    UNION ALL SELECT target, to_at, -1, 0 FROM demand_spans WHERE target <> '' AND to_at IS NOT NULL
),
demand AS (
    SELECT target, moment, lead(moment, 1, $end::TIMESTAMP) OVER w AS until, sum(open) OVER w AS open, sum(waiting) OVER w AS waiting
    FROM (SELECT target, moment, sum(open) AS open, sum(waiting) AS waiting FROM edges GROUP BY ALL)
    WINDOW w AS (PARTITION BY target ORDER BY moment)
),
judged AS (
    SELECT d.*, t.max_replica_count AS max_replicas, coalesce(t.worker_concurrency, 16) AS slots,
        d.waiting > 0 AND d.open > t.max_replica_count * coalesce(t.worker_concurrency, 16) AS over
    FROM demand d JOIN targets t ON t.target = d.target
),
pressed AS (
    SELECT target, min(moment) AS from_at, max(until) AS to_at, max(open) AS open, max(waiting) AS waiting,
        any_value(max_replicas) AS max_replicas, any_value(slots) AS slots, arg_max(moment, open) AS peak_at
    FROM (SELECT *, sum(CASE WHEN over THEN 0 ELSE 1 END) OVER (PARTITION BY target ORDER BY moment) AS island FROM judged)
    WHERE over GROUP BY target, island
),
-- workers that run nothing all the while are not held by anybody: whatever keeps them idle would keep more of them idle.
-- How long anything runs of what had begun until then:
work AS (
    SELECT target, from_at, max(coalesce(to_at, $end::TIMESTAMP)) OVER (PARTITION BY target ORDER BY from_at) AS to_at FROM running_spans
),
bound AS (
    SELECT p.*, r.ts, r.key FROM (SELECT p.* FROM pressed p ASOF JOIN work x ON x.target = p.target AND p.to_at > x.from_at WHERE x.to_at > p.from_at) p
    JOIN reached r ON r.target = p.target AND r.from_at < p.to_at AND r.to_at > p.from_at
    QUALIFY row_number() OVER (PARTITION BY p.target, p.from_at ORDER BY r.from_at) = 1
),
said AS (
    SELECT b.target, b.from_at, min(h.ts) AS ts, arg_min(h.namespace || '/' || h.name, h.ts) AS key, arg_min(h.limited_message, h.ts) AS message
    FROM bound b JOIN targets t ON t.target = b.target
    JOIN hpas h ON h.uid = t.hpa_uid AND h.limited_reason = 'TooManyReplicas' AND h.seen_at BETWEEN b.from_at AND b.to_at + INTERVAL 5 SECOND
    GROUP BY ALL
)
SELECT b.from_at AS started_at, b.to_at AS ended_at, b.target, b.target AS subject,
    {'target': b.target, 'max': b.max_replicas, 'waiting': b.waiting, 'slots': b.slots, 'needed': CAST(ceil(b.open / b.slots) AS BIGINT)} AS params,
    CASE WHEN s.ts IS NULL THEN 0.85 ELSE 0.97 END AS confidence,
    [{'table': 'workloads', 'ts': b.ts, 'key': b.key, 'text': 'spec.replicas = ' || b.max_replicas || ' = maxReplicaCount'},
     {'table': 'task_instances', 'ts': b.peak_at, 'key': b.target, 'text': 'up to ' || b.open || ' tasks queued or running, ' || b.max_replicas * b.slots || ' slots at most'}]
    || CASE WHEN s.ts IS NULL THEN [] ELSE [{'table': 'hpas', 'ts': s.ts, 'key': s.key, 'text': 'ScalingLimited TooManyReplicas: ' || s.message}] END AS evidence
FROM bound b LEFT JOIN said s ON s.target = b.target AND s.from_at = b.from_at
