-- ---
-- id = "roomy_settings"
-- group = "alibi"
-- component = "autoscaler-settings"
-- needs = ["scaledobjects", "workloads"]
-- [text.en]
-- because = "spec.replicas reached {reached} of maxReplicaCount {max}"
-- [text.zh]
-- because = "spec.replicas 最高 {reached}，maxReplicaCount 为 {max}"
-- ---
SELECT t.target, {'reached': max(r.desired), 'max': t.max_replica_count} AS params,
    [{'table': 'workloads', 'ts': arg_max(r.ts, r.desired), 'key': any_value(r.key), 'text': 'spec.replicas = ' || max(r.desired) || ', the most on record'}] AS evidence
FROM targets t JOIN replicas r ON r.target = t.target
GROUP BY t.target, t.max_replica_count HAVING max(r.desired) < t.max_replica_count
