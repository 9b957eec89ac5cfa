-- ---
-- id = "image_pull_failure"
-- stage = "image"
-- binds = "target"
-- component = "image"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["events"]
-- explains = ["pods_not_ready", "replicas_below_demand", "tasks_waiting", "statefulset_blocked"]
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{pods} worker pod(s) of {target} cannot pull their image"
-- detail = "Container {container}: {reason}. {message}"
-- remedy = "Check the image name and tag, the registry and imagePullSecrets, and rate limits; pre-pull or mirror the image."
-- [text.zh]
-- name = "镜像拉取失败"
-- title = "{target} 有 {pods} 个 worker Pod 拉取镜像失败"
-- detail = "容器 {container}：{reason}。{message}"
-- remedy = "检查镜像名与标签、镜像仓库、imagePullSecrets 与限流；预拉取或使用镜像代理。"
-- ---
WITH stuck AS (
    SELECT w.target, p.uid, p.namespace || '/' || p.name AS key, min(p.seen_at) AS from_at,
        least(coalesce(w.started_at, w.stopping_at, w.gone_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at,
        min(p.ts) AS ts, arg_min(p.waiting_reason, p.seen_at) AS reason, arg_min(p.waiting_container, p.seen_at) AS container, arg_min(p.waiting_message, p.seen_at) AS message
    FROM pods p JOIN worker_pods w ON w.uid = p.uid
    WHERE p.waiting_reason IN ('ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'RegistryUnavailable', 'ImageInspectError', 'SignatureValidationFailed')
        AND p.change <> 'DELETED'
    GROUP BY w.target, p.uid, p.namespace, p.name, w.started_at, w.stopping_at, w.gone_at
),
events_of AS (
    SELECT s.uid, e.ts, e.message, e.object_namespace || '/' || e.object_name AS key
    FROM stuck s JOIN events e ON e.object_uid = s.uid AND e.reason = 'Failed' AND e.message LIKE '%pull%'
    QUALIFY row_number() OVER (PARTITION BY s.uid ORDER BY e.ts) = 1
)
SELECT min(s.from_at) AS started_at, max(s.to_at) AS ended_at, s.target, s.target AS subject,
    {'target': s.target, 'pods': count(*), 'container': coalesce(arg_min(s.container, s.from_at), '?'), 'reason': arg_min(s.reason, s.from_at), 'message': coalesce(arg_min(coalesce(e.message, s.message), s.from_at), '')} AS params,
    0.98 AS confidence,
    list({'table': 'pods', 'ts': s.ts, 'key': s.key, 'text': coalesce(s.container, '') || ' waiting: ' || s.reason || coalesce(' ' || s.message, '')} ORDER BY s.from_at)[1:3]
    || list({'table': 'events', 'ts': e.ts, 'key': e.key, 'text': e.message} ORDER BY e.ts)[1:1] AS evidence
FROM stuck s LEFT JOIN events_of e ON e.uid = s.uid
WHERE s.to_at > s.from_at
GROUP BY s.target
