-- ---
-- id = "node_scale_up_slow"
-- stage = "place"
-- binds = "target"
-- component = "nodes"
-- severity = "medium"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods", "events"]
-- uses = ["nodes"]
-- explains = ["pods_unschedulable", "statefulset_blocked", "pods_not_ready", "replicas_below_demand", "tasks_waiting"]
-- params.end = "1970-01-01"
-- params.min_s = 30
-- [text.en]
-- title = "{pods} worker pod(s) of {target} waited {seconds} s for a new node"
-- detail = "They fitted on no node, the autoscaler ordered one ({message}), and it took that long until it could be used; {missing} pod(s) still wait."
-- remedy = "Keep room: pause pods of a low priority (overprovisioning) for one worker's size, a higher minimum of the node group, minReplicaCount 1; or make nodes quicker (smaller image, pre-baked daemons, Karpenter, warm pools)."
-- [text.zh]
-- name = "节点扩容慢"
-- title = "{target} 的 {pods} 个 worker Pod 等待新节点 {seconds} 秒"
-- detail = "现有节点都放不下，自动伸缩器申请了节点（{message}），但过了这么久才可用；仍有 {missing} 个 Pod 在等待。"
-- remedy = "预留空间：用低优先级的占位 Pod（overprovisioning）预留一个 worker 的大小，提高节点组下限，minReplicaCount 1；或加快节点启动（更小的镜像、预置守护进程、Karpenter、warm pool）。"
-- ---
WITH ordered AS (
    SELECT *, list_filter(words, lambda w: w.said = 'coming') AS orders, list_filter(words, lambda w: w.said = 'refused') AS refusals FROM unplaced_pods
),
-- a refusal after the order is node_scale_up_blocked from then on, one before it until then
spans AS (
    SELECT *, CASE WHEN len(list_filter(refusals, lambda w: w.ts < orders[1].ts)) > 0 THEN orders[1].ts ELSE from_at END AS begin_at,
        least(to_at, coalesce(list_min(list_transform(list_filter(refusals, lambda w: w.ts > orders[1].ts), lambda w: w.ts)), to_at)) AS end_at
    FROM ordered WHERE len(orders) > 0
),
kept AS (SELECT * FROM spans WHERE end_at > begin_at + to_seconds($min_s))
SELECT min(begin_at) AS started_at, max(end_at) AS ended_at, target, target AS subject,
    {'target': target, 'pods': count(*), 'seconds': CAST(round(median(date_diff('millisecond', begin_at, end_at) / 1000.0)) AS BIGINT), 'missing': count(*) FILTER (WHERE NOT placed), 'message': arg_min(orders[1].message, orders[1].ts)} AS params,
    0.93 AS confidence,
    list({'table': 'events', 'ts': orders[1].ts, 'key': orders[1].key, 'text': orders[1].reason || ': ' || orders[1].message} ORDER BY orders[1].ts)[1:3]
    || list({'table': 'pods', 'ts': from_at, 'key': namespace || '/' || name, 'text': 'Unschedulable for ' || round(date_diff('millisecond', from_at, to_at) / 1000.0) || ' s'} ORDER BY from_at)[1:2] AS evidence
FROM kept GROUP BY target
