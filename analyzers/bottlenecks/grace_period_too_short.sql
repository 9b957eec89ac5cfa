-- ---
-- id = "grace_period_too_short"
-- stage = "drain"
-- component = "worker"
-- severity = "high"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["hpas", "events", "nodes", "objects", "log_lines", "airflow_config"]
-- explains = ["tasks_killed"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{killed} task(s) of {target} still ran when the grace period of {grace} s of their worker was over"
-- detail = "{pods} worker(s) stopped as they should: no new tasks, the running ones go on. After {grace} s the kubelet killed them ({exit}), and the sweep for lost heartbeats finds such tasks minutes later. {lost} s of work are lost; where no scale-in took the worker, what ran before the grace counts for who did."
-- remedy = "workers.terminationGracePeriodSeconds (the pod's terminationGracePeriodSeconds) above the longest ordinary task, or make such tasks deferrable or shorter; check that whoever evicts does not cut the grace."
-- variants.sigkill = "exit code 137"
-- variants.at_deadline = "they were gone at the deadline"
-- [text.zh]
-- name = "宽限期太短"
-- title = "worker 的 {grace} 秒宽限期结束时，{target} 的 {killed} 个任务仍在运行"
-- detail = "{pods} 个 worker 按规矩停止：不接新任务，运行中的继续。{grace} 秒后 kubelet 将其强行终止（{exit}），几分钟后心跳检查才发现这些任务。损失了 {lost} 秒的工作；若不是缩容带走 worker，宽限期之前的损失算在带走它的一方。"
-- remedy = "让 workers.terminationGracePeriodSeconds（Pod 的 terminationGracePeriodSeconds）大于通常最长的任务，或把这类任务改为 deferrable 或缩短；确认驱逐方没有缩短宽限期。"
-- variants.sigkill = "退出码 137"
-- variants.at_deadline = "到期时 Pod 消失"
-- ---
-- A scale-in lets its workers finish: with a grace as long as the tasks nothing would be lost, so all of it is counted
-- here. Whoever else takes a worker pays for what ran before; here only the grace counts.
WITH mine AS (
    SELECT *, grace_seconds + CASE WHEN taken_by = 'scale_in' AND author IN ('hpa', 'keda') THEN lost_seconds ELSE 0 END AS paid
    FROM kills WHERE way = 'sigkill' AND grace_s > 0 AND taken_by <> 'node_lost' AND stopping_at >= $start::TIMESTAMP AND stopping_at <= $end::TIMESTAMP
)
SELECT min(stopping_at) AS started_at, max(ended_at) AS ended_at, target, target AS subject,
    {'target': target, 'killed': count(*), 'pods': count(DISTINCT uid), 'grace': max(grace_s), 'lost': CAST(round(sum(paid)) AS BIGINT),
     'exit': CASE WHEN bool_or(exit_code = 137) THEN 'sigkill' ELSE 'at_deadline' END} AS params,
    CASE WHEN bool_or(exit_code = 137) THEN 0.95 ELSE 0.8 END AS confidence,
    list_sort(list_distinct(list({'table': 'pods', 'ts': died_at, 'key': namespace || '/' || pod, 'text': 'gone ' || round(date_diff('millisecond', stopping_at, died_at) / 1000.0) || ' s after it was told to stop' || coalesce(', exit ' || exit_code, '')})))[1:4]
    || list({'table': 'task_instances', 'ts': ended_at, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'state ' || last_state || ', its worker was killed at ' || strftime(died_at, '%H:%M:%S')} ORDER BY died_at, dag_id, run_id, task_id)[1:3] AS evidence,
    sum(paid) AS lost_task_seconds
FROM mine GROUP BY target
