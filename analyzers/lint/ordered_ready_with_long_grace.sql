-- ---
-- id = "ordered_ready_with_long_grace"
-- group = "lint"
-- stage = "create"
-- component = "workload"
-- severity = "low"
-- needs = ["scaledobjects", "workloads"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.long_s = 120
-- [text.en]
-- title = "{target} is a StatefulSet that works in order, with a grace period of {grace} s"
-- detail = "podManagementPolicy OrderedReady makes and ends pods one at a time: a worker that drains for up to {grace} s cannot be replaced, and blocks all ordinals behind it, while KEDA asks for more."
-- remedy = "workers.podManagementPolicy: Parallel (the StatefulSet must be made anew), or workers.persistence.enabled=false with remote logs: then it is a Deployment."
-- [text.zh]
-- name = "OrderedReady 与长宽限期"
-- title = "{target} 是按顺序工作的 StatefulSet，宽限期 {grace} 秒"
-- detail = "podManagementPolicy OrderedReady 逐个创建、逐个结束 Pod：一个最多排空 {grace} 秒的 worker 无法被替换，并在 KEDA 要求扩容时挡住其后的所有序号。"
-- remedy = "设置 workers.podManagementPolicy: Parallel（需要重建 StatefulSet），或使用远程日志并设 workers.persistence.enabled=false：这样就是 Deployment。"
-- ---
SELECT $start::TIMESTAMP AS started_at, $end::TIMESTAMP AS ended_at, t.target, t.target AS subject,
    {'target': t.target, 'grace': t.grace_period_s} AS params, 0.95 AS confidence,
    [{'table': 'workloads', 'ts': (SELECT min(r.ts) FROM replicas r WHERE r.target = t.target), 'key': t.namespace || '/' || t.workload_name,
      'text': 'podManagementPolicy ' || coalesce(t.pod_management_policy, 'OrderedReady (the default)') || ', terminationGracePeriodSeconds = ' || t.grace_period_s}] AS evidence
FROM targets t
WHERE t.workload_kind = 'StatefulSet' AND coalesce(t.pod_management_policy, 'OrderedReady') = 'OrderedReady' AND t.grace_period_s >= $long_s AND t.max_replica_count > 1
