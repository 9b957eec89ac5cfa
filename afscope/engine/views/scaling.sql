-- Writes of spec.replicas and the HPA's looks at its metric, in the order of time. A write of the HPA is told by the
-- status that the same sync wrote right after it; any other by the last look before it.
WITH looks AS (
    SELECT m.*, t.behavior, row_number() OVER (ORDER BY m.moment) AS n
    FROM metric_seen m JOIN targets t USING (target) WHERE m.target = $target
),
writes AS (SELECT *, row_number() OVER (ORDER BY moment) AS n FROM decisions WHERE target = $target),
seen AS (
    SELECT w.n, coalesce(
        CASE WHEN w.author = 'hpa' THEN (SELECT min(l.n) FROM looks l WHERE l.moment >= w.moment - INTERVAL 100 MILLISECOND
            AND l.moment <= w.moment + INTERVAL 5 SECOND AND l.desired_replicas = w.after) END,
        (SELECT max(l.n) FROM looks l WHERE l.moment <= w.moment)) AS look
    FROM writes w
)
SELECT 'write' AS kind, w.moment, w.before, w.after, w.author, w.reason, w.confidence, l.workers, l.status_replicas,
    l.desired_replicas, l.limited_reason, l.answered, l.active_reason, w.key, l.behavior
FROM writes w JOIN seen s USING (n) LEFT JOIN looks l ON l.n = s.look
UNION ALL
SELECT 'look', moment, NULL, NULL, 'hpa', able_reason, NULL, workers, status_replicas, desired_replicas, limited_reason,
    answered, active_reason, $target, behavior
FROM looks
ORDER BY moment, kind
LIMIT $limit
