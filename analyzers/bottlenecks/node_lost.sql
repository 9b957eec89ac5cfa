-- ---
-- id = "node_lost"
-- stage = "create"
-- binds = "target"
-- component = "nodes"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["nodes", "events", "log_lines"]
-- explains = ["eviction_kills_tasks", "scale_down_kills_tasks", "statefulset_blocked", "zombie_tasks", "tasks_killed", "message_lost", "pods_not_ready", "probe_failures", "worker_disconnected", "tasks_waiting"]
-- params.end = "1970-01-01"
-- params.found_s = 400
-- [text.en]
-- title = "Node {node} was lost with {pods} worker(s) of {target}"
-- detail = "{said}. Nothing on these pods gave a sign of life afterwards; Kubernetes still counts them as replicas until they are deleted, so no other worker takes their place. {died} running attempt(s) were lost ({lost} s of work)."
-- remedy = "Find out what became of the node (kubectl describe node {node}; spot reclaim, kernel, kubelet, network). Let workers leave a dead node sooner: tolerationSeconds for node.kubernetes.io/unreachable and not-ready (300 s by default) in workers.tolerations; a node termination handler for spot nodes; workers.affinity to spread them."
-- [text.zh]
-- name = "节点丢失"
-- title = "节点 {node} 丢失，{target} 的 {pods} 个 worker 随之失联"
-- detail = "{said}。此后这些 Pod 上再无任何活动迹象；在它们被删除之前，Kubernetes 仍把它们算作副本，因此没有 worker 来替代。损失 {died} 个运行中的任务尝试（{lost} 秒的工作）。"
-- remedy = "查明节点发生了什么（kubectl describe node {node}；竞价实例回收、内核、kubelet、网络）。让 worker 更快离开失效节点：在 workers.tolerations 中为 node.kubernetes.io/unreachable 和 not-ready 设置 tolerationSeconds（默认 300 秒）；竞价节点使用节点终止处理器；用 workers.affinity 打散。"
-- ---
-- 400 s: the 40 s until the node counts as lost, and the sweep that finds zombies after the heartbeat timeout (300 s).
WITH lost AS (
    SELECT u.*, w.created_at, w.stopping_at, w.gone_at, t.workload_kind,
        CASE WHEN t.workload_kind = 'StatefulSet' THEN u.to_at ELSE greatest(u.from_at, least(u.to_at, coalesce(w.stopping_at, u.to_at))) END AS replaced_at
    FROM outages u JOIN worker_pods w ON w.uid = u.uid JOIN targets t ON t.target = u.target
    WHERE u.kind = 'node'
),
dead AS (
    SELECT a.*, l.from_at, greatest(0, date_diff('millisecond', a.running_at, l.from_at) / 1000.0) AS lost_s
    FROM lost l JOIN task_pods a ON a.uid = l.uid AND a.running_at <= l.ts
    WHERE (a.last_state IN ('failed', 'up_for_retry') AND coalesce(a.ended_at, a.failed_seen_at) BETWEEN l.from_at AND l.ts + to_seconds($found_s))
        OR (a.last_state IN ('running', 'none', 'scheduled', 'queued') AND a.ended_at IS NULL AND (l.stopping_at IS NOT NULL OR l.gone_at IS NOT NULL))
    QUALIFY row_number() OVER (PARTITION BY a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt ORDER BY l.from_at) = 1
),
per_pod AS (
    SELECT uid, from_at, count(*) AS n, sum(lost_s) AS seconds, arg_min(dag_id || '/' || run_id || '/' || task_id, running_at) AS example,
        arg_min(last_state, running_at) AS state, arg_min(coalesce(ended_at, failed_seen_at, running_at), running_at) AS ts
    FROM dead GROUP BY uid, from_at
),
total AS (
    SELECT l.target, l.node, count(DISTINCT l.uid) AS pods, coalesce(sum(p.n), 0) AS died, coalesce(sum(p.seconds), 0) AS lost
    FROM lost l LEFT JOIN per_pod p ON p.uid = l.uid AND p.from_at = l.from_at GROUP BY l.target, l.node
)
SELECT l.from_at AS started_at, l.replaced_at AS ended_at, l.target, coalesce(l.node, l.name) AS subject,
    {'target': l.target, 'node': coalesce(l.node, '?'), 'pods': t.pods, 'died': t.died, 'lost': CAST(round(t.lost) AS BIGINT), 'said': l.text} AS params,
    0.93 AS confidence,
    [{'table': l.source, 'ts': l.ts, 'key': l.key, 'text': l.text}]
    || CASE WHEN p.n IS NULL THEN [] ELSE [{'table': 'task_instances', 'ts': p.ts, 'key': p.example, 'text': 'state ' || p.state || ' on ' || l.name}] END AS evidence,
    coalesce(p.seconds, 0) AS lost_task_seconds
FROM lost l JOIN total t ON t.target = l.target AND t.node IS NOT DISTINCT FROM l.node LEFT JOIN per_pod p ON p.uid = l.uid AND p.from_at = l.from_at
