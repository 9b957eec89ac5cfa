-- ---
-- id = "sigterm_broadcast"
-- stage = "drain"
-- component = "worker"
-- severity = "medium"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["hpas", "events", "nodes", "objects", "log_lines", "airflow_config"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{killed} task(s) of {target} ended within {within} s of their worker's stop, although it could have waited {grace} s"
-- detail = "SIGTERM reached the tasks themselves, not only the Celery main process: the grace period of {pods} worker(s) was of no use{said}. The lost work is counted where the worker was taken away."
-- remedy = "env DUMB_INIT_SETSID=0 on the worker container (the official chart sets it), no shell around the command (exec form), no tini -g: then only the main process gets the signal and tasks may end within workers.terminationGracePeriodSeconds."
-- variants.logged = " (the tasks logged SIGTERM)"
-- variants.silent = ""
-- [text.zh]
-- name = "SIGTERM 波及任务"
-- title = "worker 停止后 {within} 秒内，{target} 的 {killed} 个任务随即结束，尽管可以等待 {grace} 秒"
-- detail = "SIGTERM 到达了任务进程本身，而不只是 Celery 主进程：{pods} 个 worker 的宽限期没有起作用{said}。损失的工作计在带走 worker 的原因上。"
-- remedy = "在 worker 容器上设置环境变量 DUMB_INIT_SETSID=0（官方 chart 已设置），命令外不要套 shell（用 exec 形式），不要用 tini -g：这样只有主进程收到信号，任务可以在 workers.terminationGracePeriodSeconds 内结束。"
-- variants.logged = "（任务日志记录了 SIGTERM）"
-- variants.silent = ""
-- ---
-- A cold shutdown (SIGQUIT, REMAP_SIGTERM) ends tasks at once on purpose.
WITH words AS (
    SELECT k.target, k.uid, count(l.pattern) FILTER (WHERE l.pattern <> 'worker.cold') AS said, count(*) FILTER (WHERE l.pattern = 'worker.cold') AS cold
    FROM (SELECT DISTINCT target, uid, pod, stopping_at FROM kills) k
    LEFT JOIN log_lines l ON l.ts BETWEEN k.stopping_at - INTERVAL 1 SECOND AND k.stopping_at + INTERVAL 30 SECOND
        AND ((l.pod = k.pod AND l.pattern IN ('worker.cold', 'worker.child_signal', 'task3.forward_sig')) OR (l.pod = k.pod AND l.pattern = 'worker.cmd_failed' AND json_extract_string(l.fields, '$.rc') = '143')
            OR (l.pattern IN ('task.sigterm', 'task.terminated') AND EXISTS (FROM kills x WHERE x.uid = k.uid AND contains(l.source, x.task_id) AND contains(l.source, x.dag_id))))
    GROUP BY ALL
),
mine AS (
    SELECT k.*, w.said FROM kills k JOIN words w ON w.target = k.target AND w.uid = k.uid
    WHERE k.way = 'sigterm' AND k.taken_by <> 'node_lost' AND w.cold = 0 AND k.stopping_at >= $start::TIMESTAMP AND k.stopping_at <= $end::TIMESTAMP
)
SELECT min(stopping_at) AS started_at, max(ended_at) AS ended_at, target, target AS subject,
    {'target': target, 'killed': count(*), 'pods': count(DISTINCT uid), 'grace': max(grace_s), 'said': CASE WHEN sum(said) > 0 THEN 'logged' ELSE 'silent' END,
     'within': CAST(ceil(max(date_diff('millisecond', stopping_at, ended_at)) / 1000.0) AS BIGINT)} AS params,
    CASE WHEN sum(said) > 0 THEN 0.95 ELSE 0.8 END AS confidence,
    list({'table': 'task_instances', 'ts': ended_at, 'key': dag_id || '/' || run_id || '/' || task_id,
        'text': 'state ' || last_state || ' ' || round(date_diff('millisecond', stopping_at, ended_at) / 1000.0, 1) || ' s after ' || pod || ' was told to stop (grace ' || grace_s || ' s)'} ORDER BY ended_at, dag_id, run_id, task_id)[1:5] AS evidence
FROM mine GROUP BY target
