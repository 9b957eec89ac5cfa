-- ---
-- id = "kpo_pods"
-- group = "timeline"
-- doc = "Pods of the KubernetesPodOperator with the attempt that made them: when placed and started, what they wait for, when gone."
-- needs = ["task_instances", "pods"]
-- params.end = "1970-01-01"
-- ---
-- Labels hold ids as make_safe_label_value makes them: cut to 63 characters, and hashed where that changes them
-- (airflow/providers/cncf/kubernetes/pod_generator.py). Pods of the KubernetesExecutor are workers themselves.
WITH marked AS (
    SELECT uid, any_value(namespace) AS namespace, any_value(name) AS pod,
        any_value(json_extract_string(labels, '$.dag_id')) AS dag_label, any_value(json_extract_string(labels, '$.task_id')) AS task_label, any_value(json_extract_string(labels, '$.run_id')) AS run_label,
        any_value(try_cast(json_extract_string(labels, '$.try_number') AS INTEGER)) AS try_label, any_value(try_cast(json_extract_string(labels, '$.map_index') AS INTEGER)) AS map_label,
        bool_or(json_extract_string(labels, '$.already_checked') = 'True') AS checked,
        coalesce(min(created_at), min(ts)) AS created_at, min(coalesce(scheduled_at, ts)) FILTER (WHERE scheduled_status = 'True') AS placed_at,
        min(ts) FILTER (WHERE scheduled_status = 'False' AND scheduled_reason = 'Unschedulable') AS unschedulable_at,
        any_value(scheduled_message) FILTER (WHERE scheduled_status = 'False') AS unschedulable_text,
        min(ts) FILTER (WHERE waiting_reason IN ('ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull') AND waiting_container <> 'airflow-xcom-sidecar') AS pull_failed_at,
        arg_min(waiting_container, seen_at) FILTER (WHERE waiting_reason IN ('ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull') AND waiting_container <> 'airflow-xcom-sidecar') AS pull_container,
        arg_min(waiting_reason, seen_at) FILTER (WHERE waiting_reason IN ('ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull') AND waiting_container <> 'airflow-xcom-sidecar') AS pull_reason,
        arg_min(waiting_message, seen_at) FILTER (WHERE waiting_reason IN ('ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull') AND waiting_container <> 'airflow-xcom-sidecar') AS pull_text,
        coalesce(bool_or(waiting_container = 'airflow-xcom-sidecar' AND waiting_reason IN ('ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull')), false) AS sidecar_stuck,
        arg_max(waiting_container || ' ' || waiting_reason, seen_at) FILTER (WHERE waiting_container IS NOT NULL) AS waits_for,
        min(seen_at) FILTER (WHERE change = 'DELETED' OR phase IN ('Succeeded', 'Failed')) AS over_at, min(seen_at) FILTER (WHERE change = 'DELETED') AS gone_at,
        min(deletion_at - to_seconds(coalesce(deletion_grace_s, 0))) AS stopping_at,
        min(ts) FILTER (WHERE phase = 'Running') AS running_at, min(ts) AS ts,
        min(list_min(list_transform(list_filter(from_json(containers, '[{"name":"VARCHAR","init":"BOOLEAN","state":"VARCHAR","started_at":"VARCHAR","last_reason":"VARCHAR"}]'),
            lambda c: NOT coalesce(c.init, false) AND c.name <> 'airflow-xcom-sidecar' AND (c.state IN ('running', 'terminated') OR c.last_reason IS NOT NULL)), lambda c: 1))) AS base_ran,
        min(started_at) AS started_at
    FROM pods
    WHERE json_extract_string(labels, '$.dag_id') IS NOT NULL AND json_extract_string(labels, '$.task_id') IS NOT NULL
        AND json_extract_string(labels, '$.kubernetes_executor') IS NULL AND json_extract_string(labels, '$."airflow-worker"') IS NULL
    GROUP BY uid
),
names AS (
    SELECT DISTINCT name, CASE WHEN length(clean) > 63 OR clean <> name THEN left(clean, 53) || '-' || left(md5(name), 9) ELSE clean END AS label
    FROM (SELECT name, regexp_replace(name, '^[^a-z0-9A-Z]*|[^a-zA-Z0-9_\-\.]|[^a-z0-9A-Z]*$', '', 'g') AS clean FROM (SELECT dag_id AS name FROM attempts UNION SELECT task_id FROM attempts UNION SELECT run_id FROM attempts))
)
SELECT m.* EXCLUDE (dag_label, task_label, run_label, map_label, base_ran, started_at, running_at),
    a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, a.running_at AS task_at, a.last_state, coalesce(a.ended_at, a.failed_seen_at) AS task_over_at,
    CASE WHEN m.base_ran = 1 OR m.running_at IS NOT NULL THEN coalesce(m.started_at, m.running_at, m.ts) END AS base_started_at
FROM marked m
JOIN names d ON d.label = m.dag_label JOIN names t ON t.label = m.task_label
JOIN attempts a ON a.dag_id = d.name AND a.task_id = t.name AND a.running_at <= m.created_at + INTERVAL 5 SECOND
    AND coalesce(a.ended_at, a.failed_seen_at, 'infinity') >= m.created_at AND (m.map_label IS NULL OR m.map_label = a.map_index)
LEFT JOIN names r ON r.label = m.run_label AND r.name = a.run_id
WHERE (m.run_label IS NULL OR r.name IS NOT NULL)
QUALIFY row_number() OVER (PARTITION BY m.uid ORDER BY (m.try_label = a.attempt) DESC NULLS LAST, a.running_at DESC) = 1
