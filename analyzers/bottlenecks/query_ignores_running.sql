-- ---
-- id = "query_ignores_running"
-- stage = "trigger"
-- holds = ["trigger", "decide"]
-- binds = "target"
-- component = "trigger"
-- severity = "critical"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["pods", "events", "hpas"]
-- explains = ["scale_down_kills_tasks", "tasks_killed", "replicas_below_demand", "sigterm_broadcast", "grace_period_too_short", "flapping", "tasks_waiting"]
-- params.end = "1970-01-01"
-- [text.en]
-- title = "The trigger of {target} does not count running tasks: workers are taken from them"
-- detail = "The query counts state queued but not running, so the metric falls as tasks start. {scale_ins} scale-in decision(s) met running tasks; {killed} running attempt(s) died with their worker, {lost} s of work lost."
-- remedy = "Count both: ... WHERE (state='running' OR state='queued') ... in workers.keda.query (workers.celery.keda.query) or the ScaledObject's trigger metadata.query."
-- [text.zh]
-- name = "查询未统计运行中任务"
-- title = "{target} 的触发器没有统计运行中的任务：正在干活的 worker 被收走"
-- detail = "查询只统计 queued，不统计 running，因此任务一开始运行，指标就下降。{scale_ins} 次缩容发生时仍有任务在运行；{killed} 个运行中的任务随 worker 一起被终止，损失 {lost} 秒的工作。"
-- remedy = "在 workers.keda.query（workers.celery.keda.query）或 ScaledObject 触发器的 metadata.query 中同时统计两种状态：… WHERE (state='running' OR state='queued') …"
-- ---
WITH blind AS (
    SELECT q.target, q.query, q.ts FROM trigger_queries q
    WHERE q.translated AND q.counts_queued AND NOT q.counts_running
),
-- a scale-in is the query's doing when tasks of this target ran on at least one slot more than what was left
scale_ins AS (
    SELECT d.target, d.moment, d.before, d.after, d.author, d.key, count(a.task_id) AS running
    FROM decisions d JOIN blind b ON b.target = d.target
    JOIN assignments s ON s.target = d.target
    JOIN attempts a USING (dag_id, run_id, task_id, map_index, attempt)
    JOIN targets t ON t.target = d.target
    -- a watch tells of the decision late: what it killed was dead by then
    LEFT JOIN kills k ON k.target = d.target AND k.decided_at = d.moment AND k.dag_id = a.dag_id AND k.run_id = a.run_id AND k.task_id = a.task_id AND k.map_index = a.map_index AND k.attempt = a.attempt
    WHERE d.after < d.before AND a.running_at < d.moment AND (coalesce(a.ended_at, $end::TIMESTAMP) > d.moment OR k.task_id IS NOT NULL)
    GROUP BY ALL
    HAVING count(a.task_id) > d.after * coalesce(any_value(t.worker_concurrency), 16) OR d.after = 0
),
killed AS (
    SELECT k.target, count(*) AS n, sum(lost_seconds) AS lost, min(k.stopping_at) AS first_at, arg_min(k.pod, k.stopping_at) AS pod,
        arg_min(k.dag_id || '/' || k.run_id || '/' || k.task_id, k.stopping_at) AS example, arg_min(k.last_state, k.stopping_at) AS state,
        max(k.ended_at) AS last_at
    FROM kills k JOIN blind b ON b.target = k.target
    WHERE EXISTS (FROM scale_ins s WHERE s.target = k.target AND k.stopping_at BETWEEN s.moment - INTERVAL 5 SECOND AND s.moment + INTERVAL 60 SECOND)
    GROUP BY ALL
),
per_target AS (
    SELECT target, min(moment) AS first_at, max(moment) AS last_at, count(*) AS n,
        list({'table': 'workloads', 'ts': moment, 'key': key, 'text': 'spec.replicas ' || before || ' -> ' || after || ' by ' || author || ' with ' || running || ' running tasks'} ORDER BY moment)[1:3] AS evidence
    FROM scale_ins GROUP BY target
),
starved AS (
    SELECT q.target, min(q.from_at) AS first_at, max(q.to_at) AS last_at FROM queued_spans q JOIN blind b ON b.target = q.target GROUP BY ALL
)
SELECT coalesce(least(p.first_at, s.first_at), p.first_at) AS started_at, greatest(p.last_at, coalesce(k.last_at, p.last_at), coalesce(s.last_at, p.last_at)) AS ended_at,
    b.target, b.target AS subject,
    {'target': b.target, 'scale_ins': p.n, 'killed': coalesce(k.n, 0), 'lost': CAST(round(coalesce(k.lost, 0)) AS BIGINT)} AS params,
    CASE WHEN k.n > 0 THEN 0.98 ELSE 0.85 END AS confidence,
    [{'table': 'scaledobjects', 'ts': b.ts, 'key': b.target, 'text': b.query}] || p.evidence
    || CASE WHEN k.n IS NULL THEN [] ELSE [{'table': 'task_instances', 'ts': k.first_at, 'key': k.example, 'text': 'state ' || k.state || ' after its worker ' || k.pod || ' was told to stop at ' || strftime(k.first_at, '%H:%M:%S')}] END AS evidence,
    coalesce(k.lost, 0) AS lost_task_seconds
FROM blind b JOIN per_target p ON p.target = b.target
LEFT JOIN killed k ON k.target = b.target
LEFT JOIN starved s ON s.target = b.target
