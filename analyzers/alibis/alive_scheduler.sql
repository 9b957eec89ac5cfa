-- ---
-- id = "alive_scheduler"
-- group = "alibi"
-- component = "scheduler"
-- needs = ["jobs", "task_instances"]
-- uses = ["dag_runs"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.threshold_s = 30
-- [text.en]
-- because = "a scheduler gave a sign of life at least every {gap} s ({signs} heartbeats and decisions)"
-- [text.zh]
-- because = "调度器至少每 {gap} 秒有一次活动迹象（共 {signs} 次心跳和调度决策）"
-- ---
-- 30 s: Airflow's own scheduler_health_check_threshold.
WITH bounds AS (SELECT min(runnable_at) AS from_at, max(least(queued_at, wait_ended_at)) AS to_at FROM waiting),
signs AS (
    SELECT s.*, date_diff('millisecond', lag(moment) OVER (ORDER BY moment), moment) / 1000.0 AS gap
    FROM scheduler_life s
)
SELECT '' AS target, {'gap': ceil(max(s.gap)), 'signs': count(*)} AS params,
    [{'table': 'jobs', 'ts': max(j.ts), 'key': 'id=' || arg_max(j.id, j.ts), 'text': 'SchedulerJob running, heartbeat ' || strftime(max(j.latest_heartbeat), '%H:%M:%S')}] AS evidence
FROM signs s CROSS JOIN bounds b
JOIN jobs j ON j.job_type = 'SchedulerJob' AND j.state = 'running' AND j.latest_heartbeat = s.moment
HAVING count(*) >= 2 AND (SELECT max(gap) FROM signs) < $threshold_s
    -- the proof must reach over the whole time in which tasks waited for the scheduler
    AND (SELECT min(moment) FROM scheduler_life) <= coalesce(any_value(b.from_at), $end::TIMESTAMP) + to_seconds($threshold_s)
    AND (SELECT max(moment) FROM scheduler_life) >= coalesce(any_value(b.to_at), $start::TIMESTAMP) - to_seconds($threshold_s)
