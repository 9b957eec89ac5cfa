-- ---
-- id = "listening_triggerer"
-- group = "alibi"
-- component = "triggerer"
-- needs = ["task_instances", "jobs", "polls"]
-- uses = ["log_lines", "gaps"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.threshold_s = 30
-- [text.en]
-- because = "{proof}"
-- variants.idle = "no task was deferred in any of {n} polls, so nobody waited for it"
-- variants.beats = "its job beat at least every {gap} s while tasks were deferred ({n} heartbeats), and {woken} of them woke up"
-- [text.zh]
-- because = "{proof}"
-- variants.idle = "{n} 次轮询中没有任何任务处于 deferred，没有谁在等待它"
-- variants.beats = "有任务处于 deferred 期间其作业至少每 {gap} 秒一次心跳（共 {n} 次），其中 {woken} 个已被唤醒"
-- ---
-- 30 s: triggerer_health_check_threshold.
WITH deferred AS (SELECT * FROM stays WHERE state = 'deferred'),
bounds AS (SELECT min(from_at) AS from_at, max(to_at) AS to_at, count(*) FILTER (WHERE to_at < $end::TIMESTAMP) AS woken, count(*) AS n FROM deferred),
polled AS (SELECT count(*) AS n, count(*) FILTER (WHERE outcome <> 'ok') AS bad, max(ts) AS ts FROM polls),
idle AS (
    SELECT 'idle' AS proof, 0 AS gap, p.n, 0 AS woken, 'polls' AS source, p.ts, 'metadata DB' AS key, p.n || ' polls answered, none shows a deferred task' AS text
    FROM polled p CROSS JOIN bounds b WHERE b.n = 0 AND p.n > 0 AND p.bad = 0 AND NOT EXISTS (FROM gaps g WHERE g.source = 'task_instances' AND g.from_ts < $end::TIMESTAMP - INTERVAL 10 SECOND)
        AND NOT EXISTS (FROM task_instances WHERE state = 'deferred' AND change <> 'DELETED')
),
beats AS (
    SELECT j.latest_heartbeat AS moment, max(j.ts) AS ts, any_value(j.id) AS id, date_diff('millisecond', j.latest_heartbeat, lead(j.latest_heartbeat) OVER (ORDER BY j.latest_heartbeat)) / 1000.0 AS gap
    FROM jobs j CROSS JOIN bounds b WHERE j.job_type = 'TriggererJob' AND j.state = 'running' AND j.latest_heartbeat BETWEEN b.from_at - to_seconds($threshold_s) AND b.to_at + to_seconds($threshold_s)
    GROUP BY j.latest_heartbeat
),
alive AS (
    SELECT 'beats', max(gap), count(*), any_value(b.woken), 'jobs', max(ts), 'id=' || arg_max(id, ts), 'TriggererJob running, heartbeat ' || strftime(max(moment), '%H:%M:%S')
    FROM beats CROSS JOIN bounds b
    HAVING count(*) >= 2 AND max(gap) <= $threshold_s AND min(moment) <= any_value(b.from_at) + to_seconds($threshold_s) AND max(moment) >= any_value(b.to_at) - to_seconds($threshold_s)
        AND NOT EXISTS (FROM log_lines WHERE pattern IN ('trig.blocked', 'trig.capacity', 'trig.died'))
)
SELECT '' AS target, {'proof': x.proof, 'gap': ceil(x.gap), 'n': x.n, 'woken': x.woken} AS params, [{'table': x.source, 'ts': x.ts, 'key': x.key, 'text': x.text}] AS evidence
FROM (FROM idle UNION ALL FROM alive) x
