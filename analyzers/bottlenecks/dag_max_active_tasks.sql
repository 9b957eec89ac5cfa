-- ---
-- id = "dag_max_active_tasks"
-- stage = "limits"
-- binds = "dag"
-- cap = true
-- component = "dag"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "dags"]
-- uses = ["log_lines"]
-- explains = ["tasks_waiting", "workers_idle"]
-- params.merge_s = 10
-- [text.en]
-- title = "{dag} runs {cap} of {cap} allowed tasks while {waiting} more are scheduled"
-- detail = "max_active_tasks of {dag} is {cap} ({scope}). Scheduled tasks are not queued, so the trigger does not count them and no worker is asked for."
-- remedy = "Raise max_active_tasks of {dag} above {cap} in its DAG() call (or [core] max_active_tasks_per_dag). In Airflow 3 the cap counts per run, in 2.x per DAG."
-- [text.zh]
-- name = "DAG 活动任务上限"
-- title = "{dag} 已达到 {cap} 个活动任务上限，另有 {waiting} 个任务处于 scheduled"
-- detail = "{dag} 的 max_active_tasks 为 {cap}（{scope}）。scheduled 状态的任务不会排队，触发器不统计，也就不会请求更多 worker。"
-- remedy = "在 DAG() 中把 {dag} 的 max_active_tasks 提高到 {cap} 以上（或调整 [core] max_active_tasks_per_dag）。Airflow 3 按每个运行计数，2.x 按 DAG 计数。"
-- ---
WITH capped AS (
    SELECT o.*, d.max_active_tasks AS cap, d.ts AS dag_ts,
        CASE WHEN o.moment <= max(o.until) OVER (PARTITION BY o.subject, o.run_id ORDER BY o.moment ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            + to_seconds($merge_s) THEN 0 ELSE 1 END AS opens
    FROM occupancy o
    CROSS JOIN airflow
    ASOF JOIN dag_settings d ON d.dag_id = o.subject AND o.moment >= d.since
    WHERE o.scope = CASE WHEN airflow.major >= 3 THEN 'run' ELSE 'dag' END
        AND o.waiting > 0 AND d.max_active_tasks > 0 AND o.held >= d.max_active_tasks AND o.until > o.moment
),
islands AS (SELECT *, sum(opens) OVER (PARTITION BY subject, run_id ORDER BY moment) AS island FROM capped),
spans AS (
    SELECT subject, run_id, min(moment) AS from_at, max(until) AS to_at, max(cap) AS cap, max(held) AS held, max(waiting) AS waiting, min(dag_ts) AS dag_ts
    FROM islands GROUP BY subject, run_id, island
),
lines AS (
    SELECT d.subject, l.ts, first(l.pod) AS pod, first(l.text) AS text
    FROM log_lines l JOIN (SELECT DISTINCT subject FROM spans) d ON contains(l.text, d.subject)
    WHERE l.pattern = 'limit.dag_active_tasks' GROUP BY d.subject, l.ts
),
-- the first of each span
said AS (
    SELECT s.subject, s.run_id, s.from_at, l.ts, l.pod, l.text
    FROM spans s ASOF JOIN lines l ON l.subject = s.subject AND s.from_at <= l.ts WHERE l.ts <= s.to_at
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, '' AS target, s.subject, s.run_id,
    {'dag': s.subject, 'cap': s.cap, 'waiting': s.waiting, 'scope': CASE WHEN s.run_id IS NULL THEN 'per DAG' ELSE 'per run' END} AS params,
    CASE WHEN l.ts IS NULL THEN 0.92 ELSE 0.98 END AS confidence,
    [{'table': 'dags', 'ts': s.dag_ts, 'key': s.subject, 'text': 'max_active_tasks = ' || s.cap},
     {'table': 'task_instances', 'ts': s.from_at, 'key': s.subject, 'text': s.held || ' queued or running, ' || s.waiting || ' scheduled at ' || strftime(s.from_at, '%H:%M:%S')}]
    || CASE WHEN l.ts IS NULL THEN [] ELSE [{'table': 'log_lines', 'ts': l.ts, 'key': l.pod, 'text': l.text}] END AS evidence
FROM spans s LEFT JOIN said l ON l.subject = s.subject AND l.run_id IS NOT DISTINCT FROM s.run_id AND l.from_at = s.from_at
