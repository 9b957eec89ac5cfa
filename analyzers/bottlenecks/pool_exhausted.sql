-- ---
-- id = "pool_exhausted"
-- stage = "limits"
-- binds = "pool"
-- cap = true
-- component = "pool"
-- severity = "high"
-- needs = ["task_instances", "pools"]
-- uses = ["log_lines"]
-- explains = ["tasks_waiting", "workers_idle", "metric_zero_with_demand"]
-- params.merge_s = 10
-- [text.en]
-- title = "Pool {pool} has no open slots while {waiting} tasks wait for it"
-- detail = "{held} of {slots} slots of pool {pool} are held by queued or running tasks. What waits for a pool stays scheduled, so the trigger does not count it: more workers would not help."
-- remedy = "Raise the slots of {pool} from {slots} (airflow pools set {pool} N), or move long tasks out of it."
-- [text.zh]
-- name = "资源池已满"
-- title = "资源池 {pool} 已无空闲槽位，{waiting} 个任务在等待"
-- detail = "资源池 {pool} 的 {slots} 个槽位中有 {held} 个被排队或运行中的任务占用。等待资源池的任务停留在 scheduled，触发器不统计：增加 worker 没有用。"
-- remedy = "提高 {pool} 的槽位数（当前 {slots}；airflow pools set {pool} N），或把长任务移出该资源池。"
-- ---
WITH sizes AS (SELECT pool, min(pool_slots) AS smallest FROM attempts GROUP BY pool),
capped AS (
    SELECT o.*, p.slots AS size, p.ts AS pool_ts,
        CASE WHEN o.moment <= max(o.until) OVER (PARTITION BY o.subject ORDER BY o.moment ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            + to_seconds($merge_s) THEN 0 ELSE 1 END AS opens
    FROM occupancy o
    JOIN sizes z ON z.pool = o.subject
    ASOF JOIN pool_settings p ON p.pool = o.subject AND o.moment >= p.since
    WHERE o.scope = 'pool' AND o.waiting > 0 AND p.slots >= 0 AND p.slots - o.slots_held < z.smallest AND o.slots_held > 0 AND o.until > o.moment
),
islands AS (SELECT *, sum(opens) OVER (PARTITION BY subject ORDER BY moment) AS island FROM capped),
spans AS (
    SELECT subject, min(moment) AS from_at, max(until) AS to_at, max(size) AS slots, max(slots_held) AS held, max(waiting) AS waiting, min(pool_ts) AS pool_ts
    FROM islands GROUP BY subject, island
),
said AS (
    SELECT s.subject, s.from_at, min(l.ts) AS ts, arg_min(l.pod, l.ts) AS pod, arg_min(l.text, l.ts) AS text
    FROM spans s JOIN log_lines l ON l.pattern = 'limit.pool_full' AND contains(l.text, s.subject) AND l.ts BETWEEN s.from_at - INTERVAL 5 SECOND AND s.to_at
    GROUP BY ALL
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, '' AS target, s.subject,
    {'pool': s.subject, 'slots': s.slots, 'held': s.held, 'waiting': s.waiting} AS params,
    CASE WHEN l.ts IS NULL THEN 0.93 ELSE 0.98 END AS confidence,
    [{'table': 'pools', 'ts': s.pool_ts, 'key': s.subject, 'text': 'slots = ' || s.slots},
     {'table': 'task_instances', 'ts': s.from_at, 'key': 'pool=' || s.subject, 'text': s.held || ' slots held, ' || s.waiting || ' tasks scheduled at ' || strftime(s.from_at, '%H:%M:%S')}]
    || CASE WHEN l.ts IS NULL THEN [] ELSE [{'table': 'log_lines', 'ts': l.ts, 'key': l.pod, 'text': l.text}] END AS evidence
FROM spans s LEFT JOIN said l ON l.subject = s.subject AND l.from_at = s.from_at
