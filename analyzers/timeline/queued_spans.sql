-- ---
-- id = "queued_spans"
-- group = "timeline"
-- doc = "Attempts while they wait for a worker, with the target they belong to (empty: nobody serves them)."
-- needs = ["task_instances", "dag_runs"]
-- ---
SELECT w.dag_id, w.run_id, w.task_id, w.map_index, w.attempt, w.queue, w.executor, w.host,
    coalesce(s.target, '') AS target, coalesce(s.counted, false) AS counted,
    w.queued_at AS from_at, w.wait_ended_at AS to_at
FROM waiting w
LEFT JOIN assignments s USING (dag_id, run_id, task_id, map_index, attempt)
WHERE w.queued_at < w.wait_ended_at
