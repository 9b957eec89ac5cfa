-- ---
-- id = "trigger_query_slow"
-- stage = "trigger"
-- holds = ["trigger", "metric", "decide"]
-- binds = "target"
-- component = "trigger"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "polls"]
-- uses = ["events", "hpas", "log_lines", "workloads"]
-- explains = ["metric_unavailable", "replicas_below_demand", "tasks_waiting", "fallback_active", "external_metric_timeout", "scaledobject_not_ready", "metric_zero_with_demand"]
-- params.kind = "slow"
-- params.slow_ms = 2000
-- [text.en]
-- title = "The trigger query of {target} does not finish in time"
-- detail = "KEDA's own statement was cut off {reports} time(s) ({code}): {message}. Our polls of the same database were answered meanwhile, so it is this statement that is slow or blocked."
-- remedy = "EXPLAIN the query of the ScaledObject (workers.keda.query, workers.celery.keda.query) on the metadata DB and look for locks on task_instance (pg_stat_activity); clean old rows with airflow db clean, VACUUM task_instance; useCachedMetrics: true in the trigger keeps the HPA from asking again."
-- [text.zh]
-- name = "触发器查询过慢"
-- title = "{target} 的触发器查询没有及时完成"
-- detail = "KEDA 自己的语句被中断 {reports} 次（{code}）：{message}。同一时间我们对同一数据库的轮询得到应答，因此是这条语句慢或被阻塞。"
-- remedy = "在元数据库上对 ScaledObject 的查询（workers.keda.query、workers.celery.keda.query）执行 EXPLAIN，检查 task_instance 上的锁（pg_stat_activity）；用 airflow db clean 清理旧数据，对 task_instance 执行 VACUUM；在触发器中设置 useCachedMetrics: true，避免 HPA 重复查询。"
-- ---
SELECT f.from_at AS started_at, f.to_at AS ended_at, f.target, f.target AS subject,
    {'target': f.target, 'reports': f.reports, 'code': f.code, 'message': f.message} AS params, 0.9 AS confidence, f.evidence
FROM trigger_failures f
WHERE f.kind = $kind
    -- a database that answers nobody is db_slow; one whose answers were not recorded proves neither
    AND EXISTS (FROM polls p WHERE p.ts BETWEEN f.from_at AND f.to_at)
    AND NOT EXISTS (FROM polls p WHERE p.ts BETWEEN f.from_at - INTERVAL 60 SECOND AND f.to_at AND (p.outcome <> 'ok' OR p.duration_ms >= $slow_ms))
