-- ---
-- id = "failures"
-- group = "timeline"
-- doc = "Every attempt that failed, was retried or is left on a lost worker, with its fate: taken by a decision, lost in an outage, never started, failed by itself on a worker that lived on, or unclear."
-- needs = ["task_instances", "pods", "scaledobjects", "workloads"]
-- uses = ["nodes", "events", "log_lines", "airflow_config"]
-- params.end = "1970-01-01"
-- params.lives_s = 5
-- params.beat_s = 60
-- ---
-- `own` needs proof: the worker consumed, was not told to stop and did not restart, and the attempt gave signs of life
-- shortly before its end. A pod of the KubernetesPodOperator dies elsewhere, so such an attempt is never `own`.
WITH beats AS (
    SELECT dag_id, run_id, task_id, coalesce(map_index, -1) AS map_index, attempt, max(last_heartbeat_at) AS beat_at FROM task_instances GROUP BY ALL
),
bad AS (
    SELECT a.*, coalesce(a.ended_at, a.failed_seen_at, $end::TIMESTAMP) AS over_at FROM attempts a
    WHERE a.last_state IN ('failed', 'up_for_retry') OR EXISTS (FROM task_pods p JOIN outages o ON o.uid = p.uid AND o.from_at > p.running_at AND o.from_at < $end::TIMESTAMP - to_seconds($lives_s)
            WHERE a.last_state = 'running' AND a.ended_at IS NULL AND p.dag_id = a.dag_id AND p.run_id = a.run_id AND p.task_id = a.task_id AND p.map_index = a.map_index AND p.attempt = a.attempt)
        OR EXISTS (FROM kills k WHERE k.dag_id = a.dag_id AND k.run_id = a.run_id AND k.task_id = a.task_id AND k.map_index = a.map_index AND k.attempt = a.attempt)
),
placed AS (
    SELECT b.*, p.uid, p.target, w.stopping_at, w.gone_at, w.consuming_at, w.namespace,
        (SELECT min(o.from_at) FROM outages o WHERE o.uid = p.uid AND o.from_at >= b.running_at - INTERVAL 1 SECOND AND o.from_at <= b.over_at + INTERVAL 5 SECOND) AS outage_at,
        (SELECT arg_min(o.kind, o.from_at) FROM outages o WHERE o.uid = p.uid AND o.from_at >= b.running_at - INTERVAL 1 SECOND AND o.from_at <= b.over_at + INTERVAL 5 SECOND) AS outage,
        h.beat_at
    FROM bad b
    LEFT JOIN task_pods p ON p.dag_id = b.dag_id AND p.run_id = b.run_id AND p.task_id = b.task_id AND p.map_index = b.map_index AND p.attempt = b.attempt
    LEFT JOIN worker_pods w ON w.uid = p.uid
    LEFT JOIN beats h ON h.dag_id = b.dag_id AND h.run_id = b.run_id AND h.task_id = b.task_id AND h.map_index = b.map_index AND h.attempt = b.attempt
)
SELECT coalesce(k.target, p.target, '') AS target, p.uid, p.dag_id, p.run_id, p.task_id, p.map_index, p.attempt, p.last_state, p.host AS pod, p.running_at, p.over_at AS ended_at,
    CASE WHEN k.task_id IS NOT NULL THEN 'taken' WHEN p.running_at IS NULL THEN 'never_started' WHEN p.outage_at IS NOT NULL THEN 'outage'
        WHEN p.uid IS NOT NULL AND p.consuming_at IS NOT NULL AND coalesce(p.operator, '') NOT ILIKE '%Pod%' AND p.over_at < coalesce(p.stopping_at, 'infinity') - to_seconds($lives_s)
            AND p.over_at < coalesce(p.gone_at, 'infinity') - to_seconds($lives_s) AND p.over_at < $end::TIMESTAMP - to_seconds($lives_s)
            AND coalesce(p.beat_at, p.over_at) >= p.over_at - to_seconds($beat_s) THEN 'own'
        ELSE 'unclear' END AS fate,
    coalesce(k.taken_by, p.outage) AS taken_by, k.author, k.decided_at, k.before, k.after, k.reason, k.decision_key, k.way, k.tasks, k.ideal_pod, k.ideal_tasks,
    date_diff('millisecond', p.over_at, least(coalesce(p.stopping_at, $end::TIMESTAMP), coalesce(p.gone_at, $end::TIMESTAMP), $end::TIMESTAMP)) / 1000.0 AS worker_lived_on_s,
    greatest(0, coalesce(k.lost_seconds, date_diff('millisecond', p.running_at, coalesce(p.outage_at, p.over_at)) / 1000.0, 0)) AS lost_seconds
FROM placed p
LEFT JOIN kills k ON k.dag_id = p.dag_id AND k.run_id = p.run_id AND k.task_id = p.task_id AND k.map_index = p.map_index AND k.attempt = p.attempt
ORDER BY p.over_at, p.dag_id, p.run_id, p.task_id, p.map_index, p.attempt
