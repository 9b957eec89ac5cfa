-- ---
-- id = "executor_slot_leak"
-- stage = "limits"
-- binds = "all"
-- component = "scheduler"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "log_lines"]
-- uses = ["airflow_config", "jobs"]
-- explains = ["tasks_waiting", "parallelism_limit", "replicas_below_demand", "workers_idle"]
-- params.merge_s = 30
-- params.min_s = 120
-- [text.en]
-- title = "The executor of {pod} believes that all {cap} slots are taken, the table shows {held} queued or running"
-- detail = "It said '0 open slots' {lines} times in {seconds} s. Slots are counted in the scheduler's memory: results that never arrive (result backend, races with deferral) are never given back, and each loop queues nothing."
-- remedy = "Restart the scheduler {pod}: that gives the slots back. Then update apache-airflow-providers-celery, and look at the result backend (AIRFLOW__CELERY__RESULT_BACKEND) for timeouts: those lose results."
-- [text.zh]
-- name = "执行器槽位泄漏"
-- title = "{pod} 的执行器认为全部 {cap} 个槽位已占用，而任务表中排队和运行的只有 {held} 个"
-- detail = "{seconds} 秒内它 {lines} 次报告“0 open slots”。槽位只记在调度器内存中：永远收不到的结果（结果后端故障、与 deferral 的竞争）不会归还槽位，于是每个循环都无法排队。"
-- remedy = "重启调度器 {pod} 即可归还槽位；随后升级 apache-airflow-providers-celery，并检查结果后端（AIRFLOW__CELERY__RESULT_BACKEND）是否超时，超时会丢失结果。"
-- ---
-- The line comes from Airflow 2.10 on. How many slots there are is told by the configuration, else by what was held at
-- some time; the executor hears of an end a few seconds late, hence the margin and the two minutes.
WITH slots AS (
    SELECT CASE WHEN parallelism_known THEN parallelism
        WHEN (SELECT count(DISTINCT id) FROM jobs WHERE job_type = 'SchedulerJob' AND state = 'running') <= 1 THEN (SELECT max(held) FROM occupancy WHERE scope = 'all') END AS cap
    FROM airflow
),
lines AS (SELECT ts, coalesce(pod, '') AS pod, text FROM log_lines WHERE pattern = 'limit.parallelism'),
told AS (
    SELECT l.*, coalesce(o.held, 0) AS held, s.cap FROM lines l CROSS JOIN slots s
    ASOF LEFT JOIN (FROM occupancy WHERE scope = 'all') o ON l.ts >= o.moment
),
false_lines AS (
    SELECT *, CASE WHEN ts <= lag(ts) OVER (PARTITION BY pod ORDER BY ts) + to_seconds($merge_s) THEN 0 ELSE 1 END AS opens
    FROM told WHERE cap IS NOT NULL AND held < cap - greatest(1, 0.1 * cap)
),
islands AS (SELECT *, sum(opens) OVER (PARTITION BY pod ORDER BY ts) AS island FROM false_lines),
spans AS (
    SELECT pod, min(ts) AS from_at, max(ts) AS to_at, count(*) AS lines, max(held) AS held, any_value(cap) AS cap, arg_min(text, ts) AS text, arg_max(text, ts) AS last_text
    FROM islands GROUP BY pod, island
),
troubles AS (
    SELECT s.pod, s.from_at, min(l.ts) AS ts, arg_min(coalesce(l.pod, ''), l.ts) AS key, arg_min(l.text, l.ts) AS text
    FROM spans s JOIN log_lines l ON l.pattern IN ('exec.launch_failure', 'exec.still_running', 'celery.fetch_error', 'celery.backend_retry') AND l.ts <= s.to_at GROUP BY ALL
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, '' AS target, s.pod AS subject,
    {'pod': CASE WHEN s.pod = '' THEN 'scheduler' ELSE s.pod END, 'cap': s.cap, 'held': s.held, 'lines': s.lines, 'seconds': date_diff('second', s.from_at, s.to_at)} AS params,
    CASE WHEN t.ts IS NULL THEN 0.88 ELSE 0.93 END AS confidence,
    [{'table': 'log_lines', 'ts': s.from_at, 'key': s.pod, 'text': s.text}, {'table': 'log_lines', 'ts': s.to_at, 'key': s.pod, 'text': s.last_text},
     {'table': 'task_instances', 'ts': s.from_at, 'key': 'state', 'text': 'at most ' || s.held || ' queued or running until ' || strftime(s.to_at, '%H:%M:%S')}]
    || CASE WHEN t.ts IS NULL THEN [] ELSE [{'table': 'log_lines', 'ts': t.ts, 'key': t.key, 'text': t.text}] END AS evidence
FROM spans s LEFT JOIN troubles t ON t.pod = s.pod AND t.from_at = s.from_at
WHERE s.to_at >= s.from_at + to_seconds($min_s)
