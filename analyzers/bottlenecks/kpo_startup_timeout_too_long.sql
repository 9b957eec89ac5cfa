-- ---
-- id = "kpo_startup_timeout_too_long"
-- stage = "execute"
-- component = "kubernetes-pod-operator"
-- severity = "medium"
-- needs = ["task_instances", "pods"]
-- uses = ["log_lines"]
-- explains = ["worker_slots_saturated"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.long_s = 600
-- [text.en]
-- title = "{tasks} KubernetesPodOperator task(s) of {dag} held a worker slot up to {longest} s for a pod that did not start"
-- detail = "{pod} waits ({waits}) and its task waits with it: startup_timeout_seconds is {limit}. Each such task is a running task for the trigger, and a slot less for others; {lost} s beyond the first {long} were held for nothing."
-- remedy = "startup_timeout_seconds of the operator near what a start takes (default 120 s; node boot included some 300 to 600 s), below execution_timeout; retries instead of patience; deferrable=True frees the slot meanwhile."
-- variants.longer = "at least that long"
-- [text.zh]
-- name = "KPO 启动超时过长"
-- title = "{dag} 的 {tasks} 个 KubernetesPodOperator 任务为未启动的 Pod 占用 worker 槽位最长 {longest} 秒"
-- detail = "{pod} 在等待（{waits}），任务也陪着等：startup_timeout_seconds 为 {limit}。对触发器来说它是运行中的任务，对其他任务来说少了一个槽位；超出最初 {long} 秒之外白占了 {lost} 秒。"
-- remedy = "算子的 startup_timeout_seconds 应接近启动所需（默认 120 秒；含节点启动约 300 到 600 秒），并小于 execution_timeout；用 retries 代替等待；deferrable=True 可在等待时释放槽位。"
-- variants.longer = "至少这么长"
-- ---
WITH held AS (
    SELECT k.*, least(coalesce(k.task_over_at, $end::TIMESTAMP), coalesce(k.over_at, $end::TIMESTAMP), $end::TIMESTAMP) AS until_at
    FROM kpo_pods k WHERE (k.base_started_at IS NULL OR k.sidecar_stuck) AND k.last_state IN ('running', 'failed', 'up_for_retry')
),
limits AS (
    SELECT w.uid, max(try_cast(json_extract_string(l.fields, '$.s') AS INTEGER)) AS s, min(l.ts) AS ts, any_value(l.text) AS text
    FROM held w JOIN log_lines l ON l.pattern IN ('kpo.timeout_old', 'kpo.timeout_start', 'kpo.timeout_schedule') AND contains(l.source, w.dag_id) AND contains(l.source, w.task_id) AND contains(l.source, 'attempt=' || w.attempt || '.')
        AND l.ts >= w.created_at GROUP BY w.uid
),
hit AS (
    SELECT w.*, l.s, l.ts AS said_at, l.text AS said, date_diff('millisecond', w.created_at, w.until_at) / 1000.0 AS held
    FROM held w LEFT JOIN limits l ON l.uid = w.uid
    WHERE w.until_at >= w.created_at + to_seconds($long_s) AND w.until_at >= $start::TIMESTAMP AND coalesce(l.s, $long_s + 1) > $long_s
)
SELECT min(created_at) AS started_at, max(until_at) AS ended_at, '' AS target, dag_id AS subject,
    {'dag': dag_id, 'tasks': count(*), 'longest': CAST(round(max(held)) AS BIGINT), 'pod': arg_max(pod, held), 'waits': coalesce(arg_max(coalesce(waits_for, unschedulable_text), held), 'Pending'),
     'limit': coalesce(CAST(max(s) AS VARCHAR), 'longer'), 'long': $long_s, 'lost': CAST(round(sum(held - $long_s)) AS BIGINT)} AS params,
    CASE WHEN count(s) > 0 THEN 0.95 ELSE 0.85 END AS confidence,
    list({'table': 'pods', 'ts': ts, 'key': namespace || '/' || pod, 'text': 'not started for ' || round(held) || ' s: ' || coalesce(waits_for, unschedulable_text, 'Pending')} ORDER BY held DESC)[1:3]
    || list({'table': 'log_lines', 'ts': said_at, 'key': dag_id || '/' || task_id, 'text': said} ORDER BY said_at)[1:2] AS evidence,
    -- with a stuck sidecar the whole time is counted there
    coalesce(sum(held - $long_s) FILTER (WHERE NOT sidecar_stuck), 0) AS lost_task_seconds
FROM hit GROUP BY dag_id
