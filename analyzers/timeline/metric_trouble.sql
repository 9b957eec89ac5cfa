-- ---
-- id = "metric_trouble"
-- group = "timeline"
-- doc = "Spans in which the HPA asked for the external metric and got no answer, or an error."
-- needs = ["scaledobjects", "hpas"]
-- uses = ["events", "apiservices", "workloads"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- ---
-- A span starts up to 60 s before the first failure is reported, since that long a request may hang (the API
-- server's own limit, domain: keda-hpa 2.1), but not before the last good answer nor before the HPA had replicas
-- to ask for; it ends with the next good answer. The condition's lastTransitionTime is of no use here: it stands
-- still when ScalingDisabled (at zero) becomes FailedGetExternalMetric, because the status does not flip.
WITH views AS (
    SELECT t.target, h.seen_at AS moment, h.active_status, h.active_reason, h.active_message, h.active_since, h.namespace || '/' || h.name AS key,
        lead(h.seen_at) OVER (PARTITION BY t.target ORDER BY h.seen_at) AS next_at
    FROM hpas h JOIN targets t ON t.hpa_uid = h.uid
),
failing AS (
    SELECT target, 'hpas' AS source, moment AS from_at,
        coalesce(next_at, $end::TIMESTAMP) AS to_at, moment AS ts, key, active_message AS message
    FROM views WHERE active_status = 'False' AND active_reason LIKE 'FailedGet%'
    UNION ALL
    SELECT t.target, 'events', greatest(coalesce(e.first_ts, e.ts), $start::TIMESTAMP), e.ts, e.ts, e.object_namespace || '/' || e.object_name, e.message
    FROM events e JOIN targets t ON e.object_namespace = t.namespace AND e.object_name = t.hpa_name
    WHERE e.reason = 'FailedGetExternalMetric' AND e.ts >= $start::TIMESTAMP
),
good AS (
    SELECT target, moment FROM views WHERE active_status = 'True'
    UNION ALL
    SELECT target, moment FROM decisions WHERE author = 'hpa'
),
asking AS (
    SELECT target, moment, desired > 0 AS asks, lead(moment) OVER (PARTITION BY target ORDER BY moment) AS next_at
    FROM (SELECT *, lag(desired > 0) OVER (PARTITION BY target ORDER BY moment) AS before FROM replicas)
    WHERE before IS NULL OR before <> (desired > 0)
),
bounded AS (
    SELECT f.*,
        (SELECT max(moment) FROM good g WHERE g.target = f.target AND g.moment < f.from_at) AS last_good_at,
        (SELECT max(moment) FROM asking a WHERE a.target = f.target AND a.asks AND a.moment <= f.from_at) AS asking_since,
        (SELECT min(moment) FROM good g WHERE g.target = f.target AND g.moment >= f.from_at) AS next_good_at
    FROM failing f
),
spans AS (
    SELECT target, source, ts, key, message,
        greatest(from_at - INTERVAL 60 SECOND, coalesce(last_good_at, $start::TIMESTAMP), coalesce(asking_since, $start::TIMESTAMP)) AS from_at,
        greatest(to_at, least(coalesce(next_good_at, $end::TIMESTAMP), $end::TIMESTAMP)) AS to_at
    FROM bounded
),
islands AS (
    SELECT *, sum(opens) OVER (PARTITION BY target ORDER BY from_at, to_at ROWS UNBOUNDED PRECEDING) AS island
    FROM (
        SELECT *, CASE WHEN from_at <= max(to_at) OVER (PARTITION BY target ORDER BY from_at, to_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            THEN 0 ELSE 1 END AS opens
        FROM spans
    )
)
SELECT target, min(from_at) AS from_at, max(to_at) AS to_at, count(*) AS reports,
    list({'table': source, 'ts': ts, 'key': key, 'text': message} ORDER BY ts)[1:5] AS evidence,
    arg_min(message, ts) AS first_message, list_distinct(list(message)) AS messages
FROM islands GROUP BY target, island
