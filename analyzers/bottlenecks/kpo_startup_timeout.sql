-- ---
-- id = "kpo_startup_timeout"
-- stage = "execute"
-- component = "kubernetes-pod-operator"
-- severity = "high"
-- needs = ["task_instances", "pods"]
-- uses = ["log_lines", "scaledobjects", "workloads", "hpas", "events", "nodes", "objects", "airflow_config"]
-- explains = ["tasks_killed"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.least_s = 60
-- params.long_s = 600
-- [text.en]
-- title = "{failed} KubernetesPodOperator attempt(s) of {dag} gave up before their pod had started"
-- detail = "{pod}: {placing} s until it was placed on a node, then {starting} s in which its base container did not start ({waits}). {lost} s lost."
-- remedy = "What used the time up (node boot, a large image, an init container, volumes) should be quicker, or startup_timeout_seconds (and schedule_timeout_seconds from provider 10.5 on) longer than it ordinarily takes; the default is 120 s."
-- [text.zh]
-- name = "KPO 启动超时"
-- title = "{dag} 的 {failed} 个 KubernetesPodOperator 任务尝试在 Pod 启动前放弃"
-- detail = "{pod}：{placing} 秒后才被调度到节点，之后 {starting} 秒内 base 容器没有启动（{waits}）。损失 {lost} 秒。"
-- remedy = "让耗时的环节（节点启动、大镜像、init 容器、卷）更快，或让 startup_timeout_seconds（provider 10.5 起还有 schedule_timeout_seconds）大于通常所需；默认 120 秒。"
-- ---
-- Pods that no node takes, and images that cannot be pulled, have causes of their own.
WITH words AS (
    SELECT a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, min(l.ts) AS ts, arg_min(l.text, l.ts) AS text
    FROM attempts a JOIN log_lines l ON l.pattern IN ('kpo.timeout_old', 'kpo.timeout_schedule', 'kpo.timeout_start') AND l.ts BETWEEN a.running_at AND coalesce(a.ended_at, a.failed_seen_at) + INTERVAL 5 SECOND
        AND contains(l.source, a.dag_id) AND contains(l.source, a.task_id) AND contains(l.source, 'attempt=' || a.attempt || '.')
    GROUP BY ALL
),
hit AS (
    SELECT k.*, w.ts AS said_at, w.text AS said, least($long_s, date_diff('millisecond', k.task_at, k.task_over_at) / 1000.0) AS lost
    FROM kpo_pods k LEFT JOIN words w ON w.dag_id = k.dag_id AND w.run_id = k.run_id AND w.task_id = k.task_id AND w.map_index = k.map_index AND w.attempt = k.attempt
    WHERE k.base_started_at IS NULL AND NOT k.sidecar_stuck AND k.pull_failed_at IS NULL AND (k.placed_at IS NOT NULL OR k.unschedulable_at IS NULL)
        AND k.last_state IN ('failed', 'up_for_retry') AND k.task_over_at BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP
        AND (w.ts IS NOT NULL OR (k.task_over_at >= k.created_at + to_seconds($least_s) AND (k.over_at IS NULL OR k.over_at >= k.task_over_at - INTERVAL 60 SECOND)))
        AND NOT EXISTS (FROM kills x WHERE x.dag_id = k.dag_id AND x.run_id = k.run_id AND x.task_id = k.task_id AND x.map_index = k.map_index AND x.attempt = k.attempt)
)
SELECT min(task_at) AS started_at, max(task_over_at) AS ended_at, '' AS target, dag_id AS subject,
    {'dag': dag_id, 'failed': count(*), 'pod': arg_max(pod, lost), 'placing': CAST(round(arg_max(date_diff('millisecond', created_at, coalesce(placed_at, task_over_at)) / 1000.0, lost)) AS BIGINT),
     'starting': CAST(round(arg_max(date_diff('millisecond', coalesce(placed_at, task_over_at), task_over_at) / 1000.0, lost)) AS BIGINT), 'waits': coalesce(arg_max(waits_for, lost), '-'),
     'lost': CAST(round(sum(lost)) AS BIGINT)} AS params,
    CASE WHEN count(said_at) > 0 THEN 0.95 ELSE 0.75 END AS confidence,
    list({'table': 'pods', 'ts': ts, 'key': namespace || '/' || pod, 'text': 'created, base container never started'} ORDER BY ts)[1:3]
    || list({'table': 'log_lines', 'ts': said_at, 'key': dag_id || '/' || task_id, 'text': said} ORDER BY said_at)[1:2]
    || list({'table': 'task_instances', 'ts': task_over_at, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'attempt ' || attempt || ': ' || last_state} ORDER BY task_over_at)[1:2] AS evidence,
    sum(lost) AS lost_task_seconds
FROM hit GROUP BY dag_id
