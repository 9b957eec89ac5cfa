-- ---
-- id = "kpo_unschedulable"
-- stage = "execute"
-- component = "kubernetes-pod-operator"
-- severity = "high"
-- needs = ["task_instances", "pods"]
-- uses = ["scaledobjects", "workloads", "hpas", "events", "nodes", "objects", "log_lines", "airflow_config"]
-- explains = ["kpo_startup_timeout", "worker_slots_saturated", "tasks_killed"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.patience_s = 60
-- params.long_s = 600
-- [text.en]
-- title = "{pods} KubernetesPodOperator pod(s) of {dag} found no node"
-- detail = "{pod} was never placed: {text}. {failed} attempt(s) failed at their startup timeout, {held} still hold(s) a worker slot for nothing; {lost} s lost."
-- remedy = "container_resources, node_selector, affinity and tolerations of the operator against the nodes there are; capacity for these pods beside the workers; schedule_timeout_seconds (startup_timeout_seconds before provider 10.5) longer than a node takes to boot; deferrable=True frees the slot meanwhile."
-- [text.zh]
-- name = "KPO 无法调度"
-- title = "{dag} 的 {pods} 个 KubernetesPodOperator Pod 找不到节点"
-- detail = "{pod} 始终未被调度：{text}。{failed} 个任务尝试在启动超时后失败，{held} 个仍白占 worker 槽位；损失 {lost} 秒。"
-- remedy = "核对算子的 container_resources、node_selector、affinity、tolerations 与现有节点；为这些 Pod 与 worker 留出容量；schedule_timeout_seconds（provider 10.5 之前为 startup_timeout_seconds）大于节点启动时间；deferrable=True 可在等待时释放槽位。"
-- ---
WITH stuck AS (
    SELECT *, last_state IN ('failed', 'up_for_retry') AND task_over_at >= unschedulable_at AS failed, last_state = 'running' AND task_over_at IS NULL AND gone_at IS NULL
        AND unschedulable_at <= $end::TIMESTAMP - to_seconds($patience_s) AS held
    FROM kpo_pods k WHERE unschedulable_at IS NOT NULL AND placed_at IS NULL AND base_started_at IS NULL
        AND NOT EXISTS (FROM kills x WHERE x.dag_id = k.dag_id AND x.run_id = k.run_id AND x.task_id = k.task_id AND x.map_index = k.map_index AND x.attempt = k.attempt)
),
hit AS (
    SELECT *, least($long_s, date_diff('millisecond', CASE WHEN failed THEN task_at ELSE unschedulable_at END, coalesce(CASE WHEN failed THEN task_over_at END, $end::TIMESTAMP)) / 1000.0) AS lost
    FROM stuck WHERE (failed OR held) AND coalesce(task_over_at, $end::TIMESTAMP) >= $start::TIMESTAMP
)
SELECT min(unschedulable_at) AS started_at, max(coalesce(task_over_at, $end::TIMESTAMP)) AS ended_at, '' AS target, dag_id AS subject,
    {'dag': dag_id, 'pods': count(*), 'pod': arg_min(pod, unschedulable_at), 'text': coalesce(arg_min(unschedulable_text, unschedulable_at), 'Unschedulable'),
     'failed': count(*) FILTER (WHERE failed), 'held': count(*) FILTER (WHERE held), 'lost': CAST(round(sum(lost)) AS BIGINT)} AS params,
    0.95 AS confidence,
    list({'table': 'pods', 'ts': unschedulable_at, 'key': namespace || '/' || pod, 'text': coalesce(unschedulable_text, 'Unschedulable')} ORDER BY unschedulable_at)[1:3]
    || list({'table': 'task_instances', 'ts': coalesce(task_over_at, task_at), 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'attempt ' || attempt || ': ' || last_state} ORDER BY unschedulable_at)[1:2] AS evidence,
    sum(lost) AS lost_task_seconds
FROM hit GROUP BY dag_id
