-- ---
-- id = "scaling_words"
-- group = "timeline"
-- doc = "What KEDA, the HPA and its controller said of a target's size: events, log lines, and moves of lastScaleTime."
-- needs = ["scaledobjects"]
-- uses = ["events", "hpas", "log_lines"]
-- ---
SELECT t.target, coalesce(e.last_ts, e.ts) AS moment, CASE WHEN e.reason = 'SuccessfulRescale' THEN 'hpa_event' ELSE 'keda_event' END AS source,
    e.message AS text, NULL::BIGINT AS size
FROM events e
JOIN targets t ON e.object_namespace = t.namespace AND (
    (e.reason = 'SuccessfulRescale' AND e.object_name = t.hpa_name)
    OR (e.reason IN ('KEDAScaleTargetActivated', 'KEDAScaleTargetDeactivated') AND e.object_name = t.name))
UNION ALL
SELECT t.target, l.ts, 'hpa_log', l.text, NULL
FROM log_lines l JOIN targets t ON l.pattern = 'kcm.rescaled' AND contains(l.text, '"' || t.namespace || '/' || t.hpa_name || '"')
UNION ALL
SELECT target, last_scale_time, 'hpa_status', '', desired_replicas FROM (
    SELECT t.target, h.last_scale_time, h.desired_replicas,
        lag(h.last_scale_time) OVER (PARTITION BY h.uid ORDER BY h.seen_at) IS DISTINCT FROM h.last_scale_time AS moved
    FROM hpas h JOIN targets t ON t.hpa_uid = h.uid WHERE h.change <> 'DELETED'
) WHERE moved AND last_scale_time IS NOT NULL
