-- ---
-- id = "event_evidence"
-- group = "log"
-- stage = "unknown"
-- component = "worker"
-- severity = "medium"
-- needs = ["events"]
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{what}: {events} event(s) of {who} say so"
-- detail = "From {from} to {to}. First: {text}. How many tasks waited for it, and whether it was what they waited for, only the tables of Airflow tell."
-- remedy = "Record or import the metadata DB for the same time, then analyze again; the page of this cause says what to change."
-- [text.en.variants]
-- quota_exceeded = "A quota refuses pods"
-- pods_unschedulable = "Pods find no node"
-- external_metric_timeout = "The HPA asked for its metric and got no answer in time"
-- external_metrics_api_missing = "The external metrics API was not there"
-- [text.zh]
-- title = "{what}：{who} 的 {events} 个事件如此显示"
-- detail = "从 {from} 到 {to}。最早一条：{text}。有多少任务因此等待、等的是否就是它，只有 Airflow 的表能说明。"
-- remedy = "记录或导入同一时间的元数据库，再重新分析；该原因的文档页说明如何处理。"
-- [text.zh.variants]
-- quota_exceeded = "配额拒绝创建 Pod"
-- pods_unschedulable = "Pod 找不到节点"
-- external_metric_timeout = "HPA 请求指标，未能及时得到应答"
-- external_metrics_api_missing = "外部指标 API 不存在"
-- ---
-- What the API server's events prove by their own words when nobody has the task table. A list holds those of the hour
-- before it was made (--event-ttl), so there is no lower bound: the times are told. Only events about the workers, the
-- HPAs and the pods of a scaled workload count: others of the cluster are not this chain.
WITH names AS (
    SELECT DISTINCT target, namespace, unnest([workload_name, name, hpa_name]) AS name FROM targets
),
told AS (
    SELECT t.target, e.*, CASE
        WHEN e.reason = 'FailedCreate' AND contains(e.message, 'exceeded quota') THEN 'quota_exceeded'
        WHEN e.reason = 'FailedScheduling' THEN 'pods_unschedulable'
        WHEN e.reason IN ('FailedGetExternalMetric', 'FailedComputeMetricsReplicas') AND regexp_matches(e.message, 'no matches for|could not find the requested resource') THEN 'external_metrics_api_missing'
        WHEN e.reason IN ('FailedGetExternalMetric', 'FailedComputeMetricsReplicas') AND regexp_matches(e.message, 'timeout|deadline exceeded|timed out|server is currently unable') THEN 'external_metric_timeout'
    END AS cause
    FROM events e JOIN names t ON t.namespace = e.object_namespace AND (e.object_name = t.name OR starts_with(e.object_name, t.name || '-'))
    WHERE e.change <> 'DELETED' AND e.ts <= $end::TIMESTAMP
)
SELECT cause, min(ts) AS started_at, max(ts) AS ended_at, target, target AS subject,
    {'what': cause, 'events': count(*), 'who': target, 'from': strftime(min(ts), '%H:%M:%S'), 'to': strftime(max(ts), '%H:%M:%S'), 'text': arg_min(message, ts)} AS params,
    0.6 AS confidence,
    list({'table': 'events', 'ts': ts, 'key': object_namespace || '/' || object_name, 'text': reason || ': ' || message} ORDER BY ts)[1:4] AS evidence
FROM told WHERE cause IS NOT NULL GROUP BY cause, target
