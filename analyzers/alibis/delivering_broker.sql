-- ---
-- id = "delivering_broker"
-- group = "alibi"
-- component = "broker"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "pods"]
-- params.ordinary_s = 30
-- [text.en]
-- because = "with a free slot before them, tasks were taken in {pickup} s (median of {tasks})"
-- [text.zh]
-- because = "有空闲槽位时，任务在 {pickup} 秒内被取走（{tasks} 个任务的中位数）"
-- ---
WITH taken AS (
    SELECT w.dag_id, w.run_id, w.task_id, sum(w.seconds) AS s FROM waits w WHERE w.stage = 'consume' GROUP BY ALL
),
example AS (
    SELECT a.dag_id || '/' || a.run_id || '/' || a.task_id AS key, a.running_at FROM attempts a JOIN worker_pods p ON p.name = a.host
    WHERE a.running_at IS NOT NULL ORDER BY a.running_at LIMIT 1
)
SELECT '' AS target, {'pickup': round(median(t.s), 1), 'tasks': count(*)} AS params,
    [{'table': 'task_instances', 'ts': any_value(e.running_at), 'key': any_value(e.key), 'text': 'queued -> running on a worker that consumed'}] AS evidence
FROM taken t CROSS JOIN example e
HAVING count(*) > 0 AND max(t.s) < $ordinary_s
