-- ---
-- id = "silences"
-- group = "timeline"
-- doc = "Spans at zero workers in which KEDA's polls had to activate a target and left no trace, until it did activate."
-- needs = ["task_instances", "scaledobjects", "workloads"]
-- uses = ["polls", "events", "hpas", "log_lines"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.polls = 3
-- params.silent_s = 25
-- ---
-- A poll of a healthy scaler at zero either activates or fails with an event; one that finds nothing writes nothing. So
-- silence over several polls, with work that the query counts, means that nobody polled. It counts only once KEDA
-- activated after all, with its beats in time again: until then a query that hangs, or reads another database, would look
-- the same. Paused, new, refused and failing objects, an activation value, and a database in trouble explain themselves.
WITH looks AS (
    SELECT *, lead(seen_at, 1, 'infinity'::TIMESTAMP) OVER (PARTITION BY uid ORDER BY seen_at, ts) AS until FROM scaledobjects
),
wakings AS (
    SELECT d.target, d.moment AS to_at, d.key, t.scaledobject_uid, t.polling_interval_s,
        coalesce((SELECT max(z.moment) FROM decisions z WHERE z.target = d.target AND z.moment < d.moment AND z.after = 0), $start::TIMESTAMP) AS zero_at
    FROM decisions d JOIN targets t ON t.target = d.target
    WHERE d.author = 'keda' AND d.before = 0 AND d.after > 0 AND t.activation_target = 0
),
asked AS (
    SELECT w.*, (SELECT min(greatest(q.from_at, w.zero_at)) FROM queued_spans q
        WHERE q.target = w.target AND q.counted AND q.from_at < w.to_at AND coalesce(q.to_at, $end::TIMESTAMP) > w.zero_at) AS asked_at
    FROM wakings w
)
SELECT a.target, a.asked_at, a.asked_at + to_seconds(a.polling_interval_s) AS from_at, a.to_at, a.key
FROM asked a
WHERE a.to_at > a.asked_at + to_seconds(greatest($silent_s, $polls * a.polling_interval_s))
    AND NOT EXISTS (FROM trigger_failures f WHERE f.target = a.target AND f.from_at < a.to_at AND f.to_at > a.asked_at)
    AND NOT EXISTS (FROM looks o WHERE o.uid = a.scaledobject_uid AND o.seen_at < a.to_at AND o.until > a.asked_at
        AND (o.created_at > a.asked_at OR o.paused_status = 'True' OR o.pause_annotations IS NOT NULL OR o.ready_status = 'False'))
    AND NOT EXISTS (FROM polls p WHERE (p.outcome <> 'ok' OR p.duration_ms > 2000) AND p.ts BETWEEN a.asked_at - INTERVAL 10 SECOND AND a.to_at)
    -- a query that is always slow beats late ever after
    AND (SELECT count(DISTINCT o.last_active_time) FROM scaledobjects o WHERE o.uid = a.scaledobject_uid
        AND o.last_active_time > a.to_at - INTERVAL 2 SECOND AND o.last_active_time <= a.to_at + to_seconds(3 * a.polling_interval_s)) >= 2
