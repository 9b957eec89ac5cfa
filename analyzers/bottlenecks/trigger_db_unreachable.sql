-- ---
-- id = "trigger_db_unreachable"
-- stage = "trigger"
-- holds = ["trigger", "metric", "decide"]
-- binds = "target"
-- component = "trigger"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects"]
-- uses = ["events", "hpas", "log_lines", "workloads"]
-- explains = ["metric_unavailable", "replicas_below_demand", "tasks_waiting", "fallback_active", "external_metric_timeout", "scaledobject_not_ready", "metric_zero_with_demand"]
-- params.kind = "unreachable"
-- [text.en]
-- title = "The trigger of {target} cannot reach its database"
-- detail = "KEDA reported {reports} time(s) that no connection came about ({code}): {message}. The login and the query were never looked at. KEDA never scales on an error, and fallback does not help while the scaler cannot be built."
-- remedy = "From the keda-operator's pod: resolve and reach the host and port of the trigger's connection (triggers[].metadata.host or connectionFromEnv; in the chart data.metadataConnection and pgbouncer.enabled). Check NetworkPolicies between KEDA's namespace and the database, DNS names without a namespace, sslmode, and whether the database itself is up."
-- [text.zh]
-- name = "触发器连不上数据库"
-- title = "{target} 的触发器连不上数据库"
-- detail = "KEDA 报告了 {reports} 次无法建立连接（{code}）：{message}。登录和查询都没有进行到。出错时 KEDA 不会伸缩；scaler 无法构建时 fallback 也不起作用。"
-- remedy = "从 keda-operator 的 Pod 中解析并连接触发器的主机和端口（triggers[].metadata.host 或 connectionFromEnv；chart 中为 data.metadataConnection 和 pgbouncer.enabled）。检查 KEDA 命名空间到数据库之间的 NetworkPolicy、不带命名空间的 DNS 名称、sslmode，以及数据库本身是否在运行。"
-- ---
SELECT f.from_at AS started_at, f.to_at AS ended_at, f.target, f.target AS subject,
    {'target': f.target, 'reports': f.reports, 'code': f.code, 'message': f.message} AS params, 0.95 AS confidence, f.evidence
FROM trigger_failures f
WHERE f.kind = $kind
