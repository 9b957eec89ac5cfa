-- ---
-- id = "worker_slots_saturated"
-- stage = "consume"
-- holds = ["decide"]
-- binds = "target"
-- cap = true
-- component = "dag"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods"]
-- explains = ["tasks_waiting", "replicas_below_demand"]
-- params.end = "1970-01-01"
-- params.long_s = 60
-- params.share = 0.5
-- params.idlers = "(Sensor|SensorAsync|PodOperator|TriggerDagRunOperator|DbtCloudRunJobOperator)$|^(Ecs|Emr|Batch|Spark|Databricks|Dataproc|Livy|Glue|SageMaker)\\w*Operator$"
-- [text.en]
-- title = "{held} of {slots} worker slots of {target} are held by tasks that only wait ({kinds})"
-- detail = "All workers that maxReplicaCount allows are there and full. {longest} waits since {since}: sensors that poke and operators whose work is done elsewhere hold a slot all the time, and up to {waiting} tasks that have something to do wait for one."
-- remedy = "Give the slots back while waiting: deferrable=True ([operators] default_deferrable) or mode=\"reschedule\" for sensors, wait_for_completion=False for TriggerDagRunOperator; or a queue of their own with a high worker_concurrency (and that divisor in its trigger). Raising maxReplicaCount only buys more slots to wait in."
-- [text.zh]
-- name = "worker 槽位被等待任务占满"
-- title = "{target} 的 {slots} 个 worker 槽位中有 {held} 个被只是在等待的任务占用（{kinds}）"
-- detail = "maxReplicaCount 允许的 worker 已全部就位且占满。{longest} 自 {since} 起一直在等待：轮询的传感器和在别处干活的算子始终占着槽位，而最多 {waiting} 个真正有事可做的任务在等槽位。"
-- remedy = "等待时让出槽位：使用 deferrable=True（[operators] default_deferrable）或传感器的 mode=\"reschedule\"，TriggerDagRunOperator 设置 wait_for_completion=False；或为它们单设队列并调高 worker_concurrency（触发器除数同步修改）。提高 maxReplicaCount 只是多买一些用来等待的槽位。"
-- ---
-- The ceiling is what its holders make of it: where at least half of all slots that maxReplicaCount allows are held by
-- tasks that wait, more workers are not what is missing (airflow.md S15, S64). Short ones come and go: not counted.
WITH most AS (SELECT target, max_replica_count AS most, max_replica_count * coalesce(worker_concurrency, 16) AS slots FROM targets),
running AS (
    SELECT r.target, r.dag_id, r.run_id, r.task_id, r.host, a.operator, r.from_at, coalesce(r.to_at, $end::TIMESTAMP) AS to_at,
        coalesce(regexp_matches(a.operator, $idlers), false) AND coalesce(r.to_at, $end::TIMESTAMP) >= r.from_at + to_seconds($long_s) AS idler
    FROM running_spans r JOIN attempts a USING (dag_id, run_id, task_id, map_index, attempt) WHERE r.target <> ''
),
edges AS (
    SELECT target, from_at AS moment, 1 AS run, CAST(idler AS INTEGER) AS idle, 0 AS wait FROM running
    UNION ALL SELECT target, to_at, -1, -CAST(idler AS INTEGER), 0 FROM running
    UNION ALL SELECT target, from_at, 0, 0, 1 FROM queued_spans WHERE target <> ''
    UNION ALL SELECT target, to_at, 0, 0, -1 FROM queued_spans WHERE target <> ''
),
steps AS (
    SELECT target, moment, lead(moment, 1, $end::TIMESTAMP) OVER w AS until, sum(run) OVER w AS run, sum(idle) OVER w AS idle, sum(wait) OVER w AS wait
    FROM (SELECT target, moment, sum(run) AS run, sum(idle) AS idle, sum(wait) AS wait FROM edges GROUP BY ALL) WINDOW w AS (PARTITION BY target ORDER BY moment)
),
-- a slot that changes hands is empty for a moment
full_of AS (
    SELECT s.*, m.slots, s.until > s.moment AND s.idle >= $share * m.slots AND s.wait > 0 AND s.run >= 0.9 * m.slots
        AND r.desired >= m.most AS held
    FROM steps s JOIN most m USING (target)
    ASOF LEFT JOIN (SELECT target, moment, first(desired) AS desired FROM replicas WHERE desired IS NOT NULL GROUP BY ALL) r ON r.target = s.target AND s.moment >= r.moment
),
spans AS (
    SELECT target, min(moment) AS from_at, max(until) AS to_at, any_value(slots) AS slots, max(idle) AS held, max(wait) AS waiting
    FROM (SELECT *, sum(CASE WHEN held THEN 0 ELSE 1 END) OVER (PARTITION BY target ORDER BY moment) AS island FROM full_of) WHERE held GROUP BY target, island
),
holders AS (
    SELECT s.target, s.from_at, string_agg(DISTINCT r.operator, ', ' ORDER BY r.operator) AS kinds, arg_min(r.dag_id || '/' || r.run_id || '/' || r.task_id, r.from_at) AS longest, min(r.from_at) AS since,
        list({'table': 'task_instances', 'ts': r.from_at, 'key': r.dag_id || '/' || r.run_id || '/' || r.task_id, 'text': 'running, ' || r.operator || ' on ' || r.host || ' for ' || CAST(date_diff('second', r.from_at, r.to_at) AS VARCHAR) || ' s'} ORDER BY r.from_at)[1:4] AS rows
    FROM spans s JOIN running r ON r.target = s.target AND r.idler AND r.from_at < s.to_at AND r.to_at > s.from_at GROUP BY ALL
),
full_size AS (
    SELECT s.target, s.from_at, arg_max(r.ts, r.moment) AS ts, arg_max(r.key, r.moment) AS key, arg_max(r.desired, r.moment) AS desired
    FROM spans s JOIN replicas r ON r.target = s.target AND r.moment <= s.from_at GROUP BY ALL
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, s.target, s.target AS subject,
    {'target': s.target, 'held': s.held, 'slots': s.slots, 'waiting': s.waiting, 'kinds': h.kinds, 'longest': h.longest, 'since': strftime(h.since, '%H:%M:%S')} AS params,
    0.85 AS confidence,
    h.rows || [{'table': 'workloads', 'ts': z.ts, 'key': z.key, 'text': 'spec.replicas = ' || z.desired || ' = maxReplicaCount'}] AS evidence
FROM spans s JOIN holders h USING (target, from_at) JOIN full_size z USING (target, from_at)
WHERE s.to_at >= s.from_at + to_seconds($long_s)
