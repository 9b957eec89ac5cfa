-- ---
-- id = "statefulset_blocked"
-- stage = "create"
-- binds = "target"
-- component = "workload"
-- severity = "high"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["events", "nodes", "log_lines"]
-- explains = ["replicas_below_demand", "pods_not_ready", "tasks_waiting"]
-- params.end = "1970-01-01"
-- params.terminating_s = 15
-- params.ordered_s = 60
-- [text.en]
-- title = "The StatefulSet of {target} cannot create up to {missing} worker(s): {why}"
-- detail = "{asked} replicas were asked for. {rule} It was blocked for {seconds} s."
-- remedy = "Use Deployments for the workers (workers.persistence.enabled=false, with remote logging), or podManagementPolicy: Parallel (workers.podManagementPolicy; the StatefulSet must be created anew); a shorter workers.terminationGracePeriodSeconds frees names sooner but kills longer tasks."
-- [text.en.variants]
-- terminating = "{pod} is still terminating"
-- unready = "{pod} is not ready yet"
-- replaced = "A pod that terminates keeps its name, so nothing takes its place until its last task is over or its grace period ends."
-- ordered = "With podManagementPolicy OrderedReady each pod waits until the one before it is ready."
-- [text.zh]
-- name = "StatefulSet 阻塞"
-- title = "{target} 的 StatefulSet 最多有 {missing} 个 worker 无法创建：{why}"
-- detail = "已请求 {asked} 个副本。{rule} 阻塞持续 {seconds} 秒。"
-- remedy = "worker 改用 Deployment（workers.persistence.enabled=false，配合远程日志），或使用 podManagementPolicy: Parallel（workers.podManagementPolicy；需要重建 StatefulSet）；缩短 workers.terminationGracePeriodSeconds 能更快释放名称，但会杀死更长的任务。"
-- [text.zh.variants]
-- terminating = "{pod} 仍在终止中"
-- unready = "{pod} 尚未就绪"
-- replaced = "正在终止的 Pod 占着自己的名称，在最后一个任务结束或宽限期到期之前不会有替代者。"
-- ordered = "podManagementPolicy 为 OrderedReady 时，每个 Pod 都要等前一个就绪。"
-- ---
-- Names are given again only when their pod is gone, under any policy. The order of creation matters only with
-- OrderedReady, and a minute of it is an ordinary boot or two.
WITH sets AS (SELECT target, pod_management_policy = 'OrderedReady' AS ordered FROM targets WHERE workload_kind = 'StatefulSet'),
ordinals AS (
    SELECT w.*, s.ordered, try_cast(regexp_extract(w.name, '-(\d+)$', 1) AS INTEGER) AS ordinal,
        least(coalesce(w.gone_at, $end::TIMESTAMP), $end::TIMESTAMP) AS left_at
    FROM worker_pods w JOIN sets s ON s.target = w.target
),
asked AS (
    SELECT target, moment, desired, key, lead(moment, 1, $end::TIMESTAMP) OVER (PARTITION BY target ORDER BY moment) AS until
    FROM replicas WHERE change <> 'DELETED' AND desired IS NOT NULL
),
unready AS (
    SELECT *, created_at AS from_at, coalesce(ready_at, left_at) AS to_at FROM ordinals WHERE ordered
    UNION ALL
    SELECT o.*, u.from_at, u.to_at FROM ordinals o JOIN outages u ON u.uid = o.uid AND u.kind = 'restart' WHERE o.ordered
),
blockers AS (
    -- its name is asked for, but it is still on its way out (on a lost node that is the node's fault)
    SELECT o.target, o.name, o.namespace, o.ordinal, 'terminating' AS why, o.stopping_at AS ts, greatest(o.stopping_at, a.moment) AS from_at, least(o.left_at, a.until) AS to_at,
        a.desired, CASE WHEN o.ordered THEN a.desired - o.ordinal ELSE 1 END AS missing
    FROM ordinals o JOIN asked a ON a.target = o.target AND a.desired > o.ordinal AND a.moment < o.left_at AND a.until > o.stopping_at
    WHERE NOT EXISTS (FROM outages u WHERE u.uid = o.uid AND u.kind = 'node')
    UNION ALL
    -- the next one is asked for and not there, because this one is not ready
    SELECT o.target, o.name, o.namespace, o.ordinal, 'unready', o.from_at, greatest(o.from_at, a.moment), least(o.to_at, coalesce(o.stopping_at, o.left_at), o.left_at, a.until),
        a.desired, a.desired - o.ordinal - 1
    FROM unready o JOIN asked a ON a.target = o.target AND a.desired > o.ordinal + 1 AND a.until > o.from_at
    WHERE a.moment < o.to_at AND NOT EXISTS (
        FROM ordinals n WHERE n.target = o.target AND n.ordinal = o.ordinal + 1 AND n.created_at <= greatest(o.from_at, a.moment) AND n.left_at > greatest(o.from_at, a.moment))
),
joined AS (
    SELECT *, sum(opens) OVER (PARTITION BY target, why ORDER BY from_at, to_at ROWS UNBOUNDED PRECEDING) AS island
    FROM (
        SELECT *, CASE WHEN from_at <= max(to_at) OVER (PARTITION BY target, why ORDER BY from_at, to_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) + INTERVAL 5 SECOND THEN 0 ELSE 1 END AS opens
        FROM blockers WHERE to_at > from_at
    )
),
spans AS (
    SELECT target, why, min(from_at) AS from_at, max(to_at) AS to_at, max(missing) AS missing, max(desired) AS asked, date_diff('millisecond', min(from_at), max(to_at)) / 1000.0 AS seconds,
        arg_max(name, to_at - from_at) AS pod,
        list({'table': 'pods', 'ts': ts, 'key': namespace || '/' || name, 'text': CASE WHEN why = 'terminating' THEN 'told to stop, gone only at ' ELSE 'not ready until ' END || strftime(to_at, '%H:%M:%S')} ORDER BY from_at)[1:4] AS evidence
    FROM joined GROUP BY target, why, island
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, s.target, s.target AS subject,
    {'target': s.target, 'pod': s.pod, 'why': s.why, 'rule': CASE s.why WHEN 'terminating' THEN 'replaced' ELSE 'ordered' END, 'missing': s.missing, 'asked': s.asked, 'seconds': CAST(round(s.seconds) AS BIGINT)} AS params,
    0.93 AS confidence, s.evidence
FROM spans s WHERE s.seconds > CASE s.why WHEN 'terminating' THEN $terminating_s ELSE $ordered_s END
