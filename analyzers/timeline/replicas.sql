-- ---
-- id = "replicas"
-- group = "timeline"
-- doc = "Each change of a target's workload: spec, status and ready replicas, and the last writer of spec.replicas."
-- needs = ["scaledobjects", "workloads"]
-- ---
SELECT
    t.target, w.seen_at AS moment, w.ts, w.change, w.spec_replicas AS desired,
    coalesce(w.status_replicas, 0) AS current, coalesce(w.ready_replicas, 0) AS ready,
    w.replicas_manager, w.replicas_operation, w.replicas_subresource, w.generation, w.failure_reason, w.failure_message,
    w.namespace || '/' || w.name AS key
FROM workloads w JOIN targets t ON t.workload_uid = w.uid
ORDER BY t.target, moment
