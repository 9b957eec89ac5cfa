-- ---
-- id = "dag_missing_on_worker"
-- stage = "consume"
-- component = "worker"
-- severity = "high"
-- needs = ["task_instances", "log_lines"]
-- uses = ["pods", "scaledobjects", "workloads"]
-- explains = ["tasks_killed", "zombie_tasks"]
-- params.near_s = 15
-- [text.en]
-- title = "DAG {dag} is not there on {hosts} worker(s): {tasks} task(s) were taken and could not run"
-- detail = "{host} says so: {text}. {elsewhere}"
-- remedy = "Let a worker consume only with its DAGs in place: git-sync as an init container (dags.gitSync) besides the sidecar, the same image or bundle version on scheduler and workers, a mounted volume that is synced; see the worker's own import errors (airflow dags list-import-errors in the pod)."
-- variants.others_have = "Other workers ran tasks of the same DAG in the meantime, so the file itself is sound."
-- variants.nobody_has = "No other worker ran a task of that DAG in this capture, so the file may be broken for all of them."
-- [text.zh]
-- name = "worker 上缺少 DAG"
-- title = "{hosts} 个 worker 上没有 DAG {dag}：{tasks} 个任务被取走却无法运行"
-- detail = "{host} 的日志：{text}。{elsewhere}"
-- remedy = "让 worker 在 DAG 就位之后才开始消费：除 sidecar 外再以 init 容器运行 git-sync（dags.gitSync），调度器与 worker 使用相同的镜像或 bundle 版本，挂载已同步的卷；并查看该 worker 自己的导入错误（在 Pod 内执行 airflow dags list-import-errors）。"
-- variants.others_have = "同时其他 worker 运行了同一 DAG 的任务，可见文件本身没有问题。"
-- variants.nobody_has = "本次采集中没有其他 worker 运行过该 DAG 的任务，文件可能对所有 worker 都不可用。"
-- ---
-- airflow.md S59. Airflow 2 says it in the worker's log and names the DAG, Airflow 3 in the task's log.
WITH said AS (
    SELECT a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, a.queued_at, a.last_state, coalesce(a.ended_at, a.failed_seen_at) AS over_at,
        coalesce(l.pod, nullif(a.host, ''), l.source) AS host, l.ts, l.text, coalesce(l.pod, l.source) AS key
    FROM log_lines l JOIN attempts a ON
        CASE WHEN l.pattern = 'worker.dag_missing2' THEN a.dag_id = json_extract_string(l.fields, '$.dag_id')
                AND l.ts BETWEEN coalesce(a.ended_at, a.failed_seen_at) - to_seconds($near_s) AND coalesce(a.ended_at, a.failed_seen_at) + to_seconds($near_s)
                AND a.last_state IN ('failed', 'up_for_retry') AND (coalesce(a.host, '') IN ('', l.pod) OR a.running_at IS NULL)
            ELSE coalesce(json_extract_string(l.fields, '$.dag_id') = a.dag_id AND json_extract_string(l.fields, '$.task_id') = a.task_id AND json_extract_string(l.fields, '$.run_id') = a.run_id,
                contains(l.source, a.dag_id) AND contains(l.source, a.task_id) AND contains(l.source, 'attempt=' || a.attempt || '.')) END
    WHERE l.pattern IN ('worker.dag_missing2', 'worker.dag_missing3') AND a.queued_at <= l.ts + INTERVAL 5 SECOND
        AND a.last_state IN ('failed', 'up_for_retry', 'up_for_reschedule', 'success')
),
-- a worker that had run the DAG before has it: what failed there is something else
proven AS (
    SELECT s.* FROM said s WHERE NOT EXISTS (
        FROM attempts o WHERE o.dag_id = s.dag_id AND o.host = s.host AND o.last_state = 'success' AND o.running_at < s.ts AND o.task_id <> s.task_id)
),
once AS (
    -- from 3.1.7 such a task is put off three times for 60 s each before it fails
    SELECT dag_id, run_id, task_id, map_index, attempt, queued_at, coalesce((SELECT sum(date_diff('millisecond', s.from_at, s.to_at)) FROM stays s
            WHERE s.dag_id = proven.dag_id AND s.run_id = proven.run_id AND s.task_id = proven.task_id AND s.map_index = proven.map_index AND s.attempt = proven.attempt AND s.state = 'up_for_reschedule'), 0) AS put_off_ms,
        any_value(last_state) AS last_state, max(coalesce(over_at, ts)) AS over_at, arg_min(host, ts) AS host, min(ts) AS ts, arg_min(text, ts) AS text, arg_min(key, ts) AS key
    FROM proven GROUP BY ALL
)
SELECT min(queued_at) AS started_at, max(greatest(ts, over_at)) AS ended_at, '' AS target, dag_id AS subject,
    {'dag': dag_id, 'hosts': count(DISTINCT host), 'tasks': count(*), 'host': arg_min(host, ts), 'text': arg_min(text, ts),
     'elsewhere': CASE WHEN EXISTS (FROM attempts o WHERE o.dag_id = once.dag_id AND o.last_state = 'success' AND o.host <> '' AND o.host NOT IN (SELECT p.host FROM proven p WHERE p.dag_id = once.dag_id)) THEN 'others_have' ELSE 'nobody_has' END} AS params,
    0.93 AS confidence,
    list({'table': 'log_lines', 'ts': ts, 'key': key, 'text': text} ORDER BY ts)[1:3]
    || list({'table': 'task_instances', 'ts': over_at, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'state ' || last_state || ' after it was taken by ' || host} ORDER BY over_at)[1:2] AS evidence,
    sum(CASE WHEN last_state IN ('failed', 'up_for_retry') THEN date_diff('millisecond', queued_at, over_at) ELSE put_off_ms END) / 1000.0 AS lost_task_seconds
FROM once GROUP BY dag_id
