-- ---
-- id = "node_scale_up_blocked"
-- stage = "place"
-- binds = "target"
-- component = "nodes"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods", "events"]
-- explains = ["pods_unschedulable", "statefulset_blocked", "pods_not_ready", "replicas_below_demand", "tasks_waiting"]
-- params.end = "1970-01-01"
-- params.min_s = 10
-- [text.en]
-- title = "The node autoscaler adds no node for {pods} worker pod(s) of {target}: {why}"
-- detail = "The workers fit on no node that exists, and the autoscaler said why none comes: {message}"
-- remedy = "Raise the maximum of the node group (cluster autoscaler: --nodes or the cloud's group maximum; Karpenter: spec.limits of the NodePool) or the cloud's quota, add a group or instance types with capacity, or lower workers.resources.requests or maxReplicaCount."
-- [text.zh]
-- name = "节点扩容受阻"
-- title = "节点自动伸缩器没有为 {target} 的 {pods} 个 worker Pod 增加节点：{why}"
-- detail = "现有节点都放不下这些 worker，自动伸缩器说明了为何没有新节点：{message}"
-- remedy = "提高节点组上限（cluster autoscaler：--nodes 或云平台节点组的最大值；Karpenter：NodePool 的 spec.limits）或云配额，增加有容量的节点组或机型，或降低 workers.resources.requests 或 maxReplicaCount。"
-- ---
-- From the moment the pod fitted nowhere until it was placed or a node was on its way after all. Reasons of the pod's
-- own (selector, taints, size) are pods_unschedulable.
WITH refused AS (
    SELECT u.*, list_filter(u.words, lambda w: w.said = 'refused') AS refusals FROM unplaced_pods u
),
spans AS (
    SELECT *, refusals[1].ts AS refused_at,
        coalesce(list_min(list_transform(list_filter(words, lambda w: w.said = 'coming' AND w.ts > refusals[-1].ts), lambda w: w.ts)), to_at) AS until,
        -- a node that came to nothing first: the refusal takes over when it is said
        coalesce(list_max(list_transform(list_filter(words, lambda w: w.said = 'coming' AND w.ts <= refusals[1].ts), lambda w: refusals[1].ts)), from_at) AS since
    FROM refused
    -- groups at their maximum are left out before anybody asks whether the pod would fit: only a pod that lacks room is held up by them
    WHERE len(refusals) > 0 AND (message IS NULL OR regexp_matches(message, 'Insufficient|Too many pods|anti-affinity|topology spread|free ports|max volume count'))
),
long AS (SELECT *, greatest(since, from_at) AS begin_at, least(until, to_at) AS end_at FROM spans),
kept AS (SELECT * FROM long WHERE end_at > begin_at + to_seconds($min_s))
SELECT min(begin_at) AS started_at, max(end_at) AS ended_at, target, target AS subject,
    {'target': target, 'pods': count(*), 'message': arg_min(refusals[1].message, refused_at),
     'why': coalesce(nullif(regexp_extract(arg_min(refusals[1].message, refused_at), '(max node group size reached|in backoff after failed scale-up|max cluster [a-z ]*limit[a-z ]*|exceed limits for nodepool|insufficient capacity)', 1), ''), arg_min(refusals[1].reason, refused_at))} AS params,
    0.95 AS confidence,
    list({'table': 'events', 'ts': refused_at, 'key': refusals[1].key, 'text': refusals[1].reason || ': ' || refusals[1].message} ORDER BY refused_at)[1:4] AS evidence
FROM kept GROUP BY target
