-- ---
-- id = "dagrun_timeout"
-- stage = "execute"
-- component = "dag"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs"]
-- uses = ["log_lines"]
-- explains = ["tasks_killed"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.tight_s = 5
-- [text.en]
-- title = "Run {run} of {dag} hit its dagrun_timeout after {after} s: {running} running and {other} waiting task(s) were skipped"
-- detail = "The scheduler failed the run and set what was unfinished to skipped; running tasks are told to stop by that. {share} Waiting counts toward dagrun_timeout, other than toward execution_timeout."
-- remedy = "{fix}"
-- variants.worked = "Most of the run's time went into work."
-- variants.waited = "Its tasks waited for most of the time, so what they waited for is the reason."
-- variants.fix-worked = "Raise dagrun_timeout of {dag} above the real duration of a run, or make the long tasks quicker."
-- variants.fix-waited = "Look at the other findings of this time: they tell what the tasks waited for. Keep an SLA apart from dagrun_timeout."
-- [text.zh]
-- name = "运行超时"
-- title = "{dag} 的运行 {run} 在 {after} 秒后触发 dagrun_timeout：{running} 个运行中和 {other} 个等待中的任务被跳过"
-- detail = "调度器把运行置为失败，并把未完成的任务置为 skipped，运行中的任务因此被要求停止。{share}等待时间计入 dagrun_timeout，而不计入 execution_timeout。"
-- remedy = "{fix}"
-- variants.worked = "该运行的大部分时间用于工作。"
-- variants.waited = "其任务大部分时间在等待，所等待的才是原因。"
-- variants.fix-worked = "把 {dag} 的 dagrun_timeout 提高到运行实际时长以上，或加快耗时长的任务。"
-- variants.fix-waited = "查看同一时段的其他结论：它们说明任务在等什么。不要用 dagrun_timeout 充当 SLA。"
-- ---
-- A task that skips itself while another one fails the run looks alike: without the scheduler's line only runs in which
-- nothing failed are judged. Where the tasks mostly waited nothing is priced: the cause of the wait is.
WITH timed_out AS (
    SELECT r.dag_id, r.run_id, r.started_at, r.ended_at, min(l.ts) AS ts, arg_min(coalesce(l.pod, ''), l.ts) AS pod, arg_min(l.text, l.ts) AS text
    FROM runs r LEFT JOIN log_lines l ON l.pattern = 'sched.run_timeout' AND json_extract_string(l.fields, '$.run_id') = r.run_id AND json_extract_string(l.fields, '$.dag_id') = r.dag_id
        AND l.ts BETWEEN r.ended_at - INTERVAL 30 SECOND AND r.ended_at + INTERVAL 30 SECOND
    WHERE r.last_state = 'failed' AND r.started_at IS NOT NULL AND r.ended_at BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP GROUP BY ALL
),
skipped AS (
    SELECT t.*, a.task_id, a.running_at, date_diff('millisecond', a.running_at, t.ended_at) / 1000.0 AS ran
    FROM timed_out t JOIN attempts a USING (dag_id, run_id)
    WHERE a.last_state = 'skipped' AND abs(date_diff('millisecond', a.ended_at, t.ended_at)) <= 1000 * $tight_s
        AND (t.ts IS NOT NULL OR NOT EXISTS (FROM attempts f WHERE f.dag_id = t.dag_id AND f.run_id = t.run_id AND f.last_state IN ('failed', 'upstream_failed')))
),
priced AS (
    SELECT dag_id, run_id, started_at, ended_at, ts, pod, text, count(running_at) AS running, count(*) - count(running_at) AS other, sum(ran) AS lost, arg_max(task_id, ran) AS task,
        -- how long something of the run worked against how long something of it waited
        (SELECT coalesce(sum(date_diff('millisecond', greatest(w.runnable_at, s.started_at), w.wait_ended_at)), 0) / 1000.0 FROM waiting w WHERE w.dag_id = s.dag_id AND w.run_id = s.run_id) AS waited,
        (SELECT coalesce(sum(date_diff('millisecond', a.running_at, coalesce(a.ended_at, s.ended_at))), 0) / 1000.0 FROM attempts a WHERE a.dag_id = s.dag_id AND a.run_id = s.run_id) AS worked
    FROM skipped s GROUP BY ALL HAVING count(running_at) > 0
)
SELECT started_at, ended_at, '' AS target, dag_id || '/' || run_id AS subject,
    {'dag': dag_id, 'run': run_id, 'after': date_diff('second', started_at, ended_at), 'running': running, 'other': other,
     'share': CASE WHEN worked >= waited THEN 'worked' ELSE 'waited' END, 'fix': CASE WHEN worked >= waited THEN 'fix-worked' ELSE 'fix-waited' END} AS params,
    CASE WHEN ts IS NULL THEN 0.8 ELSE 0.97 END AS confidence, CASE WHEN worked >= waited THEN lost ELSE 0 END AS lost_task_seconds,
    [{'table': 'dag_runs', 'ts': ended_at, 'key': dag_id || '/' || run_id, 'text': 'state = failed ' || date_diff('second', started_at, ended_at) || ' s after its start'},
     {'table': 'task_instances', 'ts': ended_at, 'key': dag_id || '/' || run_id || '/' || task, 'text': 'state = skipped, it was running'}]
    || CASE WHEN ts IS NULL THEN [] ELSE [{'table': 'log_lines', 'ts': ts, 'key': pod, 'text': text}] END AS evidence
FROM priced
