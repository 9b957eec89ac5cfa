-- ---
-- id = "pods_not_ready"
-- group = "symptom"
-- stage = "start"
-- component = "workload"
-- severity = "medium"
-- needs = ["scaledobjects", "workloads"]
-- params.end = "1970-01-01"
-- params.min_s = 120
-- [text.en]
-- title = "{missing} of {desired} worker(s) of {target} were asked for and not ready for {seconds} s"
-- detail = "From {from} to {to} the workload never had all the pods that its spec asks for. An ordinary pull and boot take tens of seconds."
-- remedy = "Where they hung (quota, nodes, image, volume, start) is named with this symptom."
-- [text.zh]
-- name = "Pod 未就绪"
-- title = "{target} 请求的 {desired} 个 worker 中有 {missing} 个持续 {seconds} 秒未就绪"
-- detail = "从 {from} 到 {to}，工作负载始终没有达到其 spec 要求的 Pod 数。正常的拉取与启动只需几十秒。"
-- remedy = "卡在哪一步（配额、节点、镜像、存储卷、启动）见此症状旁列出的原因。"
-- ---
WITH sizes AS (
    SELECT target, moment, ts, key, desired, ready, lead(moment, 1, $end::TIMESTAMP) OVER (PARTITION BY target ORDER BY moment) AS until FROM replicas WHERE change <> 'DELETED'
),
spans AS (
    SELECT target, island, min(moment) AS from_at, max(until) AS to_at, arg_max(desired, desired - ready) AS desired, max(desired - ready) AS missing, arg_max(ts, desired - ready) AS ts, any_value(key) AS key, arg_max(ready, desired - ready) AS ready
    FROM (SELECT *, sum(CASE WHEN desired > ready THEN 0 ELSE 1 END) OVER (PARTITION BY target ORDER BY moment) AS island FROM sizes) WHERE desired > ready GROUP BY ALL
)
SELECT from_at AS started_at, to_at AS ended_at, target, target AS subject,
    {'target': target, 'missing': missing, 'desired': desired, 'seconds': CAST(round(date_diff('millisecond', from_at, to_at) / 1000.0) AS BIGINT), 'from': strftime(from_at, '%H:%M:%S'), 'to': strftime(to_at, '%H:%M:%S')} AS params,
    0.95 AS confidence,
    [{'table': 'workloads', 'ts': ts, 'key': key, 'text': 'spec.replicas = ' || desired || ', ready = ' || ready}] AS evidence
FROM spans WHERE to_at >= from_at + to_seconds($min_s)
