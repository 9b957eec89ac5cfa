-- ---
-- id = "unreachable_max_replicas"
-- stage = "decide"
-- component = "airflow-config"
-- severity = "info"
-- ordinary = true
-- needs = ["task_instances", "dag_runs", "scaledobjects", "dags", "pools", "jobs"]
-- uses = ["airflow_config", "workloads", "pods"]
-- params.end = "1970-01-01"
-- params.min_s = 30
-- [text.en]
-- title = "Airflow's own limits never let {target} ask for more than {reach} of its {most} workers"
-- detail = "{limit} lets at most {cap} tasks be queued or running; a worker has {slots} slots. Demand sat at that for {seconds} s while tasks were scheduled: those wait for the limit (see its own finding), and maxReplicaCount {most} is out of reach. Ceilings in tasks: parallelism {parallelism}, pools {pools}, DAGs {dags}."
-- remedy = "Raise {limit} towards maxReplicaCount x worker_concurrency ({wanted} tasks), or lower maxReplicaCount to what can be used. The chart's defaults (parallelism 32, worker_concurrency 16) never ask for more than two workers per scheduler."
-- variants.by_parallelism = "[core] parallelism x schedulers"
-- variants.by_pools = "the sum of the pools' slots"
-- variants.by_dags = "max_active_tasks of the DAGs"
-- [text.zh]
-- name = "无法达到的 maxReplicaCount"
-- title = "Airflow 自身的限制使 {target} 最多只能请求 {most} 个 worker 中的 {reach} 个"
-- detail = "{limit} 最多允许 {cap} 个任务排队或运行；一个 worker 有 {slots} 个槽位。需求有 {seconds} 秒停在此处，同时有任务处于 scheduled：它们等待的是该限制（见其自己的结论），maxReplicaCount {most} 无法达到。以任务数计的上限：parallelism {parallelism}，资源池 {pools}，DAG {dags}。"
-- remedy = "把 {limit} 提高到接近 maxReplicaCount × worker_concurrency（{wanted} 个任务），或把 maxReplicaCount 降到用得上的值。chart 默认值（parallelism 32，worker_concurrency 16）每个调度器最多只会请求两个 worker。"
-- variants.by_parallelism = "[core] parallelism × 调度器数"
-- variants.by_pools = "资源池槽位之和"
-- variants.by_dags = "各 DAG 的 max_active_tasks"
-- ---
-- airflow.md 3.4. Each waiting second belongs to the cap that binds; this says what the caps make of maxReplicaCount.
WITH mine AS (
    SELECT s.target, a.dag_id, a.run_id, a.pool, a.scheduled_at, a.queued_at, coalesce(a.ended_at, a.failed_seen_at) AS over_at
    FROM attempts a JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt) WHERE s.target <> ''
),
schedulers AS (SELECT greatest(1, count(DISTINCT id)) AS n, min(ts) AS ts FROM jobs WHERE job_type = 'SchedulerJob' AND state = 'running'),
pools_used AS (
    SELECT m.target, CASE WHEN bool_or(p.slots < 0) THEN NULL ELSE sum(p.slots) END AS cap, min(p.ts) AS ts
    FROM (SELECT DISTINCT target, pool FROM mine) m JOIN (SELECT pool, arg_max(slots, seen_at) AS slots, max(ts) AS ts FROM pools GROUP BY pool) p USING (pool) GROUP BY m.target
),
dags_used AS (
    SELECT m.target, sum(d.most * CASE WHEN airflow.major >= 3 THEN m.runs ELSE 1 END) AS cap, min(d.ts) AS ts
    FROM (SELECT target, dag_id, count(DISTINCT run_id) AS runs FROM mine GROUP BY ALL) m
    JOIN (SELECT dag_id, arg_max(max_active_tasks, seen_at) AS most, max(ts) AS ts FROM dags GROUP BY dag_id) d USING (dag_id) CROSS JOIN airflow GROUP BY m.target
),
caps AS (
    SELECT t.target, t.max_replica_count AS most, coalesce(t.worker_concurrency, 16) AS slots, a.parallelism * s.n AS parallelism, p.cap AS pools, d.cap AS dags,
        least(a.parallelism * s.n, coalesce(p.cap, 2147483647), coalesce(d.cap, 2147483647)) AS cap, s.ts AS jobs_at, p.ts AS pools_at, d.ts AS dags_at
    FROM targets t CROSS JOIN airflow a CROSS JOIN schedulers s LEFT JOIN pools_used p USING (target) LEFT JOIN dags_used d USING (target)
),
edges AS (
    SELECT target, queued_at AS moment, 1 AS open, 0 AS waiting FROM mine WHERE queued_at IS NOT NULL
    UNION ALL SELECT target, over_at, -1, 0 FROM mine WHERE queued_at IS NOT NULL AND over_at >= queued_at
    UNION ALL SELECT target, scheduled_at, 0, 1 FROM mine WHERE scheduled_at IS NOT NULL
    UNION ALL SELECT target, coalesce(queued_at, over_at), 0, -1 FROM mine WHERE scheduled_at IS NOT NULL AND coalesce(queued_at, over_at) >= scheduled_at
),
steps AS (
    SELECT target, moment, lead(moment, 1, $end::TIMESTAMP) OVER w AS until, sum(open) OVER w AS open, sum(waiting) OVER w AS waiting
    FROM (SELECT target, moment, sum(open) AS open, sum(waiting) AS waiting FROM edges GROUP BY ALL) WINDOW w AS (PARTITION BY target ORDER BY moment)
),
sat AS (
    SELECT c.*, min(s.moment) AS from_at, max(s.until) AS to_at, max(s.open) AS open, max(s.waiting) AS waiting, arg_max(s.moment, s.open) AS peak_at, sum(date_diff('millisecond', s.moment, s.until)) / 1000.0 AS seconds
    FROM caps c JOIN steps s ON s.target = c.target AND s.waiting > 0 AND s.open >= c.cap AND s.until > s.moment
    WHERE ceil(c.cap / c.slots) < c.most GROUP BY ALL
)
SELECT from_at AS started_at, to_at AS ended_at, target, target AS subject,
    {'target': target, 'reach': CAST(ceil(cap / slots) AS BIGINT), 'most': most, 'cap': cap, 'slots': slots, 'wanted': most * slots, 'seconds': CAST(round(seconds) AS BIGINT),
     'parallelism': parallelism, 'pools': coalesce(CAST(pools AS VARCHAR), '-'), 'dags': coalesce(CAST(dags AS VARCHAR), '-'),
     'limit': CASE cap WHEN dags THEN 'by_dags' WHEN pools THEN 'by_pools' ELSE 'by_parallelism' END} AS params,
    0.85 AS confidence,
    [{'table': 'task_instances', 'ts': peak_at, 'key': target, 'text': open || ' queued or running, up to ' || waiting || ' scheduled'},
     {'table': CASE cap WHEN dags THEN 'dags' WHEN pools THEN 'pools' ELSE 'jobs' END, 'ts': CASE cap WHEN dags THEN dags_at WHEN pools THEN pools_at ELSE jobs_at END, 'key': target, 'text': 'at most ' || cap || ' tasks queued or running'}] AS evidence
FROM sat WHERE seconds >= $min_s
