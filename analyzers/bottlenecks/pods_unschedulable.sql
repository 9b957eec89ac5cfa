-- ---
-- id = "pods_unschedulable"
-- stage = "place"
-- binds = "target"
-- component = "nodes"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["events"]
-- explains = ["pods_not_ready", "replicas_below_demand", "tasks_waiting", "statefulset_blocked"]
-- params.end = "1970-01-01"
-- params.min_s = 10
-- [text.en]
-- title = "{pods} worker pod(s) of {target} fit on no node: {why}"
-- detail = "The workers were asked for and created, but the scheduler found no place: {message}"
-- remedy = "Add nodes or raise the node group's maximum, lower the workers' requests, or repair selector, affinity and tolerations; an autoscaler event (NotTriggerScaleUp) says why no node came."
-- [text.zh]
-- name = "Pod 无法调度"
-- title = "{target} 有 {pods} 个 worker Pod 无法调度：{why}"
-- detail = "worker 已被请求并创建，但调度器找不到位置：{message}"
-- remedy = "增加节点或提高节点组上限，降低 worker 的资源请求，或修正 selector、亲和性与容忍度；节点自动伸缩器的事件（NotTriggerScaleUp）会说明为何没有新节点。"
-- ---
WITH stuck AS (
    SELECT w.target, p.uid, p.namespace || '/' || p.name AS key, greatest(min(p.seen_at), w.created_at) AS from_at,
        least(coalesce(w.scheduled_at, w.stopping_at, w.gone_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at,
        min(p.ts) AS ts, arg_min(p.scheduled_message, p.seen_at) AS message
    FROM pods p JOIN worker_pods w ON w.uid = p.uid
    WHERE p.scheduled_status = 'False' AND p.scheduled_reason = 'Unschedulable' AND p.change <> 'DELETED'
    GROUP BY w.target, p.uid, p.namespace, p.name, w.created_at, w.scheduled_at, w.stopping_at, w.gone_at
),
long AS (SELECT * FROM stuck WHERE to_at > from_at + to_seconds($min_s)),
events_of AS (
    SELECT l.uid, e.ts, e.message, e.object_namespace || '/' || e.object_name AS key
    FROM long l JOIN events e ON e.object_uid = l.uid AND e.reason = 'FailedScheduling'
    QUALIFY row_number() OVER (PARTITION BY l.uid ORDER BY e.ts) = 1
)
SELECT min(l.from_at) AS started_at, max(l.to_at) AS ended_at, l.target, l.target AS subject,
    {'target': l.target, 'pods': count(*), 'message': coalesce(arg_min(l.message, l.from_at), ''),
     'why': coalesce(nullif(array_to_string(list_distinct(regexp_extract_all(arg_min(l.message, l.from_at),
        '(Insufficient [a-z][a-z0-9./-]*[a-z0-9]|Too many pods|untolerated taint|node affinity/selector|anti-affinity|topology spread|unbound immediate PersistentVolumeClaims|volume zone|free ports)')), ', '), ''), 'Unschedulable')} AS params,
    0.97 AS confidence,
    list({'table': 'pods', 'ts': l.ts, 'key': l.key, 'text': 'PodScheduled=False Unschedulable: ' || coalesce(l.message, '')} ORDER BY l.from_at)[1:3]
    || list({'table': 'events', 'ts': e.ts, 'key': e.key, 'text': 'FailedScheduling: ' || e.message} ORDER BY e.ts)[1:1] AS evidence
FROM long l LEFT JOIN events_of e ON e.uid = l.uid
GROUP BY l.target
