-- ---
-- id = "xcom_sidecar_image_pull"
-- stage = "execute"
-- component = "kubernetes-pod-operator"
-- severity = "high"
-- needs = ["task_instances", "pods"]
-- uses = ["events", "log_lines"]
-- explains = ["kpo_startup_timeout", "worker_slots_saturated", "kpo_image_pull", "tasks_killed"]
-- params.end = "1970-01-01"
-- params.patience_s = 30
-- [text.en]
-- title = "{pods} KubernetesPodOperator pod(s) cannot pull the image of their XCom sidecar"
-- detail = "Container airflow-xcom-sidecar waits with {reason} while the base container is fine. A pod stays Pending while any container waits, so the operator gives up at its startup timeout although the work itself may be done: {failed} attempt(s) failed, {held} still run(s) for nothing, {lost} s lost."
-- remedy = "Mirror the sidecar's image and set xcom_sidecar_container_image in the Kubernetes connection's extra (or PodDefaults.SIDECAR_CONTAINER in airflow_local_settings for old providers), or do_xcom_push=False where no XCom is read."
-- [text.zh]
-- name = "XCom sidecar 镜像"
-- title = "{pods} 个 KubernetesPodOperator 的 Pod 拉不到 XCom sidecar 镜像"
-- detail = "容器 airflow-xcom-sidecar 停在 {reason}，而 base 容器正常。只要有容器在等待，Pod 就一直是 Pending，算子到启动超时就放弃，即使工作本身可能已完成：{failed} 个任务尝试失败，{held} 个仍在空等，损失 {lost} 秒。"
-- remedy = "镜像化 sidecar 镜像，并在 Kubernetes 连接的 extra 中设置 xcom_sidecar_container_image（旧 provider 用 airflow_local_settings 的 PodDefaults.SIDECAR_CONTAINER），或在不读取 XCom 时设 do_xcom_push=False。"
-- ---
WITH stuck AS (
    SELECT uid, namespace || '/' || name AS key, min(seen_at) AS from_at, min(ts) AS ts, arg_min(waiting_reason, seen_at) AS reason, arg_min(waiting_message, seen_at) AS message,
        any_value(json_extract_string(labels, '$.dag_id')) AS dag_id, any_value(json_extract_string(labels, '$.task_id')) AS task_id,
        bool_or(containers ->> '$[*].name' IS NOT NULL AND list_contains(list_transform(from_json(containers, '[{"name":"VARCHAR","state":"VARCHAR"}]'), lambda c: c.name <> 'airflow-xcom-sidecar' AND c.state IN ('running', 'terminated')), true)) AS base_fine
    FROM pods
    WHERE waiting_container = 'airflow-xcom-sidecar' AND waiting_reason IN ('ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull') AND change <> 'DELETED'
    GROUP BY uid, namespace, name
),
gone AS (SELECT s.uid, min(p.seen_at) AS moment FROM stuck s JOIN pods p ON p.uid = s.uid AND p.change = 'DELETED' GROUP BY s.uid),
last AS (SELECT uid, arg_max(coalesce(waiting_container, ''), seen_at) = 'airflow-xcom-sidecar' AS waits FROM pods GROUP BY uid),
-- labels hold short ids as they are; longer ones are hashed and only the time can tell
hit AS (
    SELECT DISTINCT a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, true AS failed,
        coalesce(a.ended_at, a.failed_seen_at) AS moment, date_diff('millisecond', a.running_at, coalesce(a.ended_at, a.failed_seen_at)) / 1000.0 AS lost
    FROM stuck s LEFT JOIN gone g ON g.uid = s.uid
    JOIN attempts a ON a.task_id = s.task_id AND a.dag_id = s.dag_id AND a.running_at <= s.from_at
        AND a.last_state IN ('failed', 'up_for_retry') AND coalesce(a.ended_at, a.failed_seen_at) BETWEEN s.from_at AND coalesce(g.moment, $end::TIMESTAMP) + INTERVAL 60 SECOND
    UNION ALL
    -- not failed yet: what its pod keeps it from since the pull failed; shorter troubles often pass with a retry
    SELECT DISTINCT ON (a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt) a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, false,
        s.from_at, date_diff('millisecond', s.from_at, $end::TIMESTAMP) / 1000.0
    FROM stuck s JOIN last l ON l.uid = s.uid AND l.waits ANTI JOIN gone g ON g.uid = s.uid
    JOIN attempts a ON a.task_id = s.task_id AND a.dag_id = s.dag_id AND a.running_at <= s.from_at AND a.last_state = 'running' AND a.ended_at IS NULL
    WHERE s.from_at <= $end::TIMESTAMP - to_seconds($patience_s)
),
losses AS (
    SELECT count(*) FILTER (WHERE failed) AS failed, count(*) FILTER (WHERE NOT failed) AS held, coalesce(sum(lost), 0) AS lost,
        min(moment) AS first_at, arg_min(dag_id || '/' || run_id || '/' || task_id, moment) AS example, arg_min(failed, moment) AS example_failed
    FROM hit
)
SELECT min(s.from_at) AS started_at, max(coalesce(g.moment, $end::TIMESTAMP)) AS ended_at, '' AS target, 'airflow-xcom-sidecar' AS subject,
    {'pods': count(*), 'reason': arg_min(s.reason, s.from_at), 'failed': any_value(l.failed), 'held': any_value(l.held), 'lost': CAST(round(any_value(l.lost)) AS BIGINT)} AS params,
    0.97 AS confidence,
    list({'table': 'pods', 'ts': s.ts, 'key': s.key, 'text': 'airflow-xcom-sidecar waiting: ' || s.reason || coalesce(' ' || s.message, '')} ORDER BY s.from_at)[1:3]
    || CASE WHEN any_value(l.failed + l.held) > 0 THEN [{'table': 'task_instances', 'ts': any_value(l.first_at), 'key': any_value(l.example), 'text': CASE WHEN any_value(l.example_failed) THEN 'failed while its pod waited for the sidecar' ELSE 'runs while its pod waits for the sidecar' END}] ELSE [] END AS evidence,
    any_value(l.lost) AS lost_task_seconds
FROM stuck s CROSS JOIN losses l LEFT JOIN gone g ON g.uid = s.uid
WHERE s.base_fine
HAVING count(*) > 0
