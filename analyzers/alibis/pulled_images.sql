-- ---
-- id = "pulled_images"
-- group = "alibi"
-- component = "image"
-- needs = ["scaledobjects", "workloads", "pods"]
-- params.end = "1970-01-01"
-- params.ordinary_s = 30
-- [text.en]
-- because = "every worker container started within {slowest} s of getting its node"
-- [text.zh]
-- because = "每个 worker 容器都在调度后 {slowest} 秒内启动"
-- ---
-- Below what slow_worker_start calls ordinary for the whole way: an image that took most of that is not cleared.
WITH due AS (SELECT * FROM worker_pods WHERE scheduled_at IS NOT NULL AND scheduled_at <= $end::TIMESTAMP - to_seconds($ordinary_s))
SELECT target, {'slowest': ceil(max(date_diff('millisecond', scheduled_at, started_at)) / 1000.0)} AS params,
    [{'table': 'pods', 'ts': arg_max(created_at, date_diff('millisecond', scheduled_at, started_at)), 'key': arg_max(namespace || '/' || name, date_diff('millisecond', scheduled_at, started_at)), 'text': 'started ' || ceil(max(date_diff('millisecond', scheduled_at, started_at)) / 1000.0) || ' s after scheduling, the slowest of ' || count(*)}] AS evidence
FROM due GROUP BY target
HAVING count(*) > 0 AND bool_and(started_at IS NOT NULL AND started_at <= scheduled_at + to_seconds($ordinary_s))
