-- ---
-- id = "warnings"
-- group = "timeline"
-- doc = "Warning events about a target's ScaledObject, HPA, workload and pods that happened in the capture."
-- needs = ["scaledobjects", "events"]
-- ---
SELECT t.target, e.ts AS moment, e.reason, e.object_name, coalesce(e.message, '') AS message
FROM events e
JOIN targets t ON e.object_namespace = t.namespace
    AND (e.object_name IN (t.name, t.hpa_name) OR starts_with(e.object_name, t.workload_name))
WHERE e.type = 'Warning' AND e.change <> 'STATE'
ORDER BY t.target, moment
