-- ---
-- id = "query_steps"
-- group = "timeline"
-- doc = "Steps of each target's open tasks and of spec.replicas, with the constant that its query divides by: what the query asks for."
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["pods", "log_lines"]
-- params.end = "1970-01-01"
-- ---
-- A query without a division counts tasks; one with several divisions, or by more than a constant, is not judged.
WITH changes AS (
    SELECT target, from_at AS moment, 1 AS delta FROM demand_spans
    UNION ALL SELECT target, to_at, -1 FROM demand_spans WHERE to_at IS NOT NULL
    UNION ALL SELECT target, moment, 0 FROM replicas
),
steps AS (SELECT target, moment, sum(sum(delta)) OVER (PARTITION BY target ORDER BY moment) AS tasks FROM changes WHERE target <> '' GROUP BY target, moment),
queries AS (
    SELECT target, query, ts,
        CASE WHEN len(regexp_extract_all(query, '/')) = 0 THEN 1.0
            WHEN len(regexp_extract_all(query, '/')) = 1 THEN try_cast(regexp_extract(query, '/\s*\(?\s*([0-9]+(?:\.[0-9]+)?)', 1) AS DOUBLE) END AS divisor
    FROM trigger_queries WHERE translated AND counts_queued AND counts_running
)
SELECT s.target, s.moment, lead(s.moment, 1, $end::TIMESTAMP) OVER (PARTITION BY s.target ORDER BY s.moment) AS until,
    s.tasks, r.desired, q.divisor, ceil(s.tasks / q.divisor) AS value, q.query, q.ts AS query_ts
FROM steps s JOIN queries q ON q.target = s.target AND q.divisor > 0
ASOF LEFT JOIN replicas r ON r.target = s.target AND r.moment <= s.moment
ORDER BY s.target, s.moment
