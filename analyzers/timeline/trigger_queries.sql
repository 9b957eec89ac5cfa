-- ---
-- id = "trigger_queries"
-- group = "timeline"
-- doc = "One row per target: the trigger's query, whether it could be re-run, and which states it counts."
-- needs = ["scaledobjects", "task_instances"]
-- ---
SELECT
    x.target, x.query, x.translated, x.reason,
    coalesce(c.counts_queued, false) AS counts_queued,
    coalesce(c.counts_running, false) AS counts_running,
    (SELECT min(s.ts) FROM scaledobjects s WHERE s.namespace || '/' || s.name = x.target) AS ts
FROM trigger_texts x
LEFT JOIN (
    SELECT target, bool_or(in_queued) AS counts_queued, bool_or(in_running) AS counts_running FROM counted GROUP BY target
) c USING (target)
