-- ---
-- id = "scheduler_slow"
-- stage = "limits"
-- holds = ["run", "schedule", "limits"]
-- binds = "all"
-- component = "scheduler"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "jobs", "polls"]
-- uses = ["airflow_config"]
-- explains = ["tasks_waiting", "replicas_below_demand", "workers_idle", "metric_zero_with_demand"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.ordinary_s = 60
-- params.loop_s = 10
-- params.quiet_s = 30
-- [text.en]
-- title = "The scheduler's loop is too slow for the load: {what}"
-- detail = "{why}. It lives all the while, and no cap explains the wait. What is not queued yet is invisible to the trigger."
-- remedy = "{fix}"
-- variants.what-batch = "{batches} loops in a row queued all the {size} tasks that one may"
-- variants.what-revisit = "running runs were looked at every {seconds} s only"
-- variants.what-loop = "{batches} loops in a row took {seconds} s each"
-- variants.why-batch = "Tasks were ready faster than max_tis_per_query ({size}) per loop lets them through"
-- variants.why-revisit = "A loop looks at {size} running runs, and {runs} were running"
-- variants.why-loop = "Decisions on running runs came no closer than that, while the metadata DB answered our own polls"
-- variants.fix-batch = "Raise AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY above {size} (0: as many as there are slots), or run a second scheduler (scheduler.replicas in the chart)."
-- variants.fix-revisit = "Raise AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE above {size}, run a second scheduler (scheduler.replicas), or lower max_active_runs of DAGs with a backlog."
-- variants.fix-loop = "Give the scheduler CPU (scheduler.resources; look for throttling), look for slow publishing to the broker (AIRFLOW__CELERY__SYNC_PARALLELISM, OPERATION_TIMEOUT) and for slow queries; run a second scheduler."
-- [text.zh]
-- name = "调度器过慢"
-- title = "调度器循环跟不上负载：{what}"
-- detail = "{why}。调度器一直存活，也没有任何上限可以解释等待。尚未排队的任务对触发器不可见。"
-- remedy = "{fix}"
-- variants.what-batch = "连续 {batches} 个循环都排满了单次上限 {size} 个任务"
-- variants.what-revisit = "运行中的运行每 {seconds} 秒才被检查一次"
-- variants.what-loop = "连续 {batches} 个循环各耗时 {seconds} 秒"
-- variants.why-batch = "任务就绪的速度超过了每个循环 max_tis_per_query（{size}）所能放行的数量"
-- variants.why-revisit = "每个循环检查 {size} 个运行，而当时有 {runs} 个运行在进行"
-- variants.why-loop = "对运行的调度决策间隔都不短于此，而元数据库正常响应了我们的轮询"
-- variants.fix-batch = "把 AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY 提高到 {size} 以上（0 表示与槽位数相同），或增加一个调度器（chart 的 scheduler.replicas）。"
-- variants.fix-revisit = "把 AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE 提高到 {size} 以上，增加一个调度器（scheduler.replicas），或降低积压 DAG 的 max_active_runs。"
-- variants.fix-loop = "给调度器更多 CPU（scheduler.resources，检查限流），检查向 broker 发布是否缓慢（AIRFLOW__CELERY__SYNC_PARALLELISM、OPERATION_TIMEOUT）以及慢查询；增加一个调度器。"
-- ---
-- Three ways in which a living loop falls behind. A loop writes one queued_dttm for all tasks that it queues, and
-- last_scheduling_decision for each run that it looks at. What the first minute costs is ordinary.
WITH lives AS (SELECT moment, lag(moment) OVER (ORDER BY moment) AS before FROM scheduler_life),
batches AS (
    SELECT coalesce(queued_by_job_id, 0) AS job, queued_dttm AS moment, count(DISTINCT (dag_id, run_id, task_id, map_index)) AS n
    FROM task_instances WHERE queued_dttm >= $start::TIMESTAMP AND change <> 'DELETED' GROUP BY ALL
),
chains AS (
    SELECT b.*, a.max_tis, sum(CASE WHEN b.n < a.max_tis OR b.gap > INTERVAL 30 SECOND THEN 1 ELSE 0 END) OVER (PARTITION BY b.job ORDER BY b.moment) AS chain
    FROM (SELECT *, moment - lag(moment) OVER (PARTITION BY job ORDER BY moment) AS gap FROM batches) b CROSS JOIN airflow a
),
full_batches AS (
    SELECT 'batch' AS kind, '' AS dag_id, '' AS run_id, min(moment) AS first_at, min(moment) + to_seconds($ordinary_s) AS from_at, max(moment) AS to_at,
        count(*) AS batches, any_value(max_tis) AS size, 0 AS seconds, 0 AS runs
    FROM chains WHERE n >= max_tis GROUP BY job, chain
),
looks AS (SELECT DISTINCT dag_id, run_id, last_scheduling_decision AS moment FROM dag_runs WHERE last_scheduling_decision IS NOT NULL),
-- from one look at a run to the next, also to the end while others are looked at
gaps_of_runs AS (
    SELECT l.dag_id, l.run_id, l.moment, least(lead(l.moment, 1, 'infinity'::TIMESTAMP) OVER (PARTITION BY l.dag_id, l.run_id ORDER BY l.moment), coalesce(r.ended_at, 'infinity'), $end::TIMESTAMP) AS next_at
    FROM looks l JOIN runs r ON r.dag_id = l.dag_id AND r.run_id = l.run_id
    -- backfill runs of Airflow 3 come after all others: run_starvation
    WHERE r.backfill_id IS NULL
),
revisits AS (
    SELECT g.*, a.runs_per_loop AS size,
        (SELECT count(DISTINCT (l.dag_id, l.run_id)) FROM looks l WHERE l.moment > g.moment AND l.moment < g.next_at) AS others,
        (SELECT count(*) FROM runs r WHERE r.started_at <= g.moment AND coalesce(r.ended_at, 'infinity') >= g.next_at) AS runs
    FROM gaps_of_runs g CROSS JOIN airflow a
    WHERE g.next_at > g.moment + to_seconds($ordinary_s + $quiet_s)
        AND NOT EXISTS (FROM dag_settings d WHERE d.dag_id = g.dag_id AND (d.is_paused OR NOT coalesce(d.is_active, true)))
),
slow_revisits AS (
    SELECT 'revisit', dag_id, run_id, moment, moment + to_seconds($ordinary_s), next_at, 1, size, date_diff('second', moment, next_at), runs
    FROM revisits WHERE others >= size AND runs > size
),
-- decisions less than two seconds apart are one loop's
loops AS (SELECT moment, lead(moment) OVER (ORDER BY moment) AS next_at FROM (
    SELECT moment, moment - lag(moment) OVER (ORDER BY moment) AS gap FROM (SELECT DISTINCT moment FROM looks)) WHERE gap IS NULL OR gap > INTERVAL 2 SECOND),
judged AS (
    SELECT l.*, l.next_at >= l.moment + to_seconds($loop_s)
        AND EXISTS (FROM runs r WHERE r.started_at <= l.moment AND coalesce(r.ended_at, 'infinity') >= l.next_at)
        AND (SELECT count(*) FROM polls p WHERE p.outcome = 'ok' AND p.duration_ms < 2000 AND p.ts BETWEEN l.moment AND l.next_at) >= 3
        AND (SELECT count(*) FROM polls p WHERE NOT (p.outcome = 'ok' AND p.duration_ms < 2000) AND p.ts BETWEEN l.moment AND l.next_at) = 0 AS slow
    FROM loops l WHERE l.next_at IS NOT NULL
),
slow_loops AS (
    SELECT 'loop', '', '', min(moment), min(moment), max(next_at), count(*), 0, CAST(round(median(date_diff('millisecond', moment, next_at)) / 1000.0) AS BIGINT), 0
    FROM (SELECT *, sum(CASE WHEN slow THEN 0 ELSE 1 END) OVER (ORDER BY moment) AS island FROM judged) WHERE slow GROUP BY island HAVING count(*) >= 3
),
found AS (
    FROM full_batches WHERE to_at > from_at
    UNION ALL FROM slow_revisits UNION ALL FROM slow_loops
)
SELECT f.from_at AS started_at, f.to_at AS ended_at, '' AS target, 'scheduler' AS subject, nullif(f.dag_id, '') AS dag_id, nullif(f.run_id, '') AS run_id,
    {'what': 'what-' || f.kind, 'why': 'why-' || f.kind, 'fix': 'fix-' || f.kind, 'batches': f.batches, 'size': f.size, 'seconds': f.seconds, 'runs': f.runs} AS params,
    CASE f.kind WHEN 'batch' THEN 0.93 WHEN 'revisit' THEN 0.9 ELSE 0.85 END AS confidence,
    CASE WHEN f.kind = 'batch' THEN [{'table': 'task_instances', 'ts': f.first_at, 'key': 'queued_dttm', 'text': f.batches || ' batches of ' || f.size || ' from ' || strftime(f.first_at, '%H:%M:%S') || ' to ' || strftime(f.to_at, '%H:%M:%S')}]
        ELSE [{'table': 'dag_runs', 'ts': f.first_at, 'key': CASE WHEN f.dag_id = '' THEN 'last_scheduling_decision' ELSE f.dag_id || '/' || f.run_id END, 'text': 'last_scheduling_decision ' || strftime(f.first_at, '%H:%M:%S') || ', the next ' || f.seconds || ' s later'}] END
    || (SELECT list({'table': 'jobs', 'ts': j.ts, 'key': 'id=' || j.id, 'text': 'SchedulerJob running, heartbeat ' || strftime(j.latest_heartbeat, '%H:%M:%S')} ORDER BY j.ts DESC)[1:1] FROM jobs j
        WHERE j.job_type = 'SchedulerJob' AND j.state = 'running' AND j.ts <= f.to_at) AS evidence
FROM found f
-- a scheduler that stood still is scheduler_down
WHERE NOT EXISTS (FROM lives l WHERE l.before < f.to_at AND l.moment > f.from_at AND l.moment > l.before + INTERVAL 30 SECOND)
    AND EXISTS (FROM lives l WHERE l.moment BETWEEN f.from_at AND f.to_at)
