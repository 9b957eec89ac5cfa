-- ---
-- id = "free_pools"
-- group = "alibi"
-- component = "pool"
-- needs = ["pools", "task_instances"]
-- [text.en]
-- because = "every pool that tasks waited for kept at least {free} open slot(s)"
-- [text.zh]
-- because = "任务所用的每个资源池始终至少有 {free} 个空闲槽位"
-- ---
WITH used AS (
    SELECT o.subject AS pool, max(o.slots_held) AS held FROM occupancy o WHERE o.scope = 'pool' GROUP BY o.subject
),
sized AS (
    SELECT u.pool, u.held, p.slots, p.ts FROM used u JOIN pools p ON p.pool = u.pool
    QUALIFY row_number() OVER (PARTITION BY u.pool ORDER BY p.slots, p.ts) = 1
)
SELECT '' AS target, {'free': min(CASE WHEN slots < 0 THEN 1000000 ELSE slots - held END)} AS params,
    list({'table': 'pools', 'ts': ts, 'key': pool, 'text': 'slots = ' || slots || ', at most ' || held || ' held'} ORDER BY pool)[1:3] AS evidence
FROM sized HAVING count(*) > 0 AND bool_and(slots < 0 OR held < slots)
