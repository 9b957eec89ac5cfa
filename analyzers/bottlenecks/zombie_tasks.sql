-- ---
-- id = "zombie_tasks"
-- stage = "execute"
-- component = "worker"
-- also = ["dag-processor"]
-- severity = "high"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["log_lines", "jobs", "polls", "nodes", "events", "objects", "hpas", "airflow_config"]
-- explains = ["tasks_killed"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.together_s = 15
-- [text.en]
-- title = "{zombies} running task(s) without a heartbeat: {what}"
-- detail = "{example} on {host}: {said}. {known} of them went with a worker whose end is explained elsewhere; {rest} did not, {lost} s of work."
-- remedy = "{how}"
-- variants.alone = "their worker lived on"
-- variants.explained = "their worker was taken away"
-- variants.kept = "found again and again, but never failed"
-- variants.look = "Look at the worker that stopped beating: CPU throttling (workers.resources), a child killed for memory (worker log: signal 9), a lost network or DB connection; scheduler.task_instance_heartbeat_timeout (scheduler_zombie_task_threshold before 3.0) sets how long it may be silent."
-- variants.elsewhere = "Cure what took the worker; scheduler.task_instance_heartbeat_timeout (scheduler_zombie_task_threshold before 3.0, 300 s) sets how soon the loss is seen, retries whether it matters."
-- variants.processor = "Zombies of Airflow 2 are failed by the DAG processor: bring it back (dagProcessor.enabled, its logs and liveness), and look whether callback_request grows."
-- [text.zh]
-- name = "僵尸任务"
-- title = "{zombies} 个运行中的任务没有心跳：{what}"
-- detail = "{host} 上的 {example}：{said}。其中 {known} 个随 worker 一起消失，原因已在别处说明；{rest} 个没有解释，损失 {lost} 秒的工作。"
-- remedy = "{how}"
-- variants.alone = "其 worker 仍然存活"
-- variants.explained = "其 worker 已被带走"
-- variants.kept = "被反复发现，却从未被置为失败"
-- variants.look = "检查停止心跳的 worker：CPU 限流（workers.resources）、因内存被杀的子进程（worker 日志：signal 9）、网络或数据库连接丢失；scheduler.task_instance_heartbeat_timeout（3.0 之前为 scheduler_zombie_task_threshold）决定允许沉默多久。"
-- variants.elsewhere = "解决带走 worker 的原因；scheduler.task_instance_heartbeat_timeout（3.0 之前为 scheduler_zombie_task_threshold，300 秒）决定多快发现，retries 决定影响大小。"
-- variants.processor = "Airflow 2 的僵尸任务由 DAG processor 置为失败：恢复它（dagProcessor.enabled、日志与存活探针），并检查 callback_request 是否持续增长。"
-- ---
WITH patience AS (
    SELECT coalesce(max(try_cast(value AS INTEGER)), 300) AS s FROM airflow_config
    WHERE key IN ('scheduler.task_instance_heartbeat_timeout', 'scheduler.scheduler_zombie_task_threshold')
),
-- of 3.x in the row itself, of 2.x in the job that ran it
beats AS (
    SELECT t.dag_id, t.run_id, t.task_id, coalesce(t.map_index, -1) AS map_index, t.attempt,
        coalesce(max(t.last_heartbeat_at) FILTER (WHERE t.state IN ('failed', 'up_for_retry')), max(j.latest_heartbeat)) AS beat_at
    FROM task_instances t LEFT JOIN (SELECT id, max(latest_heartbeat) AS latest_heartbeat FROM jobs WHERE job_type = 'LocalTaskJob' GROUP BY id) j ON j.id = t.job_id GROUP BY ALL
),
found AS (
    SELECT a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, min(l.ts) AS first_at, max(l.ts) AS last_at, count(*) AS n
    FROM attempts a JOIN log_lines l ON l.pattern IN ('zombie.detected', 'zombie.detected3', 'zombie.fields') AND l.ts > a.running_at AND l.ts <= coalesce(a.ended_at, $end::TIMESTAMP) + INTERVAL 30 SECOND
        AND contains(coalesce(l.text, '') || coalesce(l.fields, ''), '''' || a.dag_id || '''') AND contains(coalesce(l.text, '') || coalesce(l.fields, ''), '''' || a.task_id || '''')
        AND contains(coalesce(l.text, '') || coalesce(l.fields, ''), a.run_id)
    GROUP BY ALL
),
zombies AS (
    SELECT a.*, coalesce(a.ended_at, a.failed_seen_at) AS over_at, f.first_at, f.last_at, f.n, CASE WHEN b.beat_at IS NULL THEN f.first_at - to_seconds(p.s) ELSE least(b.beat_at, coalesce(f.first_at, b.beat_at)) END AS silent_at,
        a.last_state = 'running' AND a.ended_at IS NULL AND f.n >= 3 AND f.last_at >= f.first_at + INTERVAL 60 SECOND AS kept
    FROM attempts a CROSS JOIN patience p
    LEFT JOIN found f ON f.dag_id = a.dag_id AND f.run_id = a.run_id AND f.task_id = a.task_id AND f.map_index = a.map_index AND f.attempt = a.attempt
    LEFT JOIN beats b ON b.dag_id = a.dag_id AND b.run_id = a.run_id AND b.task_id = a.task_id AND b.map_index = a.map_index AND b.attempt = a.attempt
    WHERE a.running_at IS NOT NULL AND a.host <> '' AND ((a.last_state IN ('failed', 'up_for_retry')
            AND (f.n > 0 OR (b.beat_at > a.running_at AND coalesce(a.ended_at, a.failed_seen_at) >= b.beat_at + to_seconds(p.s))))
        OR (a.last_state = 'running' AND a.ended_at IS NULL AND f.n > 0))
),
judged AS (
    SELECT z.*, w.target, w.uid IS NULL
        OR EXISTS (FROM kills k WHERE k.dag_id = z.dag_id AND k.run_id = z.run_id AND k.task_id = z.task_id AND k.map_index = z.map_index AND k.attempt = z.attempt)
        OR EXISTS (FROM pods x WHERE x.uid = w.uid AND (x.last_terminated_at BETWEEN z.running_at AND coalesce(z.over_at, $end::TIMESTAMP) OR x.finished_at BETWEEN z.running_at AND coalesce(z.over_at, $end::TIMESTAMP)))
        OR EXISTS (FROM nodes n WHERE n.name = w.node AND (n.ready <> 'True' OR n.change = 'DELETED') AND n.seen_at BETWEEN z.running_at AND coalesce(z.over_at, $end::TIMESTAMP))
        OR w.stopping_at < coalesce(z.over_at, $end::TIMESTAMP) OR w.gone_at < coalesce(z.over_at, $end::TIMESTAMP)
        OR EXISTS (FROM polls x WHERE x.outcome = 'failed' AND x.ts BETWEEN z.silent_at - INTERVAL 60 SECOND AND z.silent_at + INTERVAL 60 SECOND)
        OR EXISTS (FROM workloads x WHERE json_extract_string(x.template_labels, '$.component') IN ('api-server', 'webserver') AND coalesce(x.ready_replicas, 0) = 0 AND x.seen_at BETWEEN z.silent_at - INTERVAL 60 SECOND AND z.silent_at + INTERVAL 60 SECOND)
        -- workers that fall silent together share a reason that is not theirs
        OR EXISTS (FROM zombies o WHERE o.host <> z.host AND o.silent_at BETWEEN z.silent_at - to_seconds($together_s) AND z.silent_at + to_seconds($together_s)) AS known
    FROM zombies z LEFT JOIN worker_pods w ON w.name = z.host AND w.created_at <= z.running_at AND coalesce(w.gone_at, 'infinity') > z.running_at
),
priced AS (
    SELECT *, CASE WHEN kept THEN 'kept' WHEN known THEN 'explained' ELSE 'alone' END AS what, coalesce(target, '') AS of_target,
        CASE WHEN kept THEN date_diff('millisecond', first_at, $end::TIMESTAMP) WHEN known THEN 0 ELSE date_diff('millisecond', running_at, coalesce(over_at, $end::TIMESTAMP)) END / 1000.0 AS lost
    FROM judged WHERE coalesce(over_at, $end::TIMESTAMP) >= $start::TIMESTAMP
),
led AS (SELECT *, first_value(what) OVER (PARTITION BY of_target, kept ORDER BY lost DESC, over_at, dag_id, task_id, run_id) AS chief FROM priced)
SELECT greatest(min(silent_at), $start::TIMESTAMP) AS started_at, max(coalesce(over_at, $end::TIMESTAMP)) AS ended_at, of_target AS target, CASE WHEN kept THEN 'not failed' ELSE 'silent' END AS subject,
    CASE WHEN kept THEN 'dag-processor' ELSE 'worker' END AS component,
    {'zombies': count(*), 'what': any_value(chief), 'how': CASE any_value(chief) WHEN 'kept' THEN 'processor' WHEN 'alone' THEN 'look' ELSE 'elsewhere' END,
     'example': arg_max(dag_id || '/' || task_id, lost), 'host': arg_max(host, lost), 'said': arg_max('silent since ' || strftime(silent_at, '%H:%M:%S'), lost),
     'known': count(*) FILTER (WHERE known), 'rest': count(*) FILTER (WHERE NOT known), 'lost': CAST(round(sum(lost)) AS BIGINT)} AS params,
    CASE WHEN max(n) > 0 THEN 0.75 ELSE 0.65 END AS confidence,
    list({'table': CASE WHEN n > 0 THEN 'log_lines' ELSE 'task_instances' END, 'ts': coalesce(first_at, over_at), 'key': dag_id || '/' || run_id || '/' || task_id,
        'text': 'on ' || host || ', silent since ' || strftime(silent_at, '%H:%M:%S') || CASE WHEN n > 1 THEN ', found ' || n || ' times' ELSE '' END} ORDER BY lost DESC, silent_at)[1:5] AS evidence,
    sum(lost) AS lost_task_seconds
FROM led GROUP BY of_target, kept
