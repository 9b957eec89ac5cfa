-- ---
-- id = "trigger_auth_failure"
-- stage = "trigger"
-- holds = ["trigger", "metric", "decide"]
-- binds = "target"
-- component = "trigger"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects"]
-- uses = ["events", "hpas", "log_lines", "workloads"]
-- explains = ["metric_unavailable", "replicas_below_demand", "tasks_waiting", "fallback_active", "external_metric_timeout", "scaledobject_not_ready", "metric_zero_with_demand"]
-- params.kind = "auth"
-- [text.en]
-- title = "The trigger of {target} cannot log in to its database"
-- detail = "KEDA reported {reports} time(s) that the login was refused or its credentials are missing ({code}): {message}. KEDA never scales on an error, up or down."
-- remedy = "Repair the trigger's connection: the Secret and key behind triggers[].metadata.connectionFromEnv (KEDA_DB_CONN, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN of the worker) or authenticationRef; in the chart data.metadataSecretName or data.metadataConnection. After a rotation restart the workers' template so that both carry the new password."
-- [text.zh]
-- name = "触发器登录失败"
-- title = "{target} 的触发器无法登录数据库"
-- detail = "KEDA 报告了 {reports} 次登录被拒绝或缺少凭据（{code}）：{message}。出错时 KEDA 既不扩容也不缩容。"
-- remedy = "修正触发器的连接：triggers[].metadata.connectionFromEnv（worker 的 KEDA_DB_CONN、AIRFLOW__DATABASE__SQL_ALCHEMY_CONN）或 authenticationRef 所引用的 Secret 及其键；在 chart 中为 data.metadataSecretName 或 data.metadataConnection。轮换密码后，确认 worker 模板引用的 Secret 也已更新。"
-- ---
SELECT f.from_at AS started_at, f.to_at AS ended_at, f.target, f.target AS subject,
    {'target': f.target, 'reports': f.reports, 'code': f.code, 'message': f.message} AS params, 0.97 AS confidence, f.evidence
FROM trigger_failures f
WHERE f.kind = $kind
