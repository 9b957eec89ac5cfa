-- ---
-- id = "working_workers"
-- group = "alibi"
-- component = "worker"
-- needs = ["scaledobjects", "workloads", "pods", "task_instances"]
-- uses = ["log_lines", "dag_runs"]
-- params.end = "1970-01-01"
-- params.ordinary_s = 60
-- [text.en]
-- because = "{pods} worker(s) consumed within {slowest} s of their container's start and ran {tasks} task(s)"
-- [text.zh]
-- because = "{pods} 个 worker 在容器启动后 {slowest} 秒内开始消费，共运行 {tasks} 个任务"
-- ---
WITH due AS (SELECT * FROM worker_pods WHERE started_at IS NOT NULL AND started_at <= $end::TIMESTAMP - to_seconds($ordinary_s))
SELECT d.target, {'pods': count(*), 'slowest': ceil(max(date_diff('millisecond', d.started_at, d.consuming_at)) / 1000.0),
        'tasks': (SELECT count(*) FROM attempts a JOIN worker_pods w ON w.name = a.host AND w.target = d.target)} AS params,
    list({'table': 'pods', 'ts': d.created_at, 'key': d.namespace || '/' || d.name, 'text': 'consuming ' || ceil(date_diff('millisecond', d.started_at, d.consuming_at) / 1000.0) || ' s after its start, ' || coalesce(d.restarts, 0) || ' restarts'} ORDER BY d.created_at)[1:2] AS evidence
FROM due d GROUP BY d.target
HAVING count(*) > 0 AND bool_and(d.consuming_at IS NOT NULL AND d.consuming_at <= d.started_at + to_seconds($ordinary_s) AND coalesce(d.restarts, 0) = 0)
    AND NOT EXISTS (SELECT 1 FROM kills k WHERE k.target = d.target)
