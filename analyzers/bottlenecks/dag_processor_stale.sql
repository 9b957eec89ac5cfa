-- ---
-- id = "dag_processor_stale"
-- stage = "run"
-- holds = ["run", "schedule"]
-- binds = "all"
-- component = "dag"
-- also = ["dag-processor"]
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "dags"]
-- uses = ["log_lines", "jobs", "polls"]
-- explains = ["tasks_waiting", "metric_zero_with_demand", "run_starvation"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.min_s = 60
-- [text.en]
-- title = "{what}"
-- detail = "{why}. The scheduler starts no runs of such a DAG and schedules none of its tasks; the trigger counts nothing of them, rightly."
-- remedy = "{fix}"
-- variants.what-file = "DAG {dag} is inactive: its file was not parsed any more, and {tasks} task(s) of it wait"
-- variants.what-all = "{dags} DAGs became inactive together: nobody parses DAG files, and {tasks} task(s) wait"
-- variants.what-missing = "DAG {dag} is not in the serialized_dag table: {tasks} task(s) of its runs wait for ever"
-- variants.what-unread = "Runs of DAG {dag} do not start although nothing stands in their way: {tasks} task(s) wait"
-- variants.what-dead = "No dag-processor has given a sign of life for {seconds} s"
-- variants.why-file = "is_active = false (is_stale in Airflow 3) since {since}, while other DAGs were parsed until {parsed}"
-- variants.why-all = "The newest last_parsed_time of all DAGs is {parsed}; a standalone dag-processor that is dead for dag_stale_not_seen_duration (600 s) makes the scheduler of Airflow 2 set every DAG inactive"
-- variants.why-missing = "The scheduler says so in each loop"
-- variants.why-unread = "The DAG is active, not paused and below its cap, fewer than {size} runs stand before it, and runs that were queued later did start: what is left is a DAG that is not serialized{errors}"
-- variants.why-dead = "New and changed DAG files are not seen meanwhile; DAGs that are serialized go on in Airflow 3 with their old code"
-- variants.fix-file = "Open the import errors of {dag} (airflow dags list-import-errors, table import_error); put the file back, or delete the DAG with its waiting runs (airflow dags delete {dag})."
-- variants.fix-all = "Restart the dag-processor and look for OOM and restarts of its pod (dagProcessor.resources in the chart), for git-sync errors, and for AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT."
-- [text.zh]
-- name = "DAG 失效或未解析"
-- title = "{what}"
-- detail = "{why}。调度器不会启动这类 DAG 的运行，也不会调度其任务；触发器如实地统计不到它们。"
-- remedy = "{fix}"
-- variants.what-file = "DAG {dag} 已失效：其文件不再被解析，{tasks} 个任务在等待"
-- variants.what-all = "{dags} 个 DAG 同时失效：没有进程解析 DAG 文件，{tasks} 个任务在等待"
-- variants.what-missing = "serialized_dag 表中没有 DAG {dag}：其运行的 {tasks} 个任务会一直等待"
-- variants.what-unread = "DAG {dag} 的运行没有启动，却没有任何障碍：{tasks} 个任务在等待"
-- variants.what-dead = "{seconds} 秒内没有任何 dag-processor 的活动迹象"
-- variants.why-file = "自 {since} 起 is_active = false（Airflow 3 为 is_stale），而其他 DAG 直到 {parsed} 仍在被解析"
-- variants.why-all = "所有 DAG 中最新的 last_parsed_time 是 {parsed}；独立的 dag-processor 停止超过 dag_stale_not_seen_duration（600 秒）后，Airflow 2 的调度器会把所有 DAG 置为失效"
-- variants.why-missing = "调度器在每个循环中都这样报告"
-- variants.why-unread = "该 DAG 有效、未暂停且未达上限，排在它前面的运行少于 {size} 个，更晚排队的运行却已启动：只剩下 DAG 未被序列化这一种可能{errors}"
-- variants.why-dead = "期间新增和修改的 DAG 文件不会被看到；在 Airflow 3 中已序列化的 DAG 会以旧代码继续运行"
-- variants.fix-file = "查看 {dag} 的导入错误（airflow dags list-import-errors，import_error 表）；恢复该文件，或连同等待中的运行一起删除（airflow dags delete {dag}）。"
-- variants.fix-all = "重启 dag-processor，检查其 Pod 的 OOM 与重启（chart 的 dagProcessor.resources）、git-sync 错误，以及 AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT。"
-- ---
WITH parsed AS (SELECT max(last_parsed_time) AS newest, arg_max(dag_id, last_parsed_time) AS dag_id, arg_max(ts, last_parsed_time) AS ts FROM dags WHERE change <> 'DELETED'),
settings AS (SELECT *, lead(since, 1, $end::TIMESTAMP) OVER (PARTITION BY dag_id ORDER BY seen_at) AS until FROM dag_settings),
flipped AS (
    SELECT *, sum(CASE WHEN coalesce(is_active, true) THEN 1 ELSE 0 END) OVER (PARTITION BY dag_id ORDER BY seen_at) AS island FROM settings
),
inactive AS (
    SELECT dag_id, greatest(min(since), $start::TIMESTAMP) AS from_at, max(until) AS to_at, min(ts) AS ts FROM flipped WHERE NOT coalesce(is_active, true) GROUP BY dag_id, island
),
-- the processor's fault if nothing at all is parsed any more; of one DAG its file is to blame
blamed AS (
    SELECT i.*, (SELECT count(*) FROM inactive o WHERE o.from_at < i.to_at AND o.to_at > i.from_at) AS together,
        p.newest AS parsed_at, p.ts AS parsed_ts, p.dag_id AS parsed_dag,
        p.newest < i.to_at - INTERVAL 300 SECOND AND NOT EXISTS (FROM settings s WHERE coalesce(s.is_active, true) AND s.since < i.to_at AND s.until > i.from_at + INTERVAL 60 SECOND) AS nobody
    FROM inactive i CROSS JOIN parsed p
),
held_up AS (SELECT dag_id, run_id, runnable_at AS from_at, least(scheduled_at, wait_ended_at) AS to_at FROM waiting WHERE runnable_at < least(scheduled_at, wait_ended_at)),
stale AS (
    SELECT CASE WHEN b.nobody THEN 'all' ELSE 'file' END AS kind, CASE WHEN b.nobody THEN 'dag-processor' ELSE 'dag' END AS component, b.dag_id,
        min(greatest(b.from_at, w.from_at)) AS from_at, max(least(b.to_at, w.to_at)) AS to_at, count(*) AS tasks, b.together AS dags, 0.95 AS confidence,
        strftime(b.from_at, '%H:%M:%S') AS since, [{'table': 'dags', 'ts': b.ts, 'key': b.dag_id, 'text': 'is_active = false'},
            {'table': 'dags', 'ts': b.parsed_ts, 'key': b.parsed_dag, 'text': 'newest last_parsed_time of all DAGs ' || strftime(b.parsed_at, '%H:%M:%S')}] AS evidence
    FROM blamed b JOIN held_up w ON w.dag_id = b.dag_id AND w.from_at < b.to_at AND w.to_at > b.from_at GROUP BY ALL
),
lines AS (
    SELECT coalesce(json_extract_string(fields, '$.dag_id'), json_extract_string(fields, '$.dag_id2')) AS dag_id, min(ts) AS first_at, max(ts) AS last_at, count(*) AS n,
        arg_min(coalesce(pod, ''), ts) AS pod, arg_min(text, ts) AS text
    FROM log_lines WHERE pattern = 'sched.dag_missing' GROUP BY ALL
),
unserialized AS (
    SELECT 'missing', 'dag', l.dag_id, min(w.from_at), max(w.to_at), count(*), 1, 0.97, '', [{'table': 'log_lines', 'ts': l.first_at, 'key': l.pod, 'text': l.text}]
    FROM lines l JOIN held_up w ON w.dag_id = l.dag_id AND w.from_at < l.last_at + INTERVAL 60 SECOND AND w.to_at > l.first_at AND l.n > 1 GROUP BY ALL
),
-- by exclusion: everything that the scheduler asks of a queued run is fulfilled, and runs that came later started
dates AS (SELECT dag_id, run_id, any_value(coalesce(run_after, logical_date, queued_at)) AS date, min(ts) AS ts FROM dag_runs GROUP BY ALL),
queued AS (
    SELECT r.dag_id, r.run_id, d.date, d.ts, r.queued_at AS from_at, coalesce(r.started_at, r.ended_at, $end::TIMESTAMP) AS to_at
    FROM runs r JOIN dates d USING (dag_id, run_id) WHERE r.backfill_id IS NULL
),
unread AS (
    SELECT q.dag_id, min(q.from_at) AS from_at, max(q.to_at) AS to_at, arg_min(q.run_id, q.from_at) AS run_id, min(q.ts) AS ts,
        (SELECT bool_or(has_import_errors) FROM dags d WHERE d.dag_id = q.dag_id) AS errors
    FROM queued q CROSS JOIN airflow a
    WHERE q.to_at >= q.from_at + to_seconds($min_s) AND q.date <= q.from_at AND q.dag_id NOT IN (SELECT dag_id FROM lines WHERE dag_id IS NOT NULL)
        AND EXISTS (FROM settings s WHERE s.dag_id = q.dag_id)
        AND NOT EXISTS (FROM settings s WHERE s.dag_id = q.dag_id AND s.since < q.to_at AND s.until > q.from_at AND (s.is_paused OR NOT coalesce(s.is_active, true)
            OR s.max_active_runs <= (SELECT count(*) FROM runs x WHERE x.dag_id = q.dag_id AND x.started_at < q.to_at AND coalesce(x.ended_at, 'infinity') > q.from_at)))
        AND (SELECT count(*) FROM queued o WHERE o.date <= q.date AND o.from_at < q.to_at AND o.to_at > q.from_at) <= a.runs_per_loop
        AND (SELECT count(*) FROM runs o WHERE o.dag_id <> q.dag_id AND o.queued_at > q.from_at AND o.started_at > q.from_at + INTERVAL 30 SECOND AND o.started_at < q.to_at) >= 2
    GROUP BY q.dag_id
),
excluded AS (
    SELECT 'unread', 'dag', u.dag_id, u.from_at, u.to_at, count(*), 1, CASE WHEN u.errors THEN 0.85 ELSE 0.7 END, CASE WHEN u.errors THEN ' (has_import_errors)' ELSE '' END,
        [{'table': 'dag_runs', 'ts': u.ts, 'key': u.dag_id || '/' || u.run_id, 'text': 'queued ' || strftime(u.from_at, '%H:%M:%S') || ', not started until ' || strftime(u.to_at, '%H:%M:%S')}]
    FROM unread u JOIN held_up w ON w.dag_id = u.dag_id AND w.from_at < u.to_at AND w.to_at > u.from_at GROUP BY ALL
),
beats AS (SELECT latest_heartbeat AS moment, arg_max(ts, seen_at) AS ts, arg_max(id, seen_at) AS id FROM jobs WHERE job_type = 'DagProcessorJob' AND latest_heartbeat IS NOT NULL GROUP BY ALL),
silence AS (SELECT *, lead(moment, 1, $end::TIMESTAMP) OVER (ORDER BY moment) AS next_at FROM beats),
dead AS (
    SELECT 'dead', 'dag-processor', '', greatest(s.moment, $start::TIMESTAMP), s.next_at, 0, 0, 0.9, '', [{'table': 'jobs', 'ts': s.ts, 'key': 'id=' || s.id, 'text': 'DagProcessorJob, last heartbeat ' || strftime(s.moment, '%H:%M:%S')}]
    FROM silence s WHERE s.next_at > greatest(s.moment, $start::TIMESTAMP) + to_seconds($min_s)
        AND EXISTS (FROM polls p WHERE p.outcome = 'ok' AND p.ts BETWEEN s.next_at - INTERVAL 30 SECOND AND s.next_at)
        AND NOT EXISTS (FROM polls p WHERE p.outcome <> 'ok' AND p.ts BETWEEN s.moment AND s.next_at)
),
found AS (FROM stale UNION ALL FROM unserialized UNION ALL FROM excluded UNION ALL FROM dead)
SELECT f.from_at AS started_at, f.to_at AS ended_at, '' AS target, CASE WHEN f.kind IN ('all', 'dead') THEN 'dag-processor' ELSE f.dag_id END AS subject, f.component,
    -- a dead processor alone keeps nothing that is serialized from running
    f.dag_id,
    {'dag': f.dag_id, 'tasks': f.tasks, 'dags': f.dags, 'since': f.since, 'errors': f.since, 'parsed': (SELECT strftime(newest, '%H:%M:%S') FROM parsed), 'size': (SELECT runs_per_loop FROM airflow),
     'seconds': date_diff('second', f.from_at, f.to_at), 'what': 'what-' || f.kind, 'why': 'why-' || f.kind, 'fix': CASE WHEN f.component = 'dag-processor' THEN 'fix-all' ELSE 'fix-file' END} AS params,
    f.confidence, f.evidence
FROM found f
