-- ---
-- id = "granted_quota"
-- group = "alibi"
-- component = "quota"
-- needs = ["scaledobjects", "workloads", "pods", "events"]
-- [text.en]
-- because = "{said}"
-- variants.one = "the only pod that was asked for was admitted"
-- variants.all = "all {pods} pods that were asked for were admitted"
-- [text.zh]
-- because = "{said}"
-- variants.one = "请求的唯一一个 Pod 获准创建"
-- variants.all = "请求的 {pods} 个 Pod 全部获准创建"
-- ---
SELECT p.target, {'pods': count(*), 'said': CASE WHEN count(*) = 1 THEN 'one' ELSE 'all' END} AS params,
    list({'table': 'pods', 'ts': p.created_at, 'key': p.namespace || '/' || p.name, 'text': 'created'} ORDER BY p.created_at)[1:2] AS evidence
FROM worker_pods p
WHERE NOT EXISTS (
    SELECT 1 FROM events e JOIN targets t ON t.target = p.target AND e.object_namespace = t.namespace
    WHERE e.reason = 'FailedCreate' AND starts_with(e.object_name, t.workload_name))
GROUP BY p.target
