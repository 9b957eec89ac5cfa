-- ---
-- id = "unseen_scheduling"
-- group = "timeline"
-- doc = "Attempts that waited long before they were queued, and no row says whether a limit or the scheduler held them: before Airflow 3 the database keeps no time of it, so only polls can show it."
-- needs = ["task_instances", "dag_runs"]
-- uses = ["polls"]
-- params.ordinary_s = 30
-- ---
SELECT w.dag_id, w.run_id, w.task_id, w.map_index, w.attempt, w.pool, w.runnable_at,
    least(a.scheduled_at, w.queued_at, w.wait_ended_at) AS seen_at
FROM waiting w JOIN attempts a USING (dag_id, run_id, task_id, map_index, attempt)
WHERE least(a.scheduled_at, w.queued_at, w.wait_ended_at) > w.runnable_at + to_seconds($ordinary_s)
    AND NOT EXISTS (FROM polls p WHERE p.outcome = 'ok' AND p.ts BETWEEN w.runnable_at AND least(a.scheduled_at, w.queued_at, w.wait_ended_at))
    AND NOT EXISTS (FROM task_instances t WHERE t.dag_id = w.dag_id AND t.run_id = w.run_id AND t.task_id = w.task_id
        AND coalesce(t.map_index, -1) = w.map_index AND t.attempt = w.attempt AND t.scheduled_dttm IS NOT NULL)
