-- ---
-- id = "kills"
-- group = "timeline"
-- doc = "Running attempts that ended badly with a worker pod that was taken away: who took it, how they died, what was lost."
-- needs = ["task_instances", "pods", "scaledobjects", "workloads"]
-- uses = ["airflow_config", "log_lines"]
-- params.end = "1970-01-01"
-- params.at_once_s = 30
-- ---
-- `way`: sigterm, it ended in the first seconds of the grace; sigkill, its container was killed at the end of the
-- grace; gone, its worker vanished before and the sweep found it. A zombie is found up to
-- task_instance_heartbeat_timeout (300 s) after its last heartbeat, 30 s later at most. What fails while the pod still
-- waits for its tasks failed by itself, and what was dead before the pod was taken is somebody else's.
WITH patience AS (
    SELECT 30 + coalesce(max(try_cast(value AS INTEGER)), 300) AS found_s FROM airflow_config
    WHERE key IN ('scheduler.task_instance_heartbeat_timeout', 'scheduler.scheduler_zombie_task_threshold')
),
beats AS (
    SELECT dag_id, run_id, task_id, coalesce(map_index, -1) AS map_index, attempt, max(last_heartbeat_at) AS beat_at
    FROM task_instances WHERE state IN ('failed', 'up_for_retry') GROUP BY ALL
),
crashes AS (SELECT DISTINCT uid, unnest([last_terminated_at, finished_at]) AS moment FROM pods WHERE last_terminated_at IS NOT NULL OR finished_at IS NOT NULL),
hit AS (
    SELECT v.*, a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt, a.external_executor_id, r.from_at AS running_at, a.ended_at AS end_date,
        a.last_state, coalesce(a.ended_at, a.failed_seen_at) AS over_at, p.found_s,
        v.stopping_at + to_seconds(coalesce(v.grace_s, 30)) AS deadline
    FROM victims v CROSS JOIN patience p
    JOIN running_spans r ON r.host = v.pod AND r.from_at >= v.created_at AND r.from_at < v.stopping_at
        AND coalesce(r.to_at, 'infinity') >= v.stopping_at - INTERVAL 1 SECOND
        -- StatefulSets of two namespaces may give their pods the same names
        AND (r.target IN ('', v.target) OR NOT EXISTS (FROM worker_pods o WHERE o.name = v.pod AND o.target <> v.target))
    JOIN attempts a ON a.dag_id = r.dag_id AND a.run_id = r.run_id AND a.task_id = r.task_id AND a.map_index = r.map_index AND a.attempt = r.attempt
    LEFT JOIN beats b ON b.dag_id = a.dag_id AND b.run_id = a.run_id AND b.task_id = a.task_id AND b.map_index = a.map_index AND b.attempt = a.attempt
    WHERE NOT v.oom AND coalesce(b.beat_at, v.stopping_at) >= v.stopping_at - INTERVAL 120 SECOND
        AND NOT EXISTS (FROM crashes c WHERE c.uid = v.uid AND c.moment > r.from_at AND c.moment < v.stopping_at - INTERVAL 1 SECOND)
        AND NOT EXISTS (FROM log_lines l WHERE l.pattern IN ('task.timeout', 'task.ext_state', 'task3.server_stop') AND contains(l.source, a.task_id) AND contains(l.source, a.dag_id)
            AND l.ts BETWEEN coalesce(a.ended_at, a.failed_seen_at) - INTERVAL 10 SECOND AND coalesce(a.ended_at, a.failed_seen_at) + INTERVAL 1 SECOND)
),
judged AS (
    SELECT *, CASE
        WHEN last_state IN ('failed', 'up_for_retry', 'none', 'scheduled', 'queued') AND over_at >= stopping_at - INTERVAL 1 SECOND THEN CASE
            WHEN over_at <= stopping_at + to_seconds($at_once_s) AND over_at < greatest(deadline, stopping_at + INTERVAL 3 SECOND) - INTERVAL 2 SECOND THEN 'sigterm'
            WHEN over_at > died_at + to_seconds(found_s) THEN NULL
            WHEN died_at >= deadline - INTERVAL 2 SECOND AND coalesce(exit_code, 137) = 137 AND over_at >= deadline - INTERVAL 2 SECOND THEN 'sigkill'
            WHEN over_at > died_at + INTERVAL 5 SECOND THEN 'gone' END
        WHEN last_state = 'running' AND end_date IS NULL AND died_at IS NOT NULL AND died_at <= $end::TIMESTAMP - INTERVAL 5 SECOND
            THEN CASE WHEN died_at >= deadline - INTERVAL 2 SECOND AND coalesce(exit_code, 137) = 137 THEN 'sigkill' ELSE 'gone' END
        END AS way
    FROM hit
)
SELECT target, pod, namespace, stopping_at, dag_id, run_id, task_id, map_index, attempt, running_at, coalesce(over_at, $end::TIMESTAMP) AS ended_at, last_state,
    greatest(0, date_diff('millisecond', running_at, stopping_at) / 1000.0) AS lost_seconds,
    CASE WHEN way = 'sigkill' THEN greatest(0, date_diff('millisecond', stopping_at, died_at) / 1000.0) ELSE 0 END AS grace_seconds,
    way, died_at, grace_s, exit_code, taken_by, author, decided_at, before, after, reason, decision_key, proof_table, proof_ts, proof_key, proof_text,
    tasks, ideal_pod, ideal_tasks, uid, node, external_executor_id
FROM judged j
WHERE way IS NOT NULL
    -- one that works on to a good end shows that the signal did not reach the tasks
    AND NOT (way = 'sigterm' AND EXISTS (FROM attempts o WHERE o.host = j.pod AND o.last_state = 'success' AND o.running_at < j.stopping_at AND o.running_at >= j.created_at
        AND o.ended_at > j.stopping_at + to_seconds($at_once_s)))
QUALIFY row_number() OVER (PARTITION BY dag_id, run_id, task_id, map_index, attempt ORDER BY stopping_at) = 1
