-- ---
-- id = "volume_attach_failure"
-- stage = "image"
-- binds = "target"
-- component = "nodes"
-- also = ["deployer"]
-- severity = "high"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods", "events"]
-- explains = ["slow_image_pull", "slow_worker_start", "statefulset_blocked", "pods_not_ready", "replicas_below_demand", "tasks_waiting"]
-- params.end = "1970-01-01"
-- params.min_s = 20
-- [text.en]
-- title = "{pods} worker pod(s) of {target} cannot get their volumes: {why}"
-- detail = "The pods have a node, but their containers cannot be created before every volume is there: {message}"
-- remedy = "{what}"
-- [text.en.variants]
-- multi = "A ReadWriteOnce volume is still attached to another node: delete the old pod (after a lost node by force), take ReadWriteMany for what workers share, or workers.persistence.enabled=false with remote logging."
-- absent = "Create the missing ConfigMap or Secret in the workers' namespace, or correct its name in workers.extraVolumes, secret and env of the release."
-- other = "Look at the CSI driver and the volume (kubectl describe pod and volumeattachment; mount options, network to NFS or the cloud's API, attach limit of the node); workers.persistence.enabled=false if workers need no volume of their own."
-- [text.zh]
-- name = "卷挂载失败"
-- title = "{target} 有 {pods} 个 worker Pod 拿不到卷：{why}"
-- detail = "Pod 已调度到节点，但所有卷就绪之前无法创建容器：{message}"
-- remedy = "{what}"
-- [text.zh.variants]
-- multi = "ReadWriteOnce 卷仍挂在另一个节点上：删除旧 Pod（节点丢失后需强制删除），共享数据改用 ReadWriteMany，或在远程日志下设 workers.persistence.enabled=false。"
-- absent = "在 worker 的命名空间中创建缺失的 ConfigMap 或 Secret，或修正 release 中 workers.extraVolumes、secret 和 env 里的名称。"
-- other = "检查 CSI 驱动和卷（kubectl describe pod 与 volumeattachment；挂载选项、到 NFS 或云 API 的网络、节点的挂载上限）；若 worker 不需要自己的卷，可设 workers.persistence.enabled=false。"
-- ---
-- A mount that fails once and works at the next try is everyday. The container is not created before all volumes are
-- there, so a pull or a start ends the span.
WITH failures AS (
    SELECT w.target, w.uid, w.namespace, w.name, w.scheduled_at, w.started_at, w.stopping_at, w.gone_at,
        greatest(coalesce(e.first_ts, e.ts), w.created_at) AS first_at, e.ts, e.reason, coalesce(e.message, '') AS message, e.object_namespace || '/' || e.object_name AS key
    FROM worker_pods w JOIN events e ON e.object_uid = w.uid OR (e.object_uid IS NULL AND e.object_namespace = w.namespace AND e.object_name = w.name AND e.ts >= w.created_at)
    WHERE e.reason IN ('FailedMount', 'FailedAttachVolume', 'FailedMapVolume') AND (w.started_at IS NULL OR coalesce(e.first_ts, e.ts) < w.started_at)
),
pulls AS (
    SELECT w.uid, min(e.ts) AS pull_at FROM worker_pods w JOIN events e ON e.object_uid = w.uid AND e.reason IN ('Pulling', 'Pulled', 'Created', 'Started')
    WHERE e.ts >= w.created_at GROUP BY w.uid
),
per_pod AS (
    SELECT f.target, f.uid, f.namespace, f.name, coalesce(min(f.scheduled_at), min(f.first_at)) AS from_at, max(f.ts) AS last_at,
        least(min(coalesce(f.started_at, f.stopping_at, f.gone_at, $end::TIMESTAMP)), coalesce(min(CASE WHEN p.pull_at > f.first_at THEN p.pull_at END), $end::TIMESTAMP), $end::TIMESTAMP) AS to_at,
        -- the first word names the trouble, later ones sum it up
        arg_min(f.message, f.first_at) AS message, arg_min(f.reason, f.first_at) AS reason, min(f.first_at) AS first_at, min(f.ts) AS ts, any_value(f.key) AS key
    FROM failures f LEFT JOIN pulls p ON p.uid = f.uid GROUP BY f.target, f.uid, f.namespace, f.name
),
judged AS (
    SELECT *, CASE WHEN message LIKE '%Multi-Attach%' THEN 'multi' WHEN regexp_matches(message, '(configmap|secret)s? "[^"]+" not found') THEN 'absent' ELSE 'other' END AS what
    FROM per_pod WHERE to_at > greatest(from_at, first_at) + to_seconds($min_s)
)
SELECT from_at AS started_at, to_at AS ended_at, target, target AS subject,
    CASE what WHEN 'absent' THEN 'deployer' ELSE 'nodes' END AS component,
    {'target': target, 'pods': count(*) OVER w, 'message': message, 'what': what,
     'why': coalesce(nullif(regexp_extract(message, '(Multi-Attach error for volume "[^"]*"|(?:configmap|secret)s? "[^"]+" not found|volume "[^"]*")', 1), ''), reason)} AS params,
    0.93 AS confidence,
    [{'table': 'events', 'ts': ts, 'key': key, 'text': reason || ': ' || message}] AS evidence
FROM judged WINDOW w AS (PARTITION BY target, what)
