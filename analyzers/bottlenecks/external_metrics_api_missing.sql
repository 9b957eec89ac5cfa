-- ---
-- id = "external_metrics_api_missing"
-- stage = "metric"
-- holds = ["metric", "decide"]
-- binds = "target"
-- component = "aggregation"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "hpas"]
-- uses = ["events", "apiservices", "workloads"]
-- explains = ["metric_unavailable", "replicas_below_demand", "tasks_waiting"]
-- [text.en]
-- title = "Nobody serves the external metrics API that the HPA of {target} asks"
-- detail = "The API server knows no such resource ({reports} report(s)): {message}. KEDA still activates from zero, and the HPA never goes further."
-- remedy = "Restore APIService v1beta1.external.metrics.k8s.io with spec.service keda-operator-metrics-apiserver in KEDA's namespace (reinstall the KEDA chart); only one provider of external metrics may own it (Datadog, prometheus-adapter)."
-- [text.zh]
-- name = "外部指标 API 缺失"
-- title = "没有组件提供 {target} 的 HPA 所请求的外部指标 API"
-- detail = "API server 不认识该资源（报告 {reports} 次）：{message}。KEDA 仍会从零激活，但 HPA 无法继续扩容。"
-- remedy = "恢复 APIService v1beta1.external.metrics.k8s.io，其 spec.service 应为 KEDA 命名空间中的 keda-operator-metrics-apiserver（重新安装 KEDA chart）；外部指标只能有一个提供者（Datadog、prometheus-adapter）。"
-- ---
-- An APIService that exists and does not answer is external_metric_timeout.
SELECT m.from_at AS started_at, m.to_at AS ended_at, m.target, m.target AS subject,
    {'target': m.target, 'reports': m.reports, 'message': m.first_message} AS params, 0.95 AS confidence,
    m.evidence || coalesce((SELECT list({'table': 'apiservices', 'ts': a.ts, 'key': a.name, 'text': a.change || ' service ' || coalesce(a.service_namespace || '/' || a.service_name, '-')} ORDER BY a.seen_at DESC)[1:2]
        FROM apiservices a WHERE a.name LIKE '%external.metrics.k8s.io' AND a.seen_at <= m.to_at), []) AS evidence
FROM metric_trouble m
WHERE regexp_matches(array_to_string(m.messages, ' '), 'external metrics API: the server could not find the requested resource|no matches for kind .*external\.metrics|no kind .* registered .*external\.metrics')
