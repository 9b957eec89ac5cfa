-- ---
-- id = "max_replicas_out_of_reach"
-- group = "lint"
-- stage = "decide"
-- component = "airflow-config"
-- severity = "medium"
-- needs = ["scaledobjects", "workloads", "jobs", "task_instances", "airflow_config"]
-- uses = ["pods"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "maxReplicaCount {most} of {target} is out of reach: parallelism allows {reach} worker(s)"
-- detail = "{schedulers} scheduler(s) with [core] parallelism {parallelism} let at most {cap} tasks be queued or running; at {slots} a worker, the metric can never ask for more than {reach}."
-- remedy = "parallelism of at least maxReplicaCount x worker_concurrency / schedulers ({wanted}), or a maxReplicaCount that can be used. The chart's defaults (32, 16, 10) reach two workers."
-- [text.zh]
-- name = "maxReplicaCount 无法达到"
-- title = "{target} 的 maxReplicaCount {most} 无法达到：parallelism 只允许 {reach} 个 worker"
-- detail = "{schedulers} 个调度器，[core] parallelism {parallelism}，最多允许 {cap} 个任务排队或运行；每个 worker {slots} 个槽位，指标永远不会请求超过 {reach} 个。"
-- remedy = "parallelism 至少为 maxReplicaCount × worker_concurrency ÷ 调度器数（{wanted}），或把 maxReplicaCount 降到用得上的值。chart 默认值（32、16、10）只能达到两个 worker。"
-- ---
WITH schedulers AS (SELECT count(DISTINCT id) AS n, min(ts) AS ts FROM jobs WHERE job_type = 'SchedulerJob' AND state = 'running'),
setting AS (SELECT min(ts) AS ts, any_value(scope) AS scope FROM airflow_config WHERE key = 'core.parallelism'),
slots AS (SELECT target, max(slots) AS slots FROM worker_pods GROUP BY target),
known AS (
    SELECT t.target, t.max_replica_count AS most, coalesce(p.slots, t.worker_concurrency) AS slots, a.parallelism, s.n, a.parallelism * s.n AS cap, c.ts, c.scope,
        (SELECT min(o.ts) FROM scaledobjects o WHERE o.uid = t.scaledobject_uid) AS so_ts
    FROM targets t CROSS JOIN airflow a CROSS JOIN schedulers s CROSS JOIN setting c LEFT JOIN slots p ON p.target = t.target
    WHERE a.parallelism_known AND s.n > 0
)
SELECT $start::TIMESTAMP AS started_at, $end::TIMESTAMP AS ended_at, target, target AS subject,
    {'target': target, 'most': most, 'reach': CAST(ceil(cap / slots) AS BIGINT), 'schedulers': n, 'parallelism': parallelism, 'cap': cap, 'slots': slots, 'wanted': CAST(ceil(most * slots / n) AS BIGINT)} AS params, 0.95 AS confidence,
    [{'table': 'airflow_config', 'ts': ts, 'key': scope, 'text': 'core.parallelism = ' || parallelism}, {'table': 'scaledobjects', 'ts': so_ts, 'key': target, 'text': 'maxReplicaCount = ' || most}] AS evidence
FROM known WHERE ceil(cap / slots) < most
