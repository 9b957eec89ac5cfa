-- ---
-- id = "startup_timeout_beyond_execution_timeout"
-- group = "lint"
-- stage = "execute"
-- component = "kubernetes-pod-operator"
-- severity = "low"
-- needs = ["log_lines", "task_instances", "pods"]
-- uses = ["airflow_config"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "execution_timeout ended {tasks} KubernetesPodOperator task(s) whose pod was still starting"
-- detail = "{task} ran into its execution_timeout after {seconds} s, and its startup_timeout_seconds is longer than that: the shorter limit hides what kept the pod from starting."
-- remedy = "startup_timeout_seconds well below execution_timeout ([core] default_task_execution_timeout); then the operator itself says what the pod waited for."
-- [text.zh]
-- name = "启动超时大于执行超时"
-- title = "execution_timeout 结束了 {tasks} 个 Pod 仍在启动的 KubernetesPodOperator 任务"
-- detail = "{task} 在 {seconds} 秒后触及 execution_timeout，而其 startup_timeout_seconds 更长：较短的限制掩盖了 Pod 无法启动的原因。"
-- remedy = "让 startup_timeout_seconds 明显小于 execution_timeout（[core] default_task_execution_timeout）；这样算子会自己说明 Pod 在等什么。"
-- ---
WITH ended AS (
    SELECT k.dag_id || '/' || k.run_id || '/' || k.task_id AS task, k.namespace || '/' || k.pod AS pod, k.ts AS pod_ts, k.task_at, l.ts, l.source, l.text, date_diff('millisecond', k.task_at, l.ts) / 1000.0 AS seconds
    FROM kpo_pods k JOIN log_lines l ON l.pattern = 'task.timeout' AND contains(l.source, k.dag_id) AND contains(l.source, k.task_id) AND contains(l.source, 'attempt=' || k.attempt || '.')
        AND l.ts >= k.created_at AND l.ts <= coalesce(k.task_over_at, 'infinity') + INTERVAL 10 SECOND
    WHERE k.base_started_at IS NULL
)
SELECT min(task_at) AS started_at, max(ts) AS ended_at, '' AS target, 'execution_timeout' AS subject,
    {'tasks': count(DISTINCT task), 'task': arg_min(task, ts), 'seconds': CAST(round(arg_min(seconds, ts)) AS BIGINT)} AS params, 0.9 AS confidence,
    list({'table': 'log_lines', 'ts': ts, 'key': source, 'text': text} ORDER BY ts)[1:2] || list({'table': 'pods', 'ts': pod_ts, 'key': pod, 'text': 'never started'} ORDER BY pod_ts)[1:2] AS evidence
FROM ended WHERE ts BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP HAVING count(*) > 0
