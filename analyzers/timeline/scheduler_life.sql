-- ---
-- id = "scheduler_life"
-- group = "timeline"
-- doc = "Each proof that some scheduler lives: heartbeats of SchedulerJobs and decisions over running runs."
-- needs = ["jobs"]
-- uses = ["dag_runs"]
-- ---
SELECT moment, kind, key FROM (
    SELECT latest_heartbeat AS moment, 'jobs' AS kind, 'id=' || id AS key
    FROM jobs WHERE job_type = 'SchedulerJob' AND state = 'running' AND latest_heartbeat IS NOT NULL
    UNION
    SELECT last_scheduling_decision, 'dag_runs', dag_id || '/' || run_id
    FROM dag_runs WHERE last_scheduling_decision IS NOT NULL
)
QUALIFY row_number() OVER (PARTITION BY moment ORDER BY kind) = 1
ORDER BY moment
