-- ---
-- id = "eviction_kills_tasks"
-- stage = "drain"
-- component = "nodes"
-- severity = "high"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["events", "nodes", "objects", "hpas", "log_lines", "airflow_config"]
-- explains = ["tasks_killed", "message_lost", "kpo_orphan_pods"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{by} took {pods} worker pod(s) of {target} with {killed} running task(s)"
-- detail = "No autoscaler asked for fewer workers: {pod} on node {node} was taken with {tasks} running task(s) ({said}). {lost} s of work lost."
-- remedy = "Keep workers where they are: annotations cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\" and karpenter.sh/do-not-disrupt: \"true\" in workers.podAnnotations, workers.podDisruptionBudget, a priorityClassName, on-demand nodes; or let them finish: workers.terminationGracePeriodSeconds above the longest task (and the evictor's own limit: --max-graceful-termination-sec, terminationGracePeriod of the NodePool, kubectl drain --grace-period)."
-- variants.drain = "A drain of its node"
-- variants.cluster_autoscaler = "The cluster autoscaler"
-- variants.karpenter = "Karpenter"
-- variants.descheduler = "The descheduler"
-- variants.eviction = "The eviction API"
-- variants.preemption = "Preemption by pods of higher priority"
-- variants.taint = "A NoExecute taint"
-- variants.kubelet = "The kubelet, short of node resources,"
-- [text.zh]
-- name = "驱逐终止任务"
-- title = "{by}带走了 {target} 的 {pods} 个 worker Pod，其上有 {killed} 个运行中的任务"
-- detail = "没有自动伸缩要求减少 worker：节点 {node} 上的 {pod} 被带走时有 {tasks} 个任务在运行（{said}）。损失 {lost} 秒的工作。"
-- remedy = "让 worker 留在原处：在 workers.podAnnotations 中设置 cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\" 与 karpenter.sh/do-not-disrupt: \"true\"，启用 workers.podDisruptionBudget，设置 priorityClassName，使用按需节点；或让其跑完：workers.terminationGracePeriodSeconds 大于最长任务（以及驱逐方自身的上限：--max-graceful-termination-sec、NodePool 的 terminationGracePeriod、kubectl drain --grace-period）。"
-- variants.drain = "节点排空"
-- variants.cluster_autoscaler = "cluster autoscaler "
-- variants.karpenter = "Karpenter "
-- variants.descheduler = "descheduler "
-- variants.eviction = "驱逐 API "
-- variants.preemption = "更高优先级 Pod 的抢占"
-- variants.taint = "NoExecute 污点"
-- variants.kubelet = "节点资源不足，kubelet "
-- ---
WITH mine AS (
    FROM kills WHERE taken_by IN ('drain', 'cluster_autoscaler', 'karpenter', 'descheduler', 'eviction', 'preemption', 'taint', 'kubelet')
        AND stopping_at >= $start::TIMESTAMP AND stopping_at <= $end::TIMESTAMP
),
per_pod AS (
    SELECT target, taken_by, namespace || '/' || pod AS key, pod, any_value(node) AS node, stopping_at, any_value(tasks) AS tasks,
        any_value(proof_table) AS proof_table, any_value(proof_ts) AS proof_ts, any_value(proof_key) AS proof_key, any_value(proof_text) AS said,
        count(*) AS n, sum(lost_seconds) AS lost, max(ended_at) AS last_at, min(ended_at) AS first_at,
        arg_min(dag_id || '/' || run_id || '/' || task_id, ended_at) AS example, arg_min(last_state, ended_at) AS state
    FROM mine GROUP BY target, taken_by, namespace, pod, stopping_at
)
SELECT min(stopping_at) AS started_at, max(last_at) AS ended_at, target, taken_by AS subject,
    {'target': target, 'by': taken_by, 'pods': count(*), 'killed': sum(n), 'pod': arg_min(pod, stopping_at), 'node': coalesce(arg_min(node, stopping_at), '?'),
     'tasks': arg_min(tasks, stopping_at), 'said': arg_min(said, stopping_at), 'lost': CAST(round(sum(lost)) AS BIGINT)} AS params,
    CASE WHEN bool_or(proof_table <> 'nodes') THEN 0.95 ELSE 0.85 END AS confidence,
    list({'table': proof_table, 'ts': proof_ts, 'key': proof_key, 'text': said} ORDER BY stopping_at, pod)[1:3]
    || list({'table': 'pods', 'ts': stopping_at, 'key': key, 'text': 'taken with ' || tasks || ' running task(s)'} ORDER BY stopping_at, pod)[1:2]
    || list({'table': 'task_instances', 'ts': first_at, 'key': example, 'text': 'state ' || state || ' after its worker ' || pod || ' was taken'} ORDER BY first_at, pod)[1:2] AS evidence,
    sum(lost) AS lost_task_seconds
FROM per_pod GROUP BY target, taken_by
