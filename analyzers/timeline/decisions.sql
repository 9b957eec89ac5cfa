-- ---
-- id = "decisions"
-- group = "timeline"
-- doc = "Each change of spec.replicas with its author: keda, hpa, or the field manager that wrote it."
-- needs = ["scaledobjects", "workloads"]
-- uses = ["events"]
-- ---
-- managedFields names the last writer of spec.replicas (domain: keda-hpa 11.4 and 12); without them the events that
-- KEDA and the HPA emit for the same size within five seconds tell.
WITH steps AS (
    SELECT *, lag(desired) OVER (PARTITION BY target ORDER BY moment) AS before FROM replicas WHERE change <> 'DELETED'
),
changed AS (SELECT * FROM steps WHERE before IS NOT NULL AND desired IS NOT NULL AND before <> desired),
said AS (
    SELECT t.target, coalesce(e.last_ts, e.ts) AS said_at, e.reason,
        CASE WHEN e.reason = 'SuccessfulRescale' THEN 'hpa' ELSE 'keda' END AS author,
        try_cast(CASE WHEN e.reason = 'SuccessfulRescale' THEN regexp_extract(e.message, '^New size: (\d+)', 1)
            ELSE regexp_extract(e.message, ' to (\d+)', 1) END AS INTEGER) AS size,
        CASE WHEN e.reason = 'SuccessfulRescale' THEN regexp_replace(regexp_extract(e.message, 'reason: (.*)$', 1), '\(&LabelSelector.*\)', '')
            ELSE e.message END AS words
    FROM events e
    JOIN targets t ON e.object_namespace = t.namespace AND (
        (e.reason = 'SuccessfulRescale' AND e.object_name = t.hpa_name)
        OR (e.reason IN ('KEDAScaleTargetActivated', 'KEDAScaleTargetDeactivated') AND e.object_name = t.name))
)
SELECT
    c.target, c.moment, c.before, c.desired AS after,
    CASE c.replicas_manager
        WHEN 'keda-operator' THEN 'keda'
        WHEN 'keda' THEN 'keda'
        WHEN 'kube-controller-manager' THEN 'hpa'
        ELSE coalesce(s.author, nullif(c.replicas_manager, ''), 'unknown')
    END AS author,
    coalesce(s.words, '') AS reason,
    c.key
FROM changed c
LEFT JOIN said s ON s.target = c.target AND s.size = c.desired
    AND s.said_at BETWEEN c.moment - INTERVAL 5 SECOND AND c.moment + INTERVAL 5 SECOND
QUALIFY row_number() OVER (PARTITION BY c.target, c.moment ORDER BY abs(epoch_us(s.said_at) - epoch_us(c.moment))) = 1
ORDER BY c.target, c.moment
