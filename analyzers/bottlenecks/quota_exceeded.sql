-- ---
-- id = "quota_exceeded"
-- stage = "create"
-- binds = "target"
-- component = "quota"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "workloads"]
-- uses = ["events", "quotas", "pods"]
-- explains = ["replicas_below_demand", "tasks_waiting"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "The API server refuses worker pods of {target}: {kind}"
-- detail = "Replicas were asked for, the pods were never created: {message}"
-- remedy = "{fix}"
-- variants.quota = "Raise {kind} or lower the workers' requests; {missing} pod(s) were missing at most. maxReplicaCount x requests must fit into the quota."
-- variants.admission = "Make the pods of the workers what the policy asks for, or repair the webhook, PodSecurity label or service account that refuses them; {missing} pod(s) were missing at most. It refuses each new pod, also those that replace others."
-- [text.zh]
-- name = "配额已满"
-- title = "API Server 拒绝创建 {target} 的 worker Pod：{kind}"
-- detail = "副本已被请求，但 Pod 没有创建出来：{message}"
-- remedy = "{fix}"
-- variants.quota = "提高 {kind} 或降低 worker 的资源请求；最多缺少 {missing} 个 Pod。maxReplicaCount × 资源请求必须在配额之内。"
-- variants.admission = "让 worker 的 Pod 符合策略要求，或修复拒绝它们的 webhook、PodSecurity 标签或服务账号；最多缺少 {missing} 个 Pod。它会拒绝每个新 Pod，包括用于替换的 Pod。"
-- ---
WITH families AS (
    SELECT t.target, t.namespace, rs.uid FROM targets t JOIN workloads rs ON rs.owner_uid = t.workload_uid
    UNION SELECT target, namespace, workload_uid FROM targets
),
refusals AS (
    SELECT f.target, 'events' AS source, e.ts AS moment, greatest(coalesce(e.first_ts, e.ts), $start::TIMESTAMP) AS first_at, e.object_namespace || '/' || e.object_name AS key, e.message
    FROM events e JOIN families f ON f.uid = e.object_uid
    WHERE e.reason = 'FailedCreate' AND e.ts >= $start::TIMESTAMP
    UNION ALL
    SELECT f.target, 'workloads', w.seen_at, w.seen_at, w.namespace || '/' || w.name, w.failure_message
    FROM workloads w JOIN families f ON f.uid = w.uid
    WHERE w.failure_reason = 'FailedCreate' AND w.change <> 'DELETED'
),
quota AS (
    SELECT * FROM refusals
    WHERE regexp_matches(message, 'exceeded quota|failed quota|insufficient quota|maximum (cpu|memory)|minimum (cpu|memory)|LimitRange|limit to request ratio')
        -- whoever else refuses at admission: webhooks, PodSecurity, SecurityContextConstraints, a missing service account
        OR regexp_matches(message, 'is forbidden: |denied the request|failed calling webhook')
),
-- short of pods: spec above status, from the first refusal on, until they agree again
short AS (
    SELECT r.target, r.moment, r.desired, r.current, lead(r.moment, 1, $end::TIMESTAMP) OVER (PARTITION BY r.target ORDER BY r.moment) AS until
    FROM replicas r
),
bounds AS (SELECT target, min(first_at) AS from_at, max(moment) AS last_at FROM quota GROUP BY target),
missing AS (
    SELECT b.target, b.from_at, max(s.until) AS to_at, max(s.desired - s.current) AS pods
    FROM bounds b JOIN short s ON s.target = b.target AND s.desired > s.current AND s.until > b.from_at GROUP BY ALL
)
SELECT m.from_at AS started_at, m.to_at AS ended_at, m.target, m.target AS subject,
    {'target': m.target, 'missing': m.pods, 'message': arg_min(q.message, q.moment),
     'kind': coalesce(nullif('ResourceQuota ' || regexp_extract(arg_min(q.message, q.moment), '(?:exceeded|failed) quota: ([^,:]+)', 1), 'ResourceQuota '), nullif('admission webhook ' || regexp_extract(arg_min(q.message, q.moment), '(?:admission|calling) webhook "?([^" ]+)', 1), 'admission webhook '),
         CASE WHEN regexp_matches(arg_min(q.message, q.moment), 'violates PodSecurity') THEN 'PodSecurity' WHEN regexp_matches(arg_min(q.message, q.moment), 'security context constraint') THEN 'SecurityContextConstraints'
             WHEN regexp_matches(arg_min(q.message, q.moment), 'service ?account') THEN 'service account' ELSE 'LimitRange' END),
     'fix': CASE WHEN bool_or(regexp_matches(q.message, 'quota|maximum (cpu|memory)|minimum (cpu|memory)|LimitRange|limit to request ratio')) THEN 'quota' ELSE 'admission' END} AS params,
    0.97 AS confidence,
    list({'table': q.source, 'ts': q.moment, 'key': q.key, 'text': 'FailedCreate: ' || q.message} ORDER BY q.source, q.moment)[1:3] AS evidence
FROM missing m JOIN quota q ON q.target = m.target
GROUP BY m.target, m.from_at, m.to_at, m.pods
