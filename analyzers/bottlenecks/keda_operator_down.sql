-- ---
-- id = "keda_operator_down"
-- stage = "trigger"
-- holds = ["trigger", "metric", "decide"]
-- binds = "target"
-- component = "keda-operator"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects"]
-- uses = ["pods", "workloads", "leases", "hpas", "events", "apiservices", "polls"]
-- explains = ["external_metric_timeout", "metric_unavailable", "replicas_below_demand", "tasks_waiting", "metric_zero_with_demand"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.min_s = 10
-- params.leases = 3
-- [text.en]
-- title = "keda-operator was not at work for {seconds} s: nobody scaled {target}"
-- detail = "{why}. In that time it wrote neither lastActiveTime nor a size; nothing is activated from zero, and the HPA gets no metric."
-- remedy = "Look at the keda-operator's Deployment and pods (describe, logs --previous): OOMKilled, image, scale to 0, RBAC of its Lease. Run two (operator.replicaCount: 2 in the KEDA chart) and raise resources.operator.limits."
-- [text.en.variants]
-- why-pod = "no container of its pods ran ({state})"
-- why-lease = "no leader renewed the lease operator.keda.sh"
-- why-silent = "its query counted queued tasks and the target stood at zero, but no poll left a trace, neither a size nor an error; then it went on as if nothing had been"
-- [text.zh]
-- name = "KEDA operator 停止"
-- title = "keda-operator 有 {seconds} 秒没有工作：无人伸缩 {target}"
-- detail = "{why}。在此期间它既没有写 lastActiveTime，也没有写副本数；副本为零时不会激活，HPA 也拿不到指标。"
-- remedy = "检查 keda-operator 的 Deployment 和 Pod（describe、logs --previous）：OOMKilled、镜像、被缩到 0、租约的 RBAC。运行两个副本（KEDA chart 的 operator.replicaCount: 2），并提高 resources.operator.limits。"
-- [text.zh.variants]
-- why-pod = "它的 Pod 中没有容器在运行（{state}）"
-- why-lease = "没有 leader 续约租约 operator.keda.sh"
-- why-silent = "它的查询能数到排队的任务，目标副本数为零，但没有任何一次轮询留下痕迹（既无扩容也无报错）；之后又照常工作"
-- ---
-- A pod that runs and answers nobody is a hung operator: external_metric_timeout tells that, so a lease alone counts
-- only where no request of the HPA went unanswered. At zero workers the HPA asks nothing: there polls that had to
-- activate and did not are the only sign (`silences`).
WITH op_pods AS (
    SELECT *, change <> 'DELETED' AND phase = 'Running' AND coalesce(waiting_reason, '') = '' AS runs,
        lead(seen_at) OVER (PARTITION BY uid ORDER BY seen_at, ts) AS next_at
    FROM pods
    WHERE coalesce(json_extract_string(labels, '$.app'), json_extract_string(labels, '$."app.kubernetes.io/name"'), '') = 'keda-operator'
        OR regexp_matches(name, '^keda-operator-[a-z0-9]+-[a-z0-9]{5}$')
),
op_sets AS (
    SELECT *, lead(seen_at) OVER (PARTITION BY uid ORDER BY seen_at, ts) AS next_at
    FROM workloads WHERE kind = 'Deployment' AND name = 'keda-operator'
),
moments AS (
    SELECT DISTINCT greatest(seen_at, $start::TIMESTAMP) AS moment FROM (SELECT seen_at FROM op_pods UNION SELECT seen_at FROM op_sets)
),
views AS (
    SELECT m.moment, lead(m.moment, 1, $end::TIMESTAMP) OVER (ORDER BY m.moment) AS until,
        (SELECT count(*) FROM op_pods p WHERE p.seen_at <= m.moment AND coalesce(p.next_at > m.moment, true) AND p.runs) AS running,
        (SELECT count(*) FROM op_pods p WHERE p.seen_at <= m.moment) AS known,
        (SELECT bool_and(coalesce(w.ready_replicas, 0) = 0) FROM op_sets w WHERE w.seen_at <= m.moment AND coalesce(w.next_at > m.moment, true)) AS unready,
        (SELECT bool_and(coalesce(w.status_replicas, 0) = 0 OR w.change = 'DELETED') FROM op_sets w WHERE w.seen_at <= m.moment AND coalesce(w.next_at > m.moment, true)) AS empty
    FROM moments m
),
islands AS (
    SELECT *, sum(CASE WHEN down THEN 0 ELSE 1 END) OVER (ORDER BY moment) AS island
    FROM (SELECT *, running = 0 AND ((known > 0 AND coalesce(unready, true)) OR coalesce(empty, false)) AS down FROM views)
),
gone AS (
    SELECT 'why-pod' AS why, min(moment) AS from_at, max(until) AS to_at FROM islands WHERE down GROUP BY island
),
renewals AS (
    SELECT namespace || '/' || name AS key, holder, renew_time, ts, coalesce(duration_s, 15) AS duration_s,
        lead(renew_time) OVER (PARTITION BY uid ORDER BY renew_time) AS next_at, count(*) OVER (PARTITION BY uid) AS n
    FROM (SELECT uid, namespace, name, holder, renew_time, min(ts) AS ts, any_value(duration_s) AS duration_s FROM leases
        WHERE name = 'operator.keda.sh' AND renew_time IS NOT NULL AND change <> 'DELETED' GROUP BY ALL)
),
stale AS (
    SELECT 'why-lease' AS why, greatest(renew_time + to_seconds(duration_s), $start::TIMESTAMP) AS from_at, coalesce(next_at, $end::TIMESTAMP) AS to_at, ts, key, renew_time
    FROM renewals WHERE n > 1 AND coalesce(next_at, $end::TIMESTAMP) > renew_time + to_seconds($leases * duration_s)
),
spans AS (
    SELECT target, 'why-silent' AS why, from_at, to_at FROM silences
    UNION ALL
    SELECT t.target, g.why, g.from_at, g.to_at FROM gone g CROSS JOIN targets t
    UNION ALL
    SELECT t.target, s.why, s.from_at, s.to_at FROM stale s CROSS JOIN targets t
    WHERE NOT EXISTS (FROM gone g WHERE g.from_at < s.to_at AND g.to_at > s.from_at)
        AND NOT EXISTS (FROM metric_trouble m WHERE m.target = t.target AND m.from_at < s.to_at AND m.to_at > s.from_at)
),
signs AS (
    SELECT t.target, o.last_active_time AS moment FROM scaledobjects o JOIN targets t ON t.scaledobject_uid = o.uid WHERE o.last_active_time IS NOT NULL
    UNION ALL SELECT target, moment FROM decisions WHERE author = 'keda'
),
last_words AS (
    SELECT s.target, s.from_at, arg_max(p.seen_at, p.seen_at) AS ts, arg_max(p.ts, p.seen_at) AS pod_ts, arg_max(p.namespace || '/' || p.name, p.seen_at) AS key,
        arg_max(CASE WHEN p.change = 'DELETED' THEN 'deleted' ELSE coalesce(p.waiting_reason, p.last_terminated_reason, p.reason, p.phase) END, p.seen_at) AS state
    FROM spans s JOIN op_pods p ON p.seen_at < s.to_at AND NOT p.runs WHERE s.why = 'why-pod' GROUP BY ALL
),
last_sets AS (
    SELECT s.target, s.from_at, arg_max(w.ts, w.seen_at) AS ts, arg_max(w.namespace || '/' || w.name, w.seen_at) AS key, arg_max(coalesce(w.spec_replicas, 0), w.seen_at) AS spec
    FROM spans s JOIN op_sets w ON w.seen_at < s.to_at WHERE s.why = 'why-pod' GROUP BY ALL
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, s.target, s.target AS subject,
    {'target': s.target, 'seconds': date_diff('second', s.from_at, s.to_at), 'why': s.why, 'state': coalesce(w.state, 'spec.replicas ' || d.spec)} AS params,
    CASE s.why WHEN 'why-pod' THEN 0.97 WHEN 'why-lease' THEN 0.85 ELSE 0.7 END AS confidence,
    CASE WHEN w.pod_ts IS NULL THEN [] ELSE [{'table': 'pods', 'ts': w.pod_ts, 'key': w.key, 'text': w.state}] END
    || CASE WHEN d.ts IS NULL THEN [] ELSE [{'table': 'workloads', 'ts': d.ts, 'key': d.key, 'text': 'spec.replicas ' || d.spec || ', no pod runs'}] END
    || coalesce((SELECT list({'table': 'leases', 'ts': l.ts, 'key': l.key, 'text': 'last renewed ' || strftime(l.renew_time, '%H:%M:%S')}) FROM stale l WHERE s.why = 'why-lease' AND l.from_at = s.from_at), [])
    || coalesce((SELECT list({'table': 'workloads', 'ts': l.to_at, 'key': l.key, 'text': 'spec.replicas left 0 only then, with work counted since ' || strftime(l.asked_at, '%H:%M:%S')}) FROM silences l WHERE s.why = 'why-silent' AND l.target = s.target AND l.from_at = s.from_at), []) AS evidence
FROM spans s
LEFT JOIN last_words w ON w.target = s.target AND w.from_at = s.from_at
LEFT JOIN last_sets d ON d.target = s.target AND d.from_at = s.from_at
WHERE s.to_at >= s.from_at + to_seconds($min_s)
    AND NOT EXISTS (FROM signs x WHERE x.target = s.target AND x.moment > s.from_at + INTERVAL 5 SECOND AND x.moment < s.to_at - INTERVAL 1 SECOND)
