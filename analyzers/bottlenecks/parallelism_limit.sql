-- ---
-- id = "parallelism_limit"
-- stage = "limits"
-- binds = "all"
-- cap = true
-- component = "airflow-config"
-- severity = "high"
-- needs = ["task_instances", "jobs"]
-- uses = ["log_lines", "airflow_config"]
-- explains = ["tasks_waiting", "replicas_below_demand", "metric_zero_with_demand", "workers_idle"]
-- params.merge_s = 10
-- [text.en]
-- title = "All {cap} executor slots are taken while {waiting} tasks are scheduled"
-- detail = "[core] parallelism is {parallelism} per scheduler, with {schedulers} scheduler(s): {held} tasks are queued or running. What waits for an executor slot stays scheduled and is invisible to the trigger, so the metric cannot ask for more workers."
-- remedy = "Raise AIRFLOW__CORE__PARALLELISM above {parallelism} (rule of thumb: maxReplicaCount x worker_concurrency / schedulers), or add a scheduler."
-- [text.zh]
-- name = "parallelism 上限"
-- title = "全部 {cap} 个执行器槽位已占满，{waiting} 个任务处于 scheduled"
-- detail = "[core] parallelism 为每个调度器 {parallelism}，共 {schedulers} 个调度器：{held} 个任务在排队或运行。等待执行器槽位的任务停留在 scheduled，触发器看不到，指标无法请求更多 worker。"
-- remedy = "提高 AIRFLOW__CORE__PARALLELISM（当前 {parallelism}；经验值：maxReplicaCount × worker_concurrency ÷ 调度器数），或增加调度器。"
-- ---
WITH schedulers AS (
    SELECT id, min(latest_heartbeat) AS first_at, max(latest_heartbeat) AS last_at
    FROM jobs WHERE job_type = 'SchedulerJob' AND state = 'running' GROUP BY id
),
steps AS (
    SELECT o.*, airflow.parallelism, airflow.parallelism_known,
        greatest(1, (SELECT count(*) FROM schedulers s WHERE o.moment BETWEEN s.first_at - INTERVAL 30 SECOND AND s.last_at + INTERVAL 30 SECOND)) AS schedulers
    FROM occupancy o CROSS JOIN airflow WHERE o.scope = 'all' AND o.waiting > 0 AND o.until > o.moment
),
capped AS (
    SELECT *, CASE WHEN moment <= max(until) OVER (ORDER BY moment ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) + to_seconds($merge_s) THEN 0 ELSE 1 END AS opens
    FROM steps WHERE held >= parallelism * schedulers
),
islands AS (SELECT *, sum(opens) OVER (ORDER BY moment) AS island FROM capped),
spans AS (
    SELECT min(moment) AS from_at, max(until) AS to_at, max(held) AS held, max(waiting) AS waiting, max(parallelism) AS parallelism,
        max(schedulers) AS schedulers, bool_or(parallelism_known) AS known
    FROM islands GROUP BY island
),
said AS (
    SELECT s.from_at, min(l.ts) AS ts, arg_min(l.pod, l.ts) AS pod, arg_min(l.text, l.ts) AS text
    FROM spans s JOIN log_lines l ON l.pattern = 'limit.parallelism' AND l.ts BETWEEN s.from_at - INTERVAL 5 SECOND AND s.to_at GROUP BY ALL
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, '' AS target, 'parallelism' AS subject,
    {'cap': s.parallelism * s.schedulers, 'parallelism': s.parallelism, 'schedulers': s.schedulers, 'held': s.held, 'waiting': s.waiting} AS params,
    CASE WHEN l.ts IS NOT NULL THEN 0.98 WHEN s.known THEN 0.93 ELSE 0.75 END AS confidence,
    [{'table': 'task_instances', 'ts': s.from_at, 'key': 'state', 'text': s.held || ' queued or running, ' || s.waiting || ' scheduled at ' || strftime(s.from_at, '%H:%M:%S')},
     {'table': 'airflow_config', 'ts': s.from_at, 'key': 'core.parallelism', 'text': s.parallelism || CASE WHEN s.known THEN '' ELSE ' (the default; not recorded)' END}]
    || CASE WHEN l.ts IS NULL THEN [] ELSE [{'table': 'log_lines', 'ts': l.ts, 'key': l.pod, 'text': l.text}] END AS evidence
FROM spans s LEFT JOIN said l ON l.from_at = s.from_at
