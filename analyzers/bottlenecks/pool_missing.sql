-- ---
-- id = "pool_missing"
-- stage = "limits"
-- binds = "pool"
-- component = "pool"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "pools"]
-- uses = ["log_lines"]
-- explains = ["tasks_waiting", "run_starvation", "metric_zero_with_demand", "workers_idle"]
-- [text.en]
-- title = "{tasks} task(s) can never be queued: pool {pool} {why}"
-- detail = "The scheduler skips them in every loop, and they take up places among its candidates. They are not queued, so the trigger does not count them."
-- remedy = "{fix}"
-- variants.absent = "does not exist"
-- variants.small = "has {slots} slot(s), and they need {need} each"
-- variants.create = "Create pool {pool} (airflow pools set {pool} SLOTS DESCRIPTION), or correct pool= of the tasks; keep pools in code, for instance by airflow pools import at each deployment."
-- variants.widen = "Give pool {pool} at least {need} slots (airflow pools set {pool} {need} DESCRIPTION), or lower pool_slots of the tasks."
-- [text.zh]
-- name = "资源池不存在"
-- title = "{tasks} 个任务永远无法排队：资源池 {pool} {why}"
-- detail = "调度器在每个循环中都会跳过它们，而它们仍占用候选名额。它们没有排队，因此触发器不会统计。"
-- remedy = "{fix}"
-- variants.absent = "不存在"
-- variants.small = "只有 {slots} 个槽位，而每个任务需要 {need} 个"
-- variants.create = "创建资源池 {pool}（airflow pools set {pool} SLOTS DESCRIPTION），或更正任务的 pool=；用代码管理资源池，例如每次部署时执行 airflow pools import。"
-- variants.widen = "把资源池 {pool} 扩大到至少 {need} 个槽位（airflow pools set {pool} {need} DESCRIPTION），或降低任务的 pool_slots。"
-- ---
-- A pool of slots -1 is infinite. Tasks that would fit wait for another reason: then the pool is not what all wait for.
WITH wanting AS (
    SELECT dag_id || '/' || run_id || '/' || task_id AS task, pool, coalesce(pool_slots, 1) AS need, scheduled_at AS from_at, least(queued_at, wait_ended_at) AS to_at
    FROM waiting WHERE scheduled_at < least(queued_at, wait_ended_at) AND pool IS NOT NULL
),
known AS (
    SELECT pool, min(since) AS since, max(CASE WHEN slots < 0 THEN 1000000 ELSE slots END) AS slots, max(ts) AS ts,
        (SELECT max(d.seen_at) FROM pools d WHERE d.pool = p.pool AND d.change = 'DELETED' AND d.seen_at > max(p.seen_at)) AS deleted_at
    FROM pool_settings p GROUP BY pool
),
absent AS (
    SELECT w.task, w.pool, w.need, NULL AS slots, 'absent' AS why, 'create' AS fix,
        greatest(w.from_at, coalesce(k.deleted_at, w.from_at)) AS from_at, least(w.to_at, CASE WHEN k.deleted_at IS NULL THEN coalesce(k.since, w.to_at) ELSE w.to_at END) AS to_at,
        NULL::TIMESTAMP AS ts
    FROM wanting w LEFT JOIN known k ON k.pool = w.pool
    WHERE EXISTS (FROM pool_settings) AND (k.pool IS NULL OR k.since > w.from_at OR k.deleted_at < w.to_at)
),
small AS (
    SELECT w.task, w.pool, w.need, k.slots, 'small' AS why, 'widen' AS fix, w.from_at, w.to_at, k.ts
    FROM wanting w JOIN known k ON k.pool = w.pool
    WHERE w.need > k.slots AND NOT EXISTS (FROM wanting o WHERE o.pool = w.pool AND o.need <= k.slots AND o.from_at < w.to_at AND o.to_at > w.from_at)
),
found AS (FROM absent WHERE to_at > from_at UNION ALL FROM small),
spans AS (
    SELECT pool, why, fix, min(from_at) AS from_at, max(to_at) AS to_at, count(*) AS tasks, max(need) AS need, max(slots) AS slots, min(ts) AS ts, arg_min(task, from_at) AS task
    FROM found GROUP BY ALL
),
said AS (
    SELECT s.pool, min(l.ts) AS ts, arg_min(l.pod, l.ts) AS pod, arg_min(l.text, l.ts) AS text
    FROM spans s JOIN log_lines l ON l.pattern IN ('limit.pool_missing', 'limit.pool_too_small') AND contains(l.text, s.pool) AND l.ts BETWEEN s.from_at AND s.to_at GROUP BY s.pool
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, '' AS target, s.pool AS subject,
    {'pool': s.pool, 'tasks': s.tasks, 'need': s.need, 'slots': s.slots, 'why': s.why, 'fix': s.fix} AS params,
    CASE WHEN l.ts IS NULL THEN 0.93 ELSE 0.98 END AS confidence,
    [{'table': 'task_instances', 'ts': s.from_at, 'key': s.task, 'text': 'state = scheduled, pool = ' || s.pool || ', pool_slots = ' || s.need}]
    || CASE WHEN s.ts IS NULL THEN [] ELSE [{'table': 'pools', 'ts': s.ts, 'key': s.pool, 'text': 'slots = ' || s.slots}] END
    || CASE WHEN l.ts IS NULL THEN [] ELSE [{'table': 'log_lines', 'ts': l.ts, 'key': l.pod, 'text': l.text}] END AS evidence
FROM spans s LEFT JOIN said l ON l.pool = s.pool
