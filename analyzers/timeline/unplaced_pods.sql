-- ---
-- id = "unplaced_pods"
-- group = "timeline"
-- doc = "Worker pods that the scheduler said fit on no node: since when, until when, and what node autoscalers said of each."
-- needs = ["scaledobjects", "workloads", "pods"]
-- uses = ["events"]
-- params.end = "1970-01-01"
-- ---
-- Cluster autoscaler: TriggeredScaleUp and NotTriggerScaleUp on the pod; the latter only means a limit of the node
-- groups where its reasons say so, the others are the pod's own wishes. Karpenter: Nominated, and its own
-- FailedScheduling (the component tells it from the scheduler's).
WITH stuck AS (
    SELECT w.target, w.uid, w.namespace, w.name, arg_min(p.scheduled_message, p.seen_at) AS message, greatest(min(p.seen_at), w.created_at) AS from_at,
        least(coalesce(w.scheduled_at, w.stopping_at, w.gone_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at, w.scheduled_at IS NOT NULL AS placed
    FROM pods p JOIN worker_pods w ON w.uid = p.uid
    WHERE p.scheduled_status = 'False' AND p.scheduled_reason = 'Unschedulable' AND p.change <> 'DELETED'
    GROUP BY w.target, w.uid, w.namespace, w.name, w.created_at, w.scheduled_at, w.stopping_at, w.gone_at
),
words AS (
    SELECT s.uid, e.ts, e.reason, e.message, e.object_namespace || '/' || e.object_name AS key,
        CASE
            WHEN e.reason = 'TriggeredScaleUp' OR e.reason = 'Nominated' THEN 'coming'
            WHEN e.reason = 'NotTriggerScaleUp' AND regexp_matches(e.message, 'max node group size reached|max cluster .*limit|in backoff after failed scale-up|limit reached|exceeds? .*limit|quota') THEN 'refused'
            WHEN e.reason = 'FailedScheduling' AND e.component LIKE 'karpenter%' AND regexp_matches(e.message, 'exceed limits for nodepool|all available instance types exceed limits|limits? exceeded|insufficient capacity|no instance type.*available|NodeClass') THEN 'refused'
            WHEN e.reason IN ('InsufficientCapacityError', 'NodeClassNotReady') THEN 'refused'
        END AS said
    FROM stuck s JOIN events e ON e.object_uid = s.uid OR (e.object_uid IS NULL AND e.object_namespace = s.namespace AND e.object_name = s.name)
    WHERE e.reason IN ('TriggeredScaleUp', 'NotTriggerScaleUp', 'Nominated', 'FailedScheduling', 'InsufficientCapacityError', 'NodeClassNotReady')
)
SELECT s.*, coalesce((SELECT list({'ts': w.ts, 'reason': w.reason, 'message': coalesce(w.message, ''), 'key': w.key, 'said': w.said} ORDER BY w.ts) FROM words w WHERE w.uid = s.uid AND w.said IS NOT NULL), []) AS words
FROM stuck s
