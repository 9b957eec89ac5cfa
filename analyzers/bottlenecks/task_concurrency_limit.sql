-- ---
-- id = "task_concurrency_limit"
-- stage = "limits"
-- binds = "all"
-- cap = true
-- component = "dag"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "dags"]
-- uses = ["log_lines", "pools", "jobs", "airflow_config"]
-- explains = ["tasks_waiting", "workers_idle"]
-- params.end = "1970-01-01"
-- params.merge_s = 15
-- params.min_s = 30
-- [text.en]
-- title = "{dag}.{task} may run {cap} at a time{scope}, and {waiting} more of it are scheduled"
-- detail = "{why}. Its siblings stay scheduled, the trigger does not count them, and no worker is asked for."
-- remedy = "Raise {option} of task {task} above {cap} in the DAG's file if more may run at once; if the cap protects another system, a pool does that across DAGs."
-- variants.per-dag = " over all runs of the DAG"
-- variants.per-run = " in one run"
-- variants.option-dag = "max_active_tis_per_dag (task_concurrency before 2.2)"
-- variants.option-run = "max_active_tis_per_dagrun"
-- variants.why-log = "The scheduler says so in its log"
-- variants.why-rows = "The DAG has per-task caps (has_task_concurrency_limits), and never more than {cap} were queued or running while others waited, though pool, executor and DAG had room"
-- [text.zh]
-- name = "任务并发上限"
-- title = "{dag}.{task} 同时最多运行 {cap} 个{scope}，另有 {waiting} 个处于 scheduled"
-- detail = "{why}。其余实例停留在 scheduled，触发器不统计，也就不会请求更多 worker。"
-- remedy = "如果允许更多并发，在 DAG 文件中把任务 {task} 的 {option} 提高到 {cap} 以上；如果该上限用于保护外部系统，可改用跨 DAG 的资源池。"
-- variants.per-dag = "（DAG 的所有运行合计）"
-- variants.per-run = "（每个运行内）"
-- variants.option-dag = "max_active_tis_per_dag（2.2 之前为 task_concurrency）"
-- variants.option-run = "max_active_tis_per_dagrun"
-- variants.why-log = "调度器日志明确说明了这一点"
-- variants.why-rows = "该 DAG 设有任务级上限（has_task_concurrency_limits），其他实例等待时排队和运行的从未超过 {cap} 个，而资源池、执行器和 DAG 都有余量"
-- ---
-- The cap itself stands in the serialized DAG, which nobody records: it is the plateau at which the task's queued and
-- running instances stay while siblings wait (deferred ones count too since 3.3). Without the scheduler's word the
-- plateau must have no other explanation.
WITH held AS (
    SELECT dag_id, run_id, task_id, queued_at AS from_at,
        coalesce(ended_at, CASE WHEN last_state IN ('failed', 'up_for_retry') THEN failed_seen_at END, $end::TIMESTAMP) AS to_at
    FROM attempts a WHERE queued_at IS NOT NULL
        AND NOT EXISTS (FROM stays s WHERE s.dag_id = a.dag_id AND s.run_id = a.run_id AND s.task_id = a.task_id AND s.map_index = a.map_index AND s.attempt = a.attempt)
    UNION ALL
    SELECT s.dag_id, s.run_id, s.task_id, s.from_at, s.to_at FROM stays s CROSS JOIN airflow
    WHERE s.state IN ('queued', 'running', 'restarting') OR (s.state = 'deferred' AND airflow.release >= 303)
),
held_up AS (
    SELECT dag_id, run_id, task_id, pool, pool_slots, scheduled_at AS from_at, least(queued_at, wait_ended_at) AS to_at FROM waiting
    WHERE scheduled_at < least(queued_at, wait_ended_at)
        -- only of these a plateau may be told below
        AND (dag_id IN (SELECT dag_id FROM dags WHERE has_task_concurrency_limits) OR EXISTS (FROM log_lines l WHERE l.pattern IN ('limit.task_concurrency', 'limit.task_concurrency_dagrun')))
),
wanted AS (SELECT dag_id, task_id, max(pool) AS pool, max(pool_slots) AS pool_slots FROM held_up GROUP BY ALL),
spans AS (
    SELECT h.dag_id, h.run_id, h.task_id, h.from_at, h.to_at, 1 AS held, 0 AS waiting FROM held h SEMI JOIN wanted USING (dag_id, task_id) WHERE h.to_at > h.from_at
    UNION ALL SELECT dag_id, run_id, task_id, from_at, to_at, 0, 1 FROM held_up
),
scoped AS (SELECT 'dag' AS scope, NULL AS run, * FROM spans UNION ALL SELECT 'run', run_id, * FROM spans),
deltas AS (
    SELECT scope, dag_id, task_id, run, from_at AS moment, held, waiting FROM scoped
    UNION ALL SELECT scope, dag_id, task_id, run, to_at, -held, -waiting FROM scoped
),
steps AS (
    SELECT scope, dag_id, task_id, run, moment, lead(moment, 1, $end::TIMESTAMP) OVER w AS until, sum(held) OVER w AS held, sum(waiting) OVER w AS waiting
    FROM (SELECT scope, dag_id, task_id, run, moment, sum(held) AS held, sum(waiting) AS waiting FROM deltas GROUP BY ALL)
    WINDOW w AS (PARTITION BY scope, dag_id, task_id, run ORDER BY moment)
),
tops AS (SELECT *, max(held) OVER (PARTITION BY scope, dag_id, task_id, run) AS cap FROM steps),
full_steps AS (
    SELECT *, CASE WHEN moment <= max(until) OVER (PARTITION BY scope, dag_id, task_id, run ORDER BY moment ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        + to_seconds($merge_s) THEN 0 ELSE 1 END AS opens
    FROM tops WHERE waiting > 0 AND held = cap AND cap > 0 AND until > moment
),
islands AS (
    SELECT scope, dag_id, task_id, run, any_value(cap) AS cap, min(moment) AS from_at, max(until) AS to_at, max(waiting) AS waiting
    FROM (SELECT *, sum(opens) OVER (PARTITION BY scope, dag_id, task_id, run ORDER BY moment) AS island FROM full_steps) GROUP BY scope, dag_id, task_id, run, island
),
said AS (
    SELECT i.scope, i.dag_id, i.task_id, i.run, i.from_at, min(l.ts) AS ts, arg_min(l.pod, l.ts) AS pod, arg_min(l.text, l.ts) AS text
    FROM islands i JOIN log_lines l ON l.pattern = CASE i.scope WHEN 'dag' THEN 'limit.task_concurrency' ELSE 'limit.task_concurrency_dagrun' END
        AND l.ts BETWEEN i.from_at - INTERVAL 2 SECOND AND i.to_at AND contains(l.text, 'TaskInstance: ' || i.dag_id || '.' || i.task_id || ' ') AND (i.run IS NULL OR contains(l.text, i.run))
    GROUP BY ALL
),
-- what else could have kept them: nothing of it may have been full at any moment of the plateau
roomy AS (
    SELECT i.* FROM islands i JOIN wanted w USING (dag_id, task_id) CROSS JOIN airflow
    WHERE i.to_at >= i.from_at + to_seconds($min_s)
        AND EXISTS (FROM dags d WHERE d.dag_id = i.dag_id AND d.has_task_concurrency_limits)
        AND NOT EXISTS (FROM occupancy o JOIN pool_settings p ON p.pool = o.subject WHERE o.scope = 'pool' AND o.subject = w.pool AND o.moment < i.to_at AND o.until > i.from_at AND p.slots >= 0 AND o.slots_held + w.pool_slots > p.slots)
        AND NOT EXISTS (FROM occupancy o WHERE o.scope = 'all' AND o.moment < i.to_at AND o.until > i.from_at AND o.held >= airflow.parallelism)
        AND NOT EXISTS (FROM occupancy o JOIN dag_settings d ON d.dag_id = o.subject WHERE o.scope = CASE WHEN airflow.major >= 3 THEN 'run' ELSE 'dag' END
            AND o.subject = i.dag_id AND o.moment < i.to_at AND o.until > i.from_at AND o.held >= d.max_active_tasks)
        AND NOT EXISTS (FROM dag_settings d WHERE d.dag_id = i.dag_id AND d.is_paused)
        -- nor may the loop itself have been the limit: then whatever stands further back waits
        AND NOT EXISTS (SELECT 1 FROM attempts q WHERE q.queued_at BETWEEN i.from_at AND i.to_at GROUP BY q.queued_at HAVING count(*) >= airflow.max_tis)
        -- a scheduler that works: it looked at the DAG's runs meanwhile
        AND EXISTS (FROM dag_runs r WHERE r.dag_id = i.dag_id AND r.last_scheduling_decision BETWEEN i.from_at + to_seconds($min_s / 2) AND i.to_at)
),
found AS (
    SELECT i.*, l.ts, l.pod, l.text FROM islands i JOIN said l ON l.scope = i.scope AND l.dag_id = i.dag_id AND l.task_id = i.task_id AND l.run IS NOT DISTINCT FROM i.run AND l.from_at = i.from_at
    UNION ALL
    SELECT r.*, NULL, NULL, NULL FROM roomy r WHERE NOT EXISTS (FROM said l WHERE l.dag_id = r.dag_id AND l.task_id = r.task_id)
        -- one plateau over all runs explains those of its runs
        AND NOT (r.scope = 'run' AND EXISTS (FROM roomy o WHERE o.scope = 'dag' AND o.dag_id = r.dag_id AND o.task_id = r.task_id))
)
SELECT f.from_at AS started_at, f.to_at AS ended_at, '' AS target, f.dag_id || '.' || f.task_id AS subject, f.dag_id, f.task_id, f.run AS run_id,
    {'dag': f.dag_id, 'task': f.task_id, 'cap': f.cap, 'waiting': f.waiting, 'scope': 'per-' || f.scope, 'option': 'option-' || f.scope,
     'why': CASE WHEN f.ts IS NULL THEN 'why-rows' ELSE 'why-log' END} AS params,
    CASE WHEN f.ts IS NULL THEN 0.8 ELSE 0.98 END AS confidence,
    [{'table': 'task_instances', 'ts': f.from_at, 'key': f.dag_id || '/' || f.task_id, 'text': f.cap || ' queued or running, ' || f.waiting || ' scheduled from ' || strftime(f.from_at, '%H:%M:%S') || ' to ' || strftime(f.to_at, '%H:%M:%S')},
     {'table': 'dags', 'ts': (SELECT min(d.ts) FROM dags d WHERE d.dag_id = f.dag_id AND d.has_task_concurrency_limits), 'key': f.dag_id, 'text': 'has_task_concurrency_limits = true'}]
    || CASE WHEN f.ts IS NULL THEN [] ELSE [{'table': 'log_lines', 'ts': f.ts, 'key': f.pod, 'text': f.text}] END AS evidence
FROM found f
