-- ---
-- id = "trigger_query_error"
-- stage = "trigger"
-- holds = ["trigger", "metric", "decide"]
-- binds = "target"
-- component = "trigger"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "events"]
-- uses = ["log_lines"]
-- explains = ["metric_unavailable", "replicas_below_demand", "tasks_waiting", "metric_zero_with_demand"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "The trigger query of {target} fails: SQLSTATE {code}"
-- detail = "The database was reached and refused the statement: {message}. KEDA never scales on an error, up or down."
-- remedy = "Repair the query of the ScaledObject (workers.keda.query): run it in psql or mysql against the metadata DB; after an Airflow upgrade compare its columns with the new schema."
-- [text.zh]
-- name = "触发器查询出错"
-- title = "{target} 的触发器查询出错：SQLSTATE {code}"
-- detail = "数据库可以连接，但拒绝了该语句：{message}。出错时 KEDA 既不扩容也不缩容。"
-- remedy = "修正 ScaledObject 的查询（workers.keda.query）：在 psql 或 mysql 中对元数据库执行它；升级 Airflow 之后，核对查询中的列与新的表结构。"
-- ---
-- Classes 42 (syntax, names, types) and 22 (data) say that the statement is at fault; 28 and 08 would be the login and
-- the connection. MySQL: 1054, 1064, 1146, 1305. What was said before the recording counts where its state holds still.
WITH broken AS (
    SELECT t.target FROM scaledobjects s JOIN targets t ON t.scaledobject_uid = s.uid WHERE s.change <> 'DELETED'
    GROUP BY t.target HAVING coalesce(arg_min(s.ready_reason, s.seen_at), '') IN ('TriggerError', 'PartialTriggerError')
),
said AS (
    SELECT t.target, greatest(coalesce(e.first_ts, e.ts), $start::TIMESTAMP) AS from_at, e.ts, e.object_namespace || '/' || e.object_name AS key, e.message,
        coalesce(nullif(regexp_extract(e.message, 'SQLSTATE ((?:42|22)[0-9A-Z]{3})', 1), ''), nullif(regexp_extract(e.message, 'Error (10(?:54|64)|1146|1305)', 1), '')) AS code
    FROM events e JOIN targets t ON e.object_namespace = t.namespace AND e.object_name = t.name
    WHERE e.reason IN ('KEDAScalerFailed', 'KEDAMetricSourceFailed') AND (e.ts >= $start::TIMESTAMP OR t.target IN (FROM broken))
),
healthy AS (
    SELECT t.target, s.seen_at AS moment FROM scaledobjects s JOIN targets t ON t.scaledobject_uid = s.uid
    WHERE s.ready_status = 'True' AND s.active_status = 'True'
),
spans AS (
    SELECT s.target, min(s.from_at) AS from_at, min(s.ts) AS ts, arg_min(s.key, s.ts) AS key, arg_min(s.message, s.ts) AS message, arg_min(s.code, s.ts) AS code
    FROM said s WHERE s.code IS NOT NULL GROUP BY s.target
)
SELECT s.from_at AS started_at, coalesce((SELECT min(h.moment) FROM healthy h WHERE h.target = s.target AND h.moment > s.ts), $end::TIMESTAMP) AS ended_at,
    s.target, s.target AS subject, {'target': s.target, 'code': s.code, 'message': s.message} AS params, 0.97 AS confidence,
    [{'table': 'events', 'ts': s.ts, 'key': s.key, 'text': s.message}]
    || (SELECT list({'table': 'scaledobjects', 'ts': o.ts, 'key': s.target, 'text': 'Ready=' || o.ready_status || ' ' || o.ready_reason} ORDER BY o.seen_at)[1:1]
        FROM scaledobjects o JOIN targets t ON t.scaledobject_uid = o.uid WHERE t.target = s.target AND o.ready_reason IN ('TriggerError', 'PartialTriggerError')) AS evidence
FROM spans s
