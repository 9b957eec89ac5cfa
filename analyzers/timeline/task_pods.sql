-- ---
-- id = "task_pods"
-- group = "timeline"
-- doc = "Each attempt that ran with the life of the worker pod that ran it: names come again, in other namespaces and after a StatefulSet's restart."
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- ---
-- 5 s of clock offset between worker and control plane are granted.
SELECT a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, a.running_at, a.ended_at, a.failed_seen_at, a.last_state, w.target, w.uid, w.name AS pod
FROM attempts a
JOIN worker_pods w ON w.name = a.host AND a.running_at >= w.created_at - INTERVAL 5 SECOND AND a.running_at <= coalesce(w.gone_at, 'infinity') + INTERVAL 5 SECOND
LEFT JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)
WHERE a.host <> '' AND a.running_at IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt ORDER BY s.target IS NOT DISTINCT FROM w.target DESC, w.created_at DESC) = 1
