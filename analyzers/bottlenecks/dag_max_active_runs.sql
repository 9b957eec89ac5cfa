-- ---
-- id = "dag_max_active_runs"
-- stage = "run"
-- binds = "dag"
-- cap = true
-- component = "dag"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "dags"]
-- explains = ["tasks_waiting", "workers_idle", "metric_zero_with_demand"]
-- params.end = "1970-01-01"
-- params.merge_s = 10
-- [text.en]
-- title = "{waiting} runs of {dag} wait because {cap} of {cap} allowed runs are active"
-- detail = "max_active_runs of {dag} is {cap}. Queued runs have no tasks in the table, so the trigger does not count them; each starts only when a running one ends."
-- remedy = "Raise max_active_runs of {dag} above {cap} in its DAG() call (or [core] max_active_runs_per_dag), or find out why its running run takes so long; dagrun_timeout limits a stuck one."
-- [text.zh]
-- name = "DAG 活动运行上限"
-- title = "{dag} 有 {waiting} 个运行在等待：允许的 {cap} 个活动运行已满"
-- detail = "{dag} 的 max_active_runs 为 {cap}。排队的运行在任务表中没有可统计的任务，触发器看不到它们；只有正在运行的运行结束后，下一个才会开始。"
-- remedy = "在 DAG() 中把 {dag} 的 max_active_runs 提高到 {cap} 以上（或调整 [core] max_active_runs_per_dag），或查明正在运行的运行为何耗时过长；dagrun_timeout 可限制卡住的运行。"
-- ---
WITH spans AS (
    SELECT dag_id, coalesce(backfill_id, -1) AS backfill, started_at AS from_at, coalesce(ended_at, $end::TIMESTAMP) AS to_at, 1 AS running, 0 AS queued
    FROM runs WHERE started_at IS NOT NULL
    UNION ALL
    SELECT dag_id, coalesce(backfill_id, -1), queued_at, coalesce(started_at, ended_at, $end::TIMESTAMP), 0, 1 FROM runs
),
deltas AS (
    SELECT dag_id, backfill, from_at AS moment, running, queued FROM spans WHERE to_at > from_at
    UNION ALL SELECT dag_id, backfill, to_at, -running, -queued FROM spans WHERE to_at > from_at
),
steps AS (
    SELECT dag_id, backfill, moment, lead(moment, 1, $end::TIMESTAMP) OVER w AS until, sum(running) OVER w AS running, sum(queued) OVER w AS queued
    FROM (SELECT dag_id, backfill, moment, sum(running) AS running, sum(queued) AS queued FROM deltas GROUP BY ALL)
    WINDOW w AS (PARTITION BY dag_id, backfill ORDER BY moment)
),
capped AS (
    SELECT s.*, d.max_active_runs AS cap, d.ts AS dag_ts,
        CASE WHEN s.moment <= max(s.until) OVER (PARTITION BY s.dag_id, s.backfill ORDER BY s.moment ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            + to_seconds($merge_s) THEN 0 ELSE 1 END AS opens
    FROM steps s ASOF JOIN dag_settings d ON d.dag_id = s.dag_id AND s.moment >= d.since
    WHERE s.queued > 0 AND d.max_active_runs > 0 AND s.running >= d.max_active_runs AND s.until > s.moment
),
islands AS (
    SELECT *, sum(opens) OVER (PARTITION BY dag_id, backfill ORDER BY moment) AS island FROM capped
)
SELECT min(moment) AS started_at, max(until) AS ended_at, '' AS target, dag_id AS subject,
    {'dag': dag_id, 'cap': max(cap), 'waiting': max(queued)} AS params, 0.95 AS confidence,
    [{'table': 'dags', 'ts': min(dag_ts), 'key': dag_id, 'text': 'max_active_runs = ' || max(cap)},
     {'table': 'dag_runs', 'ts': min(moment), 'key': dag_id, 'text': max(running) || ' running and ' || max(queued) || ' queued runs at ' || strftime(min(moment), '%H:%M:%S')}] AS evidence
FROM islands GROUP BY dag_id, backfill, island
