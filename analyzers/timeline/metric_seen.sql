-- ---
-- id = "metric_seen"
-- group = "timeline"
-- doc = "What the HPA knew at each change of its status: the metric in workers, NULL where it had none, and whether the last request was answered."
-- needs = ["scaledobjects", "hpas"]
-- uses = ["workloads"]
-- ---
-- AverageValue is the metric over the workload's status.replicas, rounded up: times those it is the total again, and
-- without replicas it is garbage (domain: keda-hpa 11.1). The HPA's own currentReplicas is spec.replicas before the
-- sync, so the last look at the workload with that spec has the status that the sync saw. Right after a rescale that
-- status is on the move; there an average that did not change was divided by what divided it before.
WITH looks AS (
    SELECT t.target, h.*,
        (SELECT arg_max(coalesce(w.status_replicas, 0), w.seen_at) FROM workloads w
            WHERE w.uid = t.workload_uid AND w.seen_at <= h.seen_at AND w.spec_replicas = h.current_replicas
            AND w.change <> 'DELETED') AS last_status,
        (SELECT list(DISTINCT coalesce(w.status_replicas, 0)) FROM workloads w
            WHERE w.uid = t.workload_uid AND w.seen_at BETWEEN h.seen_at - INTERVAL 1 SECOND AND h.seen_at
            AND w.spec_replicas = h.current_replicas AND w.change <> 'DELETED') AS moving
    FROM hpas h JOIN targets t ON t.hpa_uid = h.uid
    WHERE h.change <> 'DELETED'
), syncs AS (
    SELECT *,
        CASE WHEN current_milli = lag(current_milli) OVER before AND list_contains(moving, lag(last_status) OVER before)
            THEN lag(last_status) OVER before ELSE last_status END AS status_replicas
    FROM looks
    WINDOW before AS (PARTITION BY target ORDER BY seen_at)
)
SELECT
    target, seen_at AS moment, active_status = 'True' AS answered, active_reason,
    CASE WHEN active_status = 'True' AND target_milli > 0 THEN
        round(current_milli * CASE metric_type WHEN 'Value' THEN 1 ELSE nullif(status_replicas, 0) END / target_milli, 3)
    END AS workers,
    status_replicas, desired_replicas, max_replicas, current_milli, target_milli, limited_reason, able_reason
FROM syncs
ORDER BY target, moment
