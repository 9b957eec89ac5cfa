-- ---
-- id = "run_starvation"
-- stage = "run"
-- holds = ["run", "schedule", "limits"]
-- binds = "all"
-- component = "scheduler"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "dags", "jobs"]
-- uses = ["airflow_config", "pools", "log_lines"]
-- explains = ["tasks_waiting", "workers_idle", "metric_zero_with_demand"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.min_s = 60
-- params.head_s = 15
-- [text.en]
-- title = "{what}"
-- detail = "{why} The scheduler lives all the while; nothing of this is in the table that the trigger counts."
-- remedy = "{fix}"
-- variants.what-queue = "{runs} run(s) of {dag} never reach the front: {ahead} queued runs that do not start stand before each"
-- variants.what-backfill = "Backfill run {run} of {dag} is not looked at: {ahead} other runs come first in each loop"
-- variants.what-head = "Run {run} of {dag} gets no place although it is below its cap: a full run of the same DAG stands before it"
-- variants.why-queue = "A loop takes the first {size} queued runs by date; those that it cannot start keep their place (a DAG that is not serialized), so all behind them wait."
-- variants.why-backfill = "Airflow 3 sorts backfill runs behind all others, and a loop looks at {size} runs."
-- variants.why-head = "The first {size} candidates were all tasks of that run, whose cap max_active_tasks was reached: Airflow 3.0 and 3.1 then leave out the whole DAG."
-- variants.fix-queue = "Repair, pause or delete the DAG {blocker} whose runs stand in front (airflow dags list-import-errors); raise AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE above {size}."
-- variants.fix-backfill = "Raise AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE above the number of running runs ({ahead}), or let fewer run at once (max_active_runs)."
-- variants.fix-head = "Raise AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY above {size}, raise max_active_tasks of {dag}, or upgrade to Airflow 3.2, which counts per run in the query."
-- [text.zh]
-- name = "运行饥饿"
-- title = "{what}"
-- detail = "{why}调度器一直存活；这些都不在触发器统计的表中。"
-- remedy = "{fix}"
-- variants.what-queue = "{dag} 的 {runs} 个运行始终排不到前面：每个之前都有 {ahead} 个无法启动的排队运行"
-- variants.what-backfill = "{dag} 的回填运行 {run} 没有被检查：每个循环中都有 {ahead} 个其他运行排在前面"
-- variants.what-head = "{dag} 的运行 {run} 未达上限却得不到名额：同一 DAG 的一个已满的运行排在前面"
-- variants.why-queue = "每个循环按日期取前 {size} 个排队的运行；无法启动的运行（DAG 未被序列化）一直占着位置，后面的都只能等待。"
-- variants.why-backfill = "Airflow 3 把回填运行排在所有其他运行之后，而每个循环只检查 {size} 个运行。"
-- variants.why-head = "前 {size} 个候选全部是那个运行的任务，而其 max_active_tasks 已满：Airflow 3.0 和 3.1 会因此跳过整个 DAG。"
-- variants.fix-queue = "修复、暂停或删除排在前面的 DAG {blocker}（airflow dags list-import-errors）；把 AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE 提高到 {size} 以上。"
-- variants.fix-backfill = "把 AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE 提高到运行中的运行数（{ahead}）以上，或减少同时进行的运行（max_active_runs）。"
-- variants.fix-head = "把 AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY 提高到 {size} 以上，提高 {dag} 的 max_active_tasks，或升级到 Airflow 3.2（在查询中按运行计数）。"
-- ---
-- The candidate queries again: queued runs by date (backfill runs of Airflow 3 last), running runs likewise, tasks.
WITH lives AS (SELECT moment, lag(moment) OVER (ORDER BY moment) AS before FROM scheduler_life),
settings AS (SELECT *, lead(since, 1, 'infinity'::TIMESTAMP) OVER (PARTITION BY dag_id ORDER BY seen_at) AS until FROM dag_settings),
dates AS (SELECT dag_id, run_id, any_value(coalesce(run_after, logical_date, queued_at)) AS date, min(ts) AS ts FROM dag_runs GROUP BY ALL),
-- candidates: queued, not paused, active, below the cap, date past, and yet not started for a minute
stuck AS (
    SELECT r.dag_id, r.run_id, d.date, d.ts, (SELECT major FROM airflow) >= 3 AND r.backfill_id IS NOT NULL AS late,
        greatest(r.queued_at, $start::TIMESTAMP) AS from_at, least(coalesce(r.started_at, r.ended_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at
    FROM runs r JOIN dates d USING (dag_id, run_id)
    WHERE least(coalesce(r.started_at, r.ended_at, $end::TIMESTAMP), $end::TIMESTAMP) >= greatest(r.queued_at, $start::TIMESTAMP) + to_seconds($min_s) AND d.date <= greatest(r.queued_at, $start::TIMESTAMP)
),
fit AS (
    SELECT s.* FROM stuck s WHERE EXISTS (FROM settings d WHERE d.dag_id = s.dag_id)
        AND NOT EXISTS (FROM settings d WHERE d.dag_id = s.dag_id AND d.since < s.to_at AND d.until > s.from_at AND (d.is_paused OR NOT coalesce(d.is_active, true)
            OR d.max_active_runs <= (SELECT count(*) FROM runs x WHERE x.dag_id = s.dag_id AND x.started_at < s.to_at AND coalesce(x.ended_at, 'infinity') > s.from_at)))
),
behind AS (
    SELECT w.dag_id, w.run_id, w.from_at, w.to_at, w.ts, count(*) AS ahead, mode(o.dag_id) AS blocker, arg_min(o.run_id, o.date) AS first_run, min(o.ts) AS first_ts
    FROM fit w JOIN fit o ON (o.late, o.date, o.dag_id, o.run_id) < (w.late, w.date, w.dag_id, w.run_id) AND o.from_at <= w.from_at + to_seconds($min_s / 2) AND o.to_at >= w.to_at
    GROUP BY ALL
),
queued AS (
    SELECT 'queue' AS kind, b.dag_id, b.run_id, b.from_at, b.to_at, b.ahead, a.runs_per_loop AS size, b.blocker, 0.85 AS confidence,
        [{'table': 'dag_runs', 'ts': b.ts, 'key': b.dag_id || '/' || b.run_id, 'text': 'queued from ' || strftime(b.from_at, '%H:%M:%S') || ' to ' || strftime(b.to_at, '%H:%M:%S')},
         {'table': 'dag_runs', 'ts': b.first_ts, 'key': b.blocker || '/' || b.first_run, 'text': 'queued before it and not started either'}] AS evidence
    FROM behind b CROSS JOIN airflow a WHERE b.ahead >= a.runs_per_loop
),
looks AS (SELECT DISTINCT dag_id, run_id, last_scheduling_decision AS moment FROM dag_runs WHERE last_scheduling_decision IS NOT NULL),
backfills AS (
    SELECT r.dag_id, r.run_id, d.ts, greatest(r.started_at, $start::TIMESTAMP) AS from_at, least(coalesce(r.ended_at, $end::TIMESTAMP), $end::TIMESTAMP,
            coalesce((SELECT min(l.moment) FROM looks l WHERE l.dag_id = r.dag_id AND l.run_id = r.run_id AND l.moment > greatest(r.started_at, $start::TIMESTAMP) + INTERVAL 5 SECOND), 'infinity')) AS to_at
    FROM runs r JOIN dates d USING (dag_id, run_id) CROSS JOIN airflow a WHERE a.major >= 3 AND r.backfill_id IS NOT NULL AND r.started_at IS NOT NULL
),
last AS (
    SELECT 'backfill', b.dag_id, b.run_id, b.from_at, b.to_at, o.n, a.runs_per_loop, '', 0.9,
        [{'table': 'dag_runs', 'ts': b.ts, 'key': b.dag_id || '/' || b.run_id, 'text': 'backfill run, no decision until ' || strftime(b.to_at, '%H:%M:%S')},
         {'table': 'dag_runs', 'ts': o.ts, 'key': o.run, 'text': o.n || ' other runs were running all the while'}]
    FROM backfills b CROSS JOIN airflow a
    CROSS JOIN LATERAL (SELECT count(*) AS n, min(d.ts) AS ts, arg_min(r.dag_id || '/' || r.run_id, d.ts) AS run FROM runs r JOIN dates d USING (dag_id, run_id)
        WHERE r.backfill_id IS NULL AND r.started_at <= b.from_at + INTERVAL 5 SECOND AND coalesce(r.ended_at, 'infinity') >= b.to_at
            AND NOT EXISTS (FROM settings s WHERE s.dag_id = r.dag_id AND s.is_paused)
            -- that they are looked at is what takes the places
            AND EXISTS (FROM looks l WHERE l.dag_id = r.dag_id AND l.run_id = r.run_id AND l.moment BETWEEN b.from_at AND b.to_at)) o
    WHERE b.to_at >= b.from_at + to_seconds($min_s) AND o.n >= a.runs_per_loop
        AND NOT EXISTS (FROM settings s WHERE s.dag_id = b.dag_id AND s.is_paused)
),
-- 3.0 and 3.1 only: their query does not know the cap of a run
views AS (SELECT o.*, d.max_active_tasks AS cap FROM occupancy o ASOF JOIN dag_settings d ON d.dag_id = o.subject AND o.moment >= d.since WHERE o.scope = 'run' AND o.until > o.moment AND d.max_active_tasks > 0),
pairs AS (
    SELECT b.subject AS dag_id, b.run_id, f.run_id AS full_run, greatest(b.moment, f.moment) AS from_at, least(b.until, f.until) AS to_at
    FROM views b JOIN views f ON f.subject = b.subject AND f.run_id <> b.run_id AND f.moment < b.until AND f.until > b.moment CROSS JOIN airflow a
    WHERE b.waiting > 0 AND b.held < b.cap AND f.held >= f.cap AND f.waiting >= a.max_tis
        AND (a.release IN (300, 301) OR (a.release IS NULL AND a.major >= 3 AND EXISTS (FROM log_lines l WHERE l.pattern = 'limit.nothing_found' AND l.ts BETWEEN f.moment AND f.until)))
        AND NOT EXISTS (FROM occupancy o WHERE o.scope = 'all' AND o.moment < b.until AND o.until > b.moment AND o.held >= a.parallelism)
        AND NOT EXISTS (FROM waiting w JOIN pool_settings p ON p.pool = w.pool JOIN occupancy o ON o.scope = 'pool' AND o.subject = w.pool
            WHERE w.dag_id = b.subject AND w.run_id = b.run_id AND p.slots >= 0 AND o.moment < b.until AND o.until > b.moment AND o.slots_held + w.pool_slots > p.slots)
),
head AS (
    SELECT 'head', dag_id, run_id, min(from_at), max(to_at), 0, (SELECT max_tis FROM airflow), min(full_run), 0.85,
        [{'table': 'task_instances', 'ts': min(from_at), 'key': dag_id || '/' || run_id, 'text': 'scheduled, below max_active_tasks'},
         {'table': 'task_instances', 'ts': min(from_at), 'key': dag_id || '/' || min(full_run), 'text': 'at max_active_tasks, more scheduled than one loop takes'}]
    FROM pairs GROUP BY dag_id, run_id HAVING max(to_at) >= min(from_at) + to_seconds($head_s)
),
found AS (FROM queued UNION ALL FROM last UNION ALL FROM head)
SELECT f.from_at AS started_at, f.to_at AS ended_at, '' AS target, f.dag_id AS subject, f.dag_id, f.run_id,
    {'dag': f.dag_id, 'run': f.run_id, 'runs': count(*) OVER (PARTITION BY f.kind, f.dag_id), 'ahead': f.ahead, 'size': f.size, 'blocker': f.blocker,
     'what': 'what-' || f.kind, 'why': 'why-' || f.kind, 'fix': 'fix-' || f.kind} AS params, f.confidence, f.evidence
FROM found f
WHERE NOT EXISTS (FROM lives l WHERE l.before < f.to_at AND l.moment > f.from_at AND l.moment > l.before + INTERVAL 30 SECOND)
    AND EXISTS (FROM lives l WHERE l.moment BETWEEN f.from_at AND f.to_at)
    AND (SELECT max(moment) FROM lives) > f.to_at - INTERVAL 30 SECOND
