-- ---
-- id = "dag_paused"
-- stage = "run"
-- holds = ["run", "schedule", "limits"]
-- binds = "dag"
-- component = "dag"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "dags"]
-- explains = ["tasks_waiting", "metric_zero_with_demand", "workers_idle"]
-- uses = ["db_log", "log_lines"]
-- params.end = "1970-01-01"
-- [text.en]
-- title = "DAG {dag} is paused while {runs} of its runs wait"
-- detail = "A paused DAG starts no runs and queues no tasks: {tasks} tasks of {dag} stayed out of the table that the trigger counts. KEDA and the HPA had nothing to scale for."
-- remedy = "Unpause {dag} (airflow dags unpause {dag}), or delete the waiting runs; alert on runs triggered for paused DAGs."
-- [text.zh]
-- name = "DAG 已暂停"
-- title = "DAG {dag} 已暂停，仍有 {runs} 个运行在等待"
-- detail = "暂停的 DAG 不会启动运行，也不会把任务排入队列：{dag} 的 {tasks} 个任务没有进入触发器统计的状态，KEDA 和 HPA 没有扩容的依据。"
-- remedy = "取消暂停 {dag}（airflow dags unpause {dag}），或删除等待中的运行；并对“向已暂停的 DAG 触发运行”设置告警。"
-- ---
WITH flips AS (
    SELECT dag_id, is_paused, seen_at AS moment,
        lead(seen_at, 1, $end::TIMESTAMP) OVER (PARTITION BY dag_id ORDER BY seen_at) AS until
    FROM dags WHERE change <> 'DELETED'
),
paused AS (SELECT dag_id, min(moment) AS from_at, max(until) AS to_at FROM (
    SELECT *, sum(CASE WHEN is_paused THEN 0 ELSE 1 END) OVER (PARTITION BY dag_id ORDER BY moment) AS island FROM flips
) WHERE is_paused GROUP BY dag_id, island),
held AS (
    SELECT p.dag_id, p.from_at, p.to_at, count(*) AS tasks, count(DISTINCT w.run_id) AS runs,
        min(greatest(p.from_at, w.runnable_at)) AS started_at, max(least(p.to_at, w.queued_at, w.wait_ended_at)) AS ended_at,
        min(w.run_id) AS run_id
    FROM paused p JOIN waiting w ON w.dag_id = p.dag_id AND w.runnable_at < p.to_at AND least(w.queued_at, w.wait_ended_at) > p.from_at
    GROUP BY ALL
),
-- who did it: a person, or Airflow itself after max_consecutive_failed_dag_runs (2.9 and later)
told AS (
    SELECT dag_id, 'db_log' AS source, ts, dag_id AS key, 'event paused by ' || coalesce(owner, 'Airflow itself') AS text FROM db_log WHERE event = 'paused'
    UNION ALL
    SELECT json_extract_string(fields, '$.dag_id'), 'log_lines', ts, coalesce(pod, ''), text FROM log_lines WHERE pattern = 'sched.auto_pause'
),
who AS (
    SELECT p.dag_id, p.from_at, arg_max(t.source, t.ts) AS source, max(t.ts) AS ts, arg_max(t.key, t.ts) AS key, arg_max(t.text, t.ts) AS text
    FROM paused p JOIN told t ON t.dag_id = p.dag_id AND t.ts <= p.from_at + INTERVAL 5 SECOND GROUP BY p.dag_id, p.from_at
)
SELECT h.started_at, h.ended_at, '' AS target, h.dag_id AS subject,
    {'dag': h.dag_id, 'runs': h.runs, 'tasks': h.tasks} AS params, 0.97 AS confidence,
    [{'table': 'dags', 'ts': d.ts, 'key': h.dag_id, 'text': 'is_paused = true'},
     {'table': 'dag_runs', 'ts': r.ts, 'key': h.dag_id || '/' || h.run_id, 'text': 'state = ' || r.state || ', queued_at = ' || strftime(r.queued_at, '%H:%M:%S')}]
    || CASE WHEN w.ts IS NULL THEN [] ELSE [{'table': w.source, 'ts': w.ts, 'key': w.key, 'text': w.text}] END AS evidence
FROM held h
LEFT JOIN who w ON w.dag_id = h.dag_id AND w.from_at = h.from_at
JOIN dags d ON d.dag_id = h.dag_id AND d.seen_at = h.from_at AND d.is_paused
JOIN (SELECT * FROM dag_runs QUALIFY row_number() OVER (PARTITION BY dag_id, run_id ORDER BY seen_at DESC) = 1) r
    ON r.dag_id = h.dag_id AND r.run_id = h.run_id
