-- ---
-- id = "metrics_apiserver_overloaded"
-- stage = "metric"
-- holds = ["metric", "decide"]
-- binds = "target"
-- component = "keda-metrics-apiserver"
-- severity = "high"
-- needs = ["task_instances", "scaledobjects", "hpas"]
-- uses = ["events", "apiservices", "workloads"]
-- explains = ["external_metric_timeout", "metric_unavailable", "replicas_below_demand", "tasks_waiting"]
-- [text.en]
-- title = "The HPA of {target} was turned away for {seconds} s: too many requests on the way to its metric"
-- detail = "{reports} answer(s) on record say: {message}. {hpas} HPA(s) on external metrics and {objects} ScaledObject(s) are recorded; each asks every 15 s, and each answer runs the trigger's SQL."
-- remedy = "Give keda-operator-metrics-apiserver more CPU and replicas (resources.metricServer, metricsServer.replicaCount in the KEDA chart), raise --kube-api-qps and --kube-api-burst of both, set useCachedMetrics on triggers; if the API server itself turns requests away, look at its FlowSchemas (kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels)."
-- [text.zh]
-- name = "指标服务过载"
-- title = "{target} 的 HPA 有 {seconds} 秒被拒绝：获取指标的路径上请求过多"
-- detail = "记录到 {reports} 次这样的应答：{message}。记录中有 {hpas} 个使用外部指标的 HPA 和 {objects} 个 ScaledObject；每个每 15 秒请求一次，每次应答都会执行触发器的 SQL。"
-- remedy = "给 keda-operator-metrics-apiserver 更多 CPU 和副本（KEDA chart 的 resources.metricServer、metricsServer.replicaCount），提高两者的 --kube-api-qps 与 --kube-api-burst，为触发器设置 useCachedMetrics；如果是 API server 自身拒绝，检查其 FlowSchema（kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels）。"
-- ---
-- 429 is an answer, so it is no timeout. A kube client that waits for its own rate limiter says so in the nested text.
WITH told AS (
    SELECT *, list_filter(messages, lambda m: regexp_matches(m, 'received too many requests|[Tt]oo many requests|client rate limiter Wait|client-side throttling')) AS refused FROM metric_trouble
)
SELECT t.from_at AS started_at, t.to_at AS ended_at, t.target, t.target AS subject,
    {'target': t.target, 'seconds': date_diff('second', t.from_at, t.to_at), 'reports': t.reports, 'message': right(t.refused[1], 160),
     'hpas': (SELECT count(DISTINCT uid) FROM hpas WHERE owner_kind = 'ScaledObject' AND change <> 'DELETED'), 'objects': (SELECT count(DISTINCT uid) FROM scaledobjects WHERE change <> 'DELETED')} AS params,
    0.85 AS confidence, t.evidence[1:4] AS evidence
FROM told t
-- most of what was said in this span is about it
WHERE len(t.refused) > 0 AND 2 * len(t.refused) >= len(t.messages)
