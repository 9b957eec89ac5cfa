-- ---
-- id = "metric_seen"
-- group = "timeline"
-- doc = "What the HPA knew at each change of its status: the metric in workers, NULL where it had none, and whether the last request was answered."
-- needs = ["scaledobjects", "hpas"]
-- ---
-- AverageValue is the metric over status.replicas, rounded up: times the replicas it is the total again (domain:
-- keda-hpa 11.1).
SELECT
    t.target, h.seen_at AS moment, h.active_status = 'True' AS answered, h.active_reason,
    CASE WHEN h.active_status = 'True' AND h.target_milli > 0
        THEN round(h.current_milli * CASE h.metric_type WHEN 'Value' THEN 1 ELSE greatest(h.current_replicas, 1) END / h.target_milli, 3)
    END AS workers
FROM hpas h JOIN targets t ON t.hpa_uid = h.uid
WHERE h.change <> 'DELETED'
ORDER BY t.target, moment
