-- ---
-- id = "max_replicas_ceiling"
-- stage = "decide"
-- binds = "target"
-- cap = true
-- component = "autoscaler-settings"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["hpas"]
-- explains = ["tasks_waiting", "replicas_below_demand"]
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{target} is at maxReplicaCount {max} while up to {waiting} tasks wait for a slot"
-- detail = "All {max} workers that maxReplicaCount allows were asked for ({slots} slots each); the demand would have needed {needed}."
-- remedy = "Raise maxReplicaCount of {target} from {max} to {needed} (workers.keda.maxReplicaCount), or worker_concurrency together with the divisor of the trigger query; check that quota, nodes and DB connections allow it."
-- [text.zh]
-- title = "{target} 已达到 maxReplicaCount {max}，最多有 {waiting} 个任务在等待槽位"
-- detail = "maxReplicaCount 允许的 {max} 个 worker（每个 {slots} 个槽位）已全部请求；需求需要 {needed} 个。"
-- remedy = "把 {target} 的 maxReplicaCount 从 {max} 提高到 {needed}（workers.keda.maxReplicaCount），或同时提高 worker_concurrency 与触发器查询的除数；并确认配额、节点和数据库连接允许。"
-- ---
WITH at_max AS (
    SELECT r.target, r.moment, r.ts, r.key, t.max_replica_count, coalesce(t.worker_concurrency, 16) AS slots,
        lead(r.moment, 1, $end::TIMESTAMP) OVER (PARTITION BY r.target ORDER BY r.moment) AS until, r.desired >= t.max_replica_count AS maxed
    FROM replicas r JOIN targets t ON t.target = r.target
),
spans AS (
    SELECT target, min(moment) AS from_at, max(until) AS to_at, any_value(max_replica_count) AS max_replicas, max(slots) AS slots, min(ts) AS ts, any_value(key) AS key
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
pressed AS (
    SELECT s.*, max(d.open) AS open, max(d.waiting) AS waiting, min(greatest(d.moment, s.from_at)) AS first_at
    FROM spans s JOIN demand d ON d.target = s.target AND d.moment < s.to_at AND d.until > s.from_at
        AND d.waiting > 0 AND d.open > s.max_replicas * s.slots
    GROUP BY ALL
),
said AS (
    SELECT p.target, p.from_at, min(h.ts) AS ts, arg_min(h.namespace || '/' || h.name, h.ts) AS key, arg_min(h.limited_message, h.ts) AS message
    FROM pressed p JOIN targets t ON t.target = p.target
    JOIN hpas h ON h.uid = t.hpa_uid AND h.limited_reason = 'TooManyReplicas' AND h.seen_at BETWEEN p.from_at - INTERVAL 5 SECOND AND p.to_at
    GROUP BY ALL
)
SELECT p.from_at AS started_at, p.to_at AS ended_at, p.target, p.target AS subject,
    {'target': p.target, 'max': p.max_replicas, 'waiting': p.waiting, 'slots': p.slots, 'needed': CAST(ceil(p.open / p.slots) AS BIGINT)} AS params,
    CASE WHEN s.ts IS NULL THEN 0.85 ELSE 0.97 END AS confidence,
    [{'table': 'workloads', 'ts': p.ts, 'key': p.key, 'text': 'spec.replicas = ' || p.max_replicas || ' = maxReplicaCount'},
     {'table': 'task_instances', 'ts': p.first_at, 'key': p.target, 'text': 'up to ' || p.open || ' tasks queued or running, ' || p.max_replicas * p.slots || ' slots at most'}]
    || CASE WHEN s.ts IS NULL THEN [] ELSE [{'table': 'hpas', 'ts': s.ts, 'key': s.key, 'text': 'ScalingLimited TooManyReplicas: ' || s.message}] END AS evidence
FROM pressed p LEFT JOIN said s ON s.target = p.target AND s.from_at = p.from_at
