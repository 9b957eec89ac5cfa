-- ---
-- id = "parsing_dag_processor"
-- group = "alibi"
-- component = "dag-processor"
-- needs = ["dags", "task_instances", "dag_runs"]
-- uses = ["jobs"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.beat_s = 60
-- params.parse_s = 180
-- [text.en]
-- because = "{proof}; no DAG with waiting tasks was inactive"
-- variants.beats = "the dag-processor's job beat at least every {gap} s ({n} heartbeats)"
-- variants.parses = "DAG files were parsed at least every {gap} s (last_parsed_time moved {n} times)"
-- [text.zh]
-- because = "{proof}；有任务等待的 DAG 均有效"
-- variants.beats = "dag-processor 的作业至少每 {gap} 秒一次心跳（共 {n} 次）"
-- variants.parses = "DAG 文件至少每 {gap} 秒被解析一次（last_parsed_time 更新 {n} 次）"
-- ---
-- A job of its own only where the processor stands alone (always in Airflow 3); files are parsed again after
-- min_file_process_interval, 30 s, so that in 180 s many are, and dags are read every 30 s at least.
WITH bounds AS (
    SELECT coalesce(min(runnable_at), $start::TIMESTAMP) AS from_at, coalesce(max(wait_ended_at), $end::TIMESTAMP) AS to_at FROM waiting
),
signs AS (
    SELECT 'beats' AS proof, latest_heartbeat AS moment, max(ts) AS ts, 'id=' || any_value(id) AS key, $beat_s AS most FROM jobs WHERE job_type = 'DagProcessorJob' AND state = 'running' AND latest_heartbeat IS NOT NULL GROUP BY latest_heartbeat
    UNION ALL
    SELECT 'parses', last_parsed_time, max(ts), any_value(dag_id), $parse_s FROM dags WHERE last_parsed_time IS NOT NULL AND change <> 'DELETED' GROUP BY last_parsed_time
),
gaps_ AS (SELECT s.*, date_diff('millisecond', moment, lead(moment) OVER (PARTITION BY proof ORDER BY moment)) / 1000.0 AS gap FROM signs s),
proofs AS (
    SELECT proof, count(*) AS n, max(gap) FILTER (WHERE moment + to_seconds(gap) >= b.from_at) AS gap, max(moment) AS last_at, arg_max(ts, moment) AS ts, arg_max(key, moment) AS key, any_value(most) AS most
    FROM gaps_ CROSS JOIN bounds b WHERE moment <= b.to_at + to_seconds(most) GROUP BY proof
    HAVING count(*) >= 2 AND min(moment) <= any_value(b.from_at) + to_seconds(any_value(most)) AND max(moment) >= any_value(b.to_at) - to_seconds(any_value(most))
        AND max(gap) FILTER (WHERE moment + to_seconds(gap) >= b.from_at) <= any_value(most)
)
SELECT '' AS target, {'proof': p.proof, 'gap': ceil(p.gap), 'n': p.n} AS params,
    [{'table': CASE p.proof WHEN 'beats' THEN 'jobs' ELSE 'dags' END, 'ts': p.ts, 'key': p.key, 'text': CASE p.proof WHEN 'beats' THEN 'DagProcessorJob running, heartbeat ' ELSE 'last_parsed_time ' END || strftime(p.last_at, '%H:%M:%S')}] AS evidence
FROM proofs p
WHERE NOT EXISTS (SELECT 1 FROM (SELECT *, lead(since, 1, 'infinity'::TIMESTAMP) OVER (PARTITION BY dag_id ORDER BY seen_at) AS until FROM dag_settings) d
    JOIN waiting w ON w.dag_id = d.dag_id AND d.since < least(w.scheduled_at, w.wait_ended_at) AND d.until > w.runnable_at WHERE NOT coalesce(d.is_active, true))
ORDER BY p.proof DESC
