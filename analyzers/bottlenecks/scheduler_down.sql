-- ---
-- id = "scheduler_down"
-- stage = "schedule"
-- holds = ["run", "schedule", "limits"]
-- binds = "all"
-- component = "scheduler"
-- severity = "critical"
-- needs = ["task_instances", "jobs", "polls"]
-- uses = ["dag_runs", "pods"]
-- explains = ["tasks_waiting", "metric_zero_with_demand", "workers_idle"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.threshold_s = 30
-- [text.en]
-- title = "No scheduler worked for {seconds} s while tasks waited for it"
-- detail = "The last sign of life of a scheduler (heartbeat of its job or a decision on a run) was at {last}, the next at {next}. Nobody put work into the table meanwhile, so the trigger counted little or nothing, rightly. The metadata DB answered {polls} of our polls in that time, so the DB was not the reason."
-- remedy = "Look at the scheduler's pod and log at {last}: crash, OOM, liveness probe, a hung process, CPU throttling. Run two schedulers so that one may fail."
-- [text.zh]
-- name = "调度器停摆"
-- title = "调度器停摆 {seconds} 秒，期间有任务在等待"
-- detail = "调度器最后一次活动迹象（作业心跳或对运行的调度决策）在 {last}，下一次在 {next}。期间没有人把任务写入队列，触发器计数很少或为零，这是如实反映。元数据库在此期间正常响应了 {polls} 次轮询，因此不是数据库的问题。"
-- remedy = "检查 {last} 前后调度器的 Pod 与日志：崩溃、OOM、存活探针、进程卡死、CPU 限流。运行两个调度器以容许其中一个失效。"
-- ---
-- 30 s is Airflow's own threshold for a dead scheduler (scheduler_health_check_threshold).
WITH signs AS (
    SELECT moment, kind, key, lead(moment, 1, $end::TIMESTAMP) OVER (ORDER BY moment) AS next_at,
        lead(kind, 1, 'end') OVER (ORDER BY moment) AS next_kind
    FROM scheduler_life WHERE moment <= $end::TIMESTAMP
),
never AS (
    SELECT $start::TIMESTAMP AS moment, 'none' AS kind, '' AS key, coalesce(min(moment), $end::TIMESTAMP) AS next_at, coalesce(arg_min(kind, moment), 'end') AS next_kind
    FROM scheduler_life
),
silent AS (
    SELECT greatest(moment, $start::TIMESTAMP) AS from_at, next_at, moment AS last_at, kind, key, next_kind
    FROM (FROM signs UNION ALL FROM never)
    WHERE next_at > greatest(moment, $start::TIMESTAMP) + to_seconds($threshold_s)
        -- a short look: the heartbeat was old already when it was first read, and never moved while we looked (one that
        -- moves is alive, however far its clock is behind)
        OR (moment < $start::TIMESTAMP AND next_kind = 'end' AND next_at > moment + to_seconds($threshold_s)
            AND next_at > $start::TIMESTAMP AND NOT EXISTS (
                SELECT id FROM jobs WHERE job_type = 'SchedulerJob' GROUP BY id HAVING count(DISTINCT latest_heartbeat) > 1))
),
-- silence of the recorder or of the DB is not silence of the scheduler
heard AS (
    SELECT s.*,
        (SELECT count(*) FROM polls p WHERE p.outcome = 'ok' AND p.duration_ms < 2000 AND p.ts BETWEEN s.from_at AND s.next_at) AS good_polls,
        (SELECT count(*) FROM polls p WHERE NOT (p.outcome = 'ok' AND p.duration_ms < 2000) AND p.ts BETWEEN s.from_at AND s.next_at) AS bad_polls,
        (SELECT max(gap) FROM (
            SELECT date_diff('millisecond', ts, lead(ts, 1, s.next_at) OVER (ORDER BY ts)) / 1000.0 AS gap
            FROM polls p WHERE p.outcome = 'ok' AND p.ts BETWEEN s.from_at AND s.next_at)) AS longest_gap_s
    FROM silent s
),
waited AS (
    SELECT h.from_at, count(*) AS tasks FROM heard h
    JOIN waiting w ON w.runnable_at < h.next_at AND least(w.queued_at, w.wait_ended_at) > h.from_at GROUP BY ALL
)
SELECT h.from_at AS started_at, h.next_at AS ended_at, '' AS target, 'scheduler' AS subject,
    {'seconds': CAST(round(date_diff('millisecond', h.last_at, h.next_at) / 1000.0) AS BIGINT),
     'last': CASE WHEN h.kind = 'none' THEN '-' ELSE strftime(h.last_at, '%H:%M:%S') END,
     'next': CASE WHEN h.next_kind = 'end' THEN '-' ELSE strftime(h.next_at, '%H:%M:%S') END, 'polls': h.good_polls} AS params,
    0.95 AS confidence,
    [{'table': CASE WHEN h.kind = 'none' THEN 'jobs' ELSE h.kind END, 'ts': h.last_at, 'key': h.key,
      'text': CASE WHEN h.kind = 'none' THEN 'no SchedulerJob is running' ELSE 'last sign of life of a scheduler' END},
     {'table': 'polls', 'ts': h.from_at, 'key': 'metadata DB', 'text': h.good_polls || ' polls answered, ' || h.bad_polls || ' failed or slow'}]
    || CASE WHEN h.next_kind = 'end' THEN [] ELSE [{'table': h.next_kind, 'ts': h.next_at, 'key': '', 'text': 'next sign of life'}] END AS evidence
FROM heard h JOIN waited w ON w.from_at = h.from_at
WHERE h.good_polls > 0 AND h.bad_polls <= 0.2 * (h.good_polls + h.bad_polls) AND coalesce(h.longest_gap_s, 0) < 0.5 * date_diff('millisecond', h.from_at, h.next_at) / 1000.0
