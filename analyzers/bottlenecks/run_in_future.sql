-- ---
-- id = "run_in_future"
-- stage = "run"
-- binds = "all"
-- component = "dag"
-- severity = "info"
-- ordinary = true
-- needs = ["task_instances", "dag_runs"]
-- uses = ["polls", "gaps"]
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{what}"
-- detail = "{why}"
-- remedy = "{fix}"
-- variants.what-date = "{runs} run(s) of {dag} wait for their date, {date} at the latest"
-- variants.what-empty = "{runs} run(s) of {dag} succeeded without a single task"
-- variants.why-date = "The scheduler starts no run before its date (run_after; the execution date before Airflow 3). Nobody is late."
-- variants.why-empty = "A task gets no instance in a run whose date lies before its start_date (or after its end_date); a run without instances is over at once."
-- variants.fix-date = "Nothing, if the date is meant. Else trigger the run with a date that is past; [scheduler] allow_trigger_in_future lets Airflow 2 start it at once."
-- variants.fix-empty = "Set start_date of {dag} and its tasks before the dates of its runs, or trigger it with a later date."
-- [text.zh]
-- name = "运行日期在将来"
-- title = "{what}"
-- detail = "{why}"
-- remedy = "{fix}"
-- variants.what-date = "{dag} 的 {runs} 个运行在等待自己的日期，最晚 {date}"
-- variants.what-empty = "{dag} 的 {runs} 个运行没有任何任务就成功结束"
-- variants.why-date = "调度器不会在运行日期（run_after；Airflow 3 之前为 execution date）之前启动运行。没有谁迟到。"
-- variants.why-empty = "如果运行的日期早于任务的 start_date（或晚于 end_date），任务就没有实例；没有实例的运行会立即结束。"
-- variants.fix-date = "如果日期是有意设置的，则无需处理；否则用过去的日期触发运行。Airflow 2 的 [scheduler] allow_trigger_in_future 允许立即启动。"
-- variants.fix-empty = "把 {dag} 及其任务的 start_date 设在运行日期之前，或用更晚的日期触发。"
-- ---
WITH known AS (
    SELECT dag_id, run_id, min(seen_at) AS seen_at, arg_min(ts, seen_at) AS ts, min(queued_at) AS queued_at, min(start_date) AS started_at,
        CASE WHEN (SELECT major FROM airflow) >= 3 THEN any_value(run_after) ELSE any_value(logical_date) END AS date
    FROM dag_runs WHERE change <> 'DELETED' GROUP BY ALL
),
early AS (
    SELECT 'date' AS kind, dag_id, run_id, ts, greatest(queued_at, seen_at - INTERVAL 1 HOUR) AS from_at, least(date, coalesce(started_at, 'infinity'), $end::TIMESTAMP) AS to_at, date
    FROM known WHERE date > queued_at AND coalesce(started_at, 'infinity') >= date
),
bare AS (
    SELECT 'empty', r.dag_id, r.run_id, k.ts, r.started_at, r.ended_at, NULL::TIMESTAMP
    FROM runs r JOIN known k USING (dag_id, run_id)
    WHERE r.last_state = 'success' AND r.started_at >= (SELECT min(ts) FROM polls WHERE outcome = 'ok') AND r.ended_at IS NOT NULL
        AND NOT EXISTS (FROM task_instances t WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id)
        AND NOT EXISTS (FROM gaps g WHERE g.source = 'task_instances' AND g.from_ts < r.ended_at + INTERVAL 60 SECOND AND g.to_ts > r.started_at - INTERVAL 60 SECOND)
)
SELECT f.from_at AS started_at, greatest(f.from_at, f.to_at) AS ended_at, '' AS target, f.dag_id AS subject, f.dag_id, f.run_id,
    {'dag': f.dag_id, 'runs': count(*) OVER (PARTITION BY f.kind, f.dag_id), 'date': strftime(max(f.date) OVER (PARTITION BY f.kind, f.dag_id), '%Y-%m-%d %H:%M:%S'),
     'what': 'what-' || f.kind, 'why': 'why-' || f.kind, 'fix': 'fix-' || f.kind} AS params, 0.97 AS confidence,
    [{'table': 'dag_runs', 'ts': f.ts, 'key': f.dag_id || '/' || f.run_id, 'text': CASE f.kind WHEN 'date' THEN 'state = queued, date ' || strftime(f.date, '%Y-%m-%d %H:%M:%S') ELSE 'state = success, no task instance' END}] AS evidence
FROM (FROM early UNION ALL FROM bare) f
