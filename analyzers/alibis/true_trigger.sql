-- ---
-- id = "true_trigger"
-- group = "alibi"
-- component = "trigger"
-- needs = ["scaledobjects", "task_instances"]
-- [text.en]
-- because = "re-run over the recorded rows, the query counts {said}, running ones too"
-- variants.one = "the only queued task"
-- variants.all = "all {tasks} queued tasks"
-- [text.zh]
-- because = "在记录的行上重新执行，查询统计到{said}，也统计运行中的任务"
-- variants.one = "唯一的排队任务"
-- variants.all = "全部 {tasks} 个排队任务"
-- ---
WITH unserved AS (SELECT count(*) AS n FROM queued_spans WHERE NOT counted)
SELECT q.target, {'tasks': count(s.task_id), 'said': CASE WHEN count(s.task_id) = 1 THEN 'one' ELSE 'all' END} AS params,
    [{'table': 'scaledobjects', 'ts': q.ts, 'key': q.target, 'text': q.query}] AS evidence
FROM trigger_queries q JOIN queued_spans s ON s.target = q.target AND s.counted
WHERE q.translated AND q.counts_queued AND q.counts_running AND (SELECT n FROM unserved) = 0
GROUP BY q.target, q.ts, q.query
