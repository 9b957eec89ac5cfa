-- ---
-- id = "scaledobject_missing"
-- stage = "trigger"
-- binds = "queue"
-- component = "autoscaler-settings"
-- severity = "critical"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["hpas"]
-- explains = ["replicas_below_demand", "tasks_waiting", "metric_zero_with_demand"]
-- params.end = "1970-01-01"
-- [text.en]
-- title = "No ScaledObject scales the workers: {workload} stays at zero with {tasks} queued task(s) of queue {queue}"
-- detail = "ScaledObjects were listed and none counts Airflow's tasks or points at {workload}; no HPA does either. Its size was 0 all the time."
-- remedy = "Create the ScaledObject: workers.keda.enabled: true (workers.celery.keda.enabled) in the chart; check that KEDA's CRDs were installed before the release and that nobody deleted it (kubectl get scaledobject -A)."
-- [text.zh]
-- name = "缺少 ScaledObject"
-- title = "没有 ScaledObject 伸缩 worker：{workload} 停在零副本，队列 {queue} 有 {tasks} 个排队任务"
-- detail = "已成功列出 ScaledObject，其中没有一个统计 Airflow 的任务或指向 {workload}；也没有 HPA。其副本数始终为 0。"
-- remedy = "创建 ScaledObject：在 chart 中设置 workers.keda.enabled: true（workers.celery.keda.enabled）；确认 KEDA 的 CRD 在发布之前已安装，且没有被人删除（kubectl get scaledobject -A）。"
-- ---
-- Workers at zero that nobody may scale: a fleet of fixed size that is merely busy is not meant to have one.
WITH fleets AS (
    SELECT uid, min(namespace || '/' || name) AS key, min(ts) AS ts, min(seen_at) AS first_at, max(coalesce(spec_replicas, 1)) AS most
    FROM workloads w
    WHERE kind IN ('Deployment', 'StatefulSet') AND change <> 'DELETED'
        AND (json_extract_string(template_labels, '$.component') = 'worker' OR regexp_matches(args::VARCHAR, 'celery.{0,8}worker'))
        AND NOT EXISTS (FROM hpas h WHERE h.namespace = w.namespace AND h.target_name = w.name)
        AND NOT EXISTS (FROM scaledobjects o WHERE o.namespace = w.namespace AND o.target_name = w.name)
    GROUP BY uid
),
empty AS (SELECT min(key) AS key, min(ts) AS ts, min(first_at) AS first_at FROM fleets HAVING count(*) > 0 AND max(most) = 0),
waits_for AS (
    SELECT queue, min(from_at) AS from_at, max(to_at) AS to_at, count(*) AS tasks, arg_min(dag_id || '/' || run_id || '/' || task_id, from_at) AS example
    FROM queued_spans WHERE target = '' AND NOT counted AND coalesce(executor, '') NOT ILIKE '%kubernetes%' GROUP BY queue
)
SELECT q.from_at AS started_at, least(q.to_at, $end::TIMESTAMP) AS ended_at, '' AS target, q.queue AS subject,
    {'queue': q.queue, 'tasks': q.tasks, 'workload': e.key} AS params, 0.9 AS confidence,
    [{'table': 'workloads', 'ts': e.ts, 'key': e.key, 'text': 'spec.replicas 0, no ScaledObject, no HPA'},
     {'table': 'task_instances', 'ts': q.from_at, 'key': q.example, 'text': 'state = queued, queue = ' || q.queue}] AS evidence
FROM waits_for q CROSS JOIN empty e
WHERE NOT EXISTS (FROM targets) AND e.first_at <= q.to_at
