-- ---
-- id = "replica_changes"
-- group = "timeline"
-- doc = "Each change of spec.replicas with what its own object tells of the writer; `decisions` names the author."
-- needs = ["scaledobjects", "workloads"]
-- ---
WITH steps AS (
    SELECT *, lag(desired) OVER (PARTITION BY target ORDER BY moment) AS before FROM replicas WHERE change <> 'DELETED'
)
SELECT target, moment, ts, before, desired AS after, replicas_manager, replicas_operation, replicas_subresource, key,
    (SELECT active_status = 'True' FROM scaledobjects s JOIN targets t ON t.scaledobject_uid = s.uid
        WHERE t.target = steps.target AND s.seen_at <= steps.moment ORDER BY s.seen_at DESC LIMIT 1) AS active
FROM steps
WHERE before IS NOT NULL AND desired IS NOT NULL AND before <> desired
ORDER BY target, moment
