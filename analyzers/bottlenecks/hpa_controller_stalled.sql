-- ---
-- id = "hpa_controller_stalled"
-- stage = "decide"
-- holds = ["metric", "decide"]
-- binds = "target"
-- component = "hpa"
-- severity = "critical"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "hpas"]
-- uses = ["leases", "events", "apiservices", "gaps", "pods"]
-- explains = ["replicas_below_demand", "tasks_waiting"]
-- params.end = "1970-01-01"
-- params.sync_s = 15
-- params.patience_s = 90
-- [text.en]
-- title = "The HPA controller did not look at {target} for {seconds} s"
-- detail = "{how}"
-- remedy = "Look at kube-controller-manager (kubectl -n kube-system get lease kube-controller-manager, its log, its load): not running, no leader, or starved of API calls. With many HPAs raise --concurrent-horizontal-pod-autoscaler-syncs; on a managed control plane open a ticket with these times. Until then minReplicaCount holds workers without the HPA."
-- [text.en.variants]
-- status = "A sync writes the size it found into status.currentReplicas; spec.replicas became {desired}, the status kept saying {seen}, and no event, failure or other HPA showed a sync."
-- lease = "kube-controller-manager stopped renewing its lease, while other leases went on; without a leader no HPA is synced."
-- [text.zh]
-- name = "HPA 控制器停滞"
-- title = "HPA 控制器有 {seconds} 秒没有处理 {target}"
-- detail = "{how}"
-- remedy = "检查 kube-controller-manager（kubectl -n kube-system get lease kube-controller-manager、其日志和负载）：未运行、没有 leader，或 API 调用受限。HPA 很多时提高 --concurrent-horizontal-pod-autoscaler-syncs；托管控制面请带着这些时间提交工单。在此期间可用 minReplicaCount 维持 worker。"
-- [text.zh.variants]
-- status = "每次同步都会把看到的副本数写入 status.currentReplicas；spec.replicas 已变为 {desired}，状态却一直是 {seen}，也没有任何事件、失败或其他 HPA 显示发生过同步。"
-- lease = "kube-controller-manager 停止续租，而其他 lease 仍在更新；没有 leader 就没有 HPA 会被同步。"
-- ---
-- A status that does not change proves nothing by itself: only what a sync must write does. A request for a metric may
-- hang for 60 s, so silence counts beyond that, and not at all while the metric path fails for anybody: then the
-- controller's few workers are busy waiting.
WITH views AS (
    SELECT h.uid, h.namespace, h.name, h.seen_at, h.ts, h.current_replicas, h.active_reason, h.change,
        (h.current_replicas, h.desired_replicas, h.current_milli, h.active_reason, h.able_reason, h.limited_reason, h.last_scale_time)
            IS DISTINCT FROM lag((h.current_replicas, h.desired_replicas, h.current_milli, h.active_reason, h.able_reason, h.limited_reason, h.last_scale_time)) OVER (PARTITION BY h.uid ORDER BY h.seen_at) AS moved
    FROM hpas h
),
life AS (
    SELECT seen_at AS moment FROM views WHERE moved AND change = 'MODIFIED'
    UNION ALL SELECT ts FROM events WHERE object_kind = 'HorizontalPodAutoscaler' AND change <> 'STATE' AND component IS DISTINCT FROM 'keda-operator'
),
sizes AS (
    SELECT target, moment, desired, lead(moment, 1, $end::TIMESTAMP) OVER (PARTITION BY target ORDER BY moment) AS until
    FROM (SELECT *, desired IS DISTINCT FROM lag(desired) OVER (PARTITION BY target ORDER BY moment) AS changed FROM replicas WHERE change <> 'DELETED') WHERE changed
),
unseen AS (
    SELECT s.target, s.moment, s.desired, v.current_replicas AS seen, v.ts, v.namespace || '/' || v.name AS key,
        least(s.until, $end::TIMESTAMP, coalesce((SELECT min(l.moment) FROM life l WHERE l.moment > s.moment), $end::TIMESTAMP)) AS to_at
    FROM sizes s JOIN targets t ON t.target = s.target
    JOIN LATERAL (SELECT * FROM views v WHERE v.uid = t.hpa_uid AND v.seen_at <= s.moment ORDER BY v.seen_at DESC LIMIT 1) v ON true
    WHERE s.desired > 0 AND v.change <> 'DELETED' AND v.current_replicas <> s.desired
        AND coalesce(v.active_reason, '') NOT LIKE 'FailedGet%' AND coalesce(v.active_reason, '') NOT IN ('AmbiguousSelector', 'InvalidSelector')
),
silent AS (
    SELECT * FROM unseen u WHERE u.to_at > u.moment + to_seconds($patience_s)
        AND NOT EXISTS (FROM metric_trouble m WHERE m.from_at < u.to_at AND m.to_at > u.moment)
        AND NOT EXISTS (FROM apiservices a WHERE a.name LIKE '%external.metrics%' AND a.available_status = 'False' AND a.seen_at BETWEEN u.moment - INTERVAL 300 SECOND AND u.to_at)
        -- KEDA's beats show that the recorder looked all the time
        AND (SELECT count(DISTINCT s.seen_at) FROM scaledobjects s WHERE s.seen_at > u.moment AND s.seen_at < u.to_at) >= 3
        AND NOT EXISTS (FROM gaps g WHERE g.source IN ('hpas', 'workloads') AND g.from_ts < u.to_at AND coalesce(g.to_ts, $end::TIMESTAMP) > u.moment)
),
renewals AS (
    SELECT holder, renew_time, ts, count(*) OVER (ORDER BY renew_time) AS followed, lead(renew_time) OVER (ORDER BY renew_time) AS next_at
    FROM (SELECT DISTINCT ON (renew_time) * FROM leases WHERE name = 'kube-controller-manager' AND renew_time IS NOT NULL AND change <> 'DELETED')
),
-- a lease that was followed and stopped, while others are still seen to renew
leaderless AS (
    SELECT r.renew_time AS from_at, coalesce(r.next_at, $end::TIMESTAMP) AS to_at, r.ts, r.holder FROM renewals r
    WHERE r.followed >= 3 AND coalesce(r.next_at, $end::TIMESTAMP) > r.renew_time + to_seconds($patience_s)
        AND EXISTS (FROM leases o WHERE o.name <> 'kube-controller-manager' AND o.renew_time > r.renew_time + INTERVAL 30 SECOND AND o.renew_time < coalesce(r.next_at, $end::TIMESTAMP))
        AND NOT EXISTS (FROM life l WHERE l.moment > r.renew_time + INTERVAL 30 SECOND AND l.moment < coalesce(r.next_at, $end::TIMESTAMP))
),
spans AS (
    SELECT target, 'status' AS how, moment + to_seconds($sync_s) AS from_at, to_at, desired, coalesce(seen, 0) AS seen, 0.85 AS confidence,
        [{'table': 'hpas', 'ts': ts, 'key': key, 'text': 'status.currentReplicas ' || coalesce(seen, 0) || ', the last word before spec.replicas became ' || desired || ' at ' || strftime(moment, '%H:%M:%S')}] AS evidence
    FROM silent
    UNION ALL
    SELECT t.target, 'lease', l.from_at, l.to_at, NULL, NULL, 0.9,
        [{'table': 'leases', 'ts': l.ts, 'key': 'kube-controller-manager', 'text': 'last renewed by ' || coalesce(l.holder, '?') || ' at ' || strftime(l.from_at, '%H:%M:%S')}]
    FROM leaderless l CROSS JOIN targets t
)
SELECT from_at AS started_at, to_at AS ended_at, target, target AS subject,
    {'target': target, 'how': how, 'seconds': CAST(round(date_diff('millisecond', from_at, to_at) / 1000.0) AS BIGINT), 'desired': desired, 'seen': seen} AS params,
    confidence, evidence
FROM spans
