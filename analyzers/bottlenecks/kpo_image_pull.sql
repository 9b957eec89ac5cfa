-- ---
-- id = "kpo_image_pull"
-- stage = "execute"
-- component = "kubernetes-pod-operator"
-- severity = "high"
-- needs = ["task_instances", "pods"]
-- uses = ["scaledobjects", "workloads", "hpas", "events", "nodes", "objects", "log_lines", "airflow_config"]
-- explains = ["kpo_startup_timeout", "worker_slots_saturated", "tasks_killed"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.patience_s = 30
-- params.long_s = 600
-- [text.en]
-- title = "{pods} KubernetesPodOperator pod(s) of {dag} cannot pull their image"
-- detail = "Container {container} of {pod} waits with {reason}: {text}. {failed} attempt(s) failed, {held} still hold(s) a worker slot for nothing; {lost} s lost."
-- remedy = "image and image_pull_secrets of the operator (or its pod template): name, tag, registry, credentials; mirror what a registry limits. startup_timeout_seconds decides how long the slot is held."
-- [text.zh]
-- name = "KPO 镜像拉取失败"
-- title = "{dag} 的 {pods} 个 KubernetesPodOperator Pod 拉不到镜像"
-- detail = "{pod} 的容器 {container} 停在 {reason}：{text}。{failed} 个任务尝试失败，{held} 个仍白占 worker 槽位；损失 {lost} 秒。"
-- remedy = "检查算子（或其 Pod 模板）的 image 与 image_pull_secrets：名称、标签、仓库、凭据；对限流的仓库做镜像。startup_timeout_seconds 决定槽位被占多久。"
-- ---
-- A base container that starts in the end shows that the pull was only late. Beyond $long_s the startup timeout is to blame.
WITH stuck AS (
    SELECT *, last_state IN ('failed', 'up_for_retry') AND task_over_at >= pull_failed_at AS failed, last_state = 'running' AND task_over_at IS NULL AND gone_at IS NULL
        AND pull_failed_at <= $end::TIMESTAMP - to_seconds($patience_s) AS held
    FROM kpo_pods k WHERE pull_failed_at IS NOT NULL AND base_started_at IS NULL
        AND NOT EXISTS (FROM kills x WHERE x.dag_id = k.dag_id AND x.run_id = k.run_id AND x.task_id = k.task_id AND x.map_index = k.map_index AND x.attempt = k.attempt)
),
hit AS (
    SELECT *, least($long_s, date_diff('millisecond', CASE WHEN failed THEN task_at ELSE pull_failed_at END, coalesce(CASE WHEN failed THEN task_over_at END, $end::TIMESTAMP)) / 1000.0) AS lost
    FROM stuck WHERE (failed OR held) AND coalesce(task_over_at, $end::TIMESTAMP) >= $start::TIMESTAMP
)
SELECT min(pull_failed_at) AS started_at, max(coalesce(task_over_at, $end::TIMESTAMP)) AS ended_at, '' AS target, dag_id AS subject,
    {'dag': dag_id, 'pods': count(*), 'container': arg_min(pull_container, pull_failed_at), 'pod': arg_min(pod, pull_failed_at), 'reason': arg_min(pull_reason, pull_failed_at),
     'text': coalesce(arg_min(pull_text, pull_failed_at), '-'), 'failed': count(*) FILTER (WHERE failed), 'held': count(*) FILTER (WHERE held), 'lost': CAST(round(sum(lost)) AS BIGINT)} AS params,
    0.95 AS confidence,
    list({'table': 'pods', 'ts': pull_failed_at, 'key': namespace || '/' || pod, 'text': pull_container || ' waiting: ' || pull_reason || coalesce(' ' || pull_text, '')} ORDER BY pull_failed_at)[1:3]
    || list({'table': 'task_instances', 'ts': coalesce(task_over_at, task_at), 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'attempt ' || attempt || ': ' || last_state} ORDER BY pull_failed_at)[1:2] AS evidence,
    sum(lost) AS lost_task_seconds
FROM hit GROUP BY dag_id
