-- ---
-- id = "metric_zero_with_demand"
-- group = "symptom"
-- stage = "trigger"
-- component = "trigger"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- params.end = "1970-01-01"
-- params.min_s = 60
-- [text.en]
-- title = "{tasks} task(s) of {target} waited at least {least} s with no worker asked for"
-- detail = "spec.replicas stood at 0. {seen}"
-- remedy = "KEDA acts on the number that its query gives: what kept the work out of the table, or the query from counting it, or KEDA from reading it, is named with this symptom."
-- variants.zero = "The query, run again over the table of that time, gives 0: KEDA is innocent of this."
-- variants.more = "The query, run again over the table of that time, gives {value}: the work was there to be counted."
-- variants.unread = "The query could not be run again."
-- [text.zh]
-- name = "有需求而指标为 0"
-- title = "{target} 的 {tasks} 个任务等待了至少 {least} 秒，却没有请求任何 worker"
-- detail = "spec.replicas 停留在 0。{seen}"
-- remedy = "KEDA 只按查询给出的数字行事：是什么让工作没有进入表、没有被查询统计，或让 KEDA 读不到它，见此症状旁列出的原因。"
-- variants.zero = "在当时的表上重新执行该查询得到 0：KEDA 与此无关。"
-- variants.more = "在当时的表上重新执行该查询得到 {value}：工作已在表中可供统计。"
-- variants.unread = "该查询无法重新执行。"
-- ---
WITH sizes AS (SELECT target, moment, ts, key, desired, lead(moment, 1, $end::TIMESTAMP) OVER (PARTITION BY target ORDER BY moment) AS until FROM replicas WHERE change <> 'DELETED'),
zero AS (
    SELECT target, min(moment) AS from_at, max(until) AS to_at, min(ts) AS ts, any_value(key) AS key
    FROM (SELECT *, sum(CASE WHEN desired = 0 THEN 0 ELSE 1 END) OVER (PARTITION BY target ORDER BY moment) AS island FROM sizes) WHERE desired = 0 GROUP BY target, island
),
starved AS (
    SELECT z.target, z.ts, z.key, w.dag_id || '/' || w.run_id || '/' || w.task_id AS task, greatest(z.from_at, w.runnable_at) AS from_at, least(z.to_at, w.wait_ended_at) AS to_at
    FROM zero z JOIN assignments s ON s.target = z.target JOIN waiting w USING (dag_id, run_id, task_id, map_index, attempt)
    WHERE w.runnable_at < z.to_at AND w.wait_ended_at > z.from_at
),
found AS (
    SELECT target, min(from_at) AS from_at, max(to_at) AS to_at, count(*) AS tasks, min(date_diff('millisecond', from_at, to_at)) / 1000.0 AS least, min(ts) AS ts, any_value(key) AS key,
        arg_min(task, from_at) AS task
    FROM starved WHERE to_at >= from_at + to_seconds($min_s) GROUP BY target
)
SELECT f.from_at AS started_at, f.to_at AS ended_at, f.target, f.target AS subject,
    {'target': f.target, 'tasks': f.tasks, 'least': CAST(round(f.least) AS BIGINT), 'value': v.value,
     'seen': CASE WHEN NOT q.translated THEN 'unread' WHEN coalesce(v.value, 0) = 0 THEN 'zero' ELSE 'more' END} AS params, 0.9 AS confidence,
    [{'table': 'workloads', 'ts': f.ts, 'key': f.key, 'text': 'spec.replicas = 0'}, {'table': 'task_instances', 'ts': f.from_at, 'key': f.task, 'text': 'waits'}] AS evidence
FROM found f JOIN trigger_queries q USING (target)
LEFT JOIN (SELECT x.target, max(t.value) AS value FROM found x JOIN trigger_values t ON t.target = x.target AND t.moment BETWEEN x.from_at AND x.to_at GROUP BY x.target) v USING (target)
