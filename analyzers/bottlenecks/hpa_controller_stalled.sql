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
-- metric = "The trigger's query asked for {desired} worker(s), KEDA polled it all the while, and the HPA's status kept saying {seen}: no event, failure or other HPA showed a sync, though it had followed the query at other times."
-- lease = "kube-controller-manager stopped renewing its lease, while other leases went on; without a leader no HPA is synced."
-- [text.zh]
-- name = "HPA 控制器停滞"
-- title = "HPA 控制器有 {seconds} 秒没有处理 {target}"
-- detail = "{how}"
-- remedy = "检查 kube-controller-manager（kubectl -n kube-system get lease kube-controller-manager、其日志和负载）：未运行、没有 leader，或 API 调用受限。HPA 很多时提高 --concurrent-horizontal-pod-autoscaler-syncs；托管控制面请带着这些时间提交工单。在此期间可用 minReplicaCount 维持 worker。"
-- [text.zh.variants]
-- status = "每次同步都会把看到的副本数写入 status.currentReplicas；spec.replicas 已变为 {desired}，状态却一直是 {seen}，也没有任何事件、失败或其他 HPA 显示发生过同步。"
-- metric = "触发器的查询要求 {desired} 个 worker，KEDA 一直在轮询，而 HPA 的状态始终是 {seen}：没有任何事件、失败或其他 HPA 显示发生过同步，尽管它在其他时候跟随了该查询。"
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
-- the query gives another number, which a sync would have written as the metric; at other times it did so
worths AS (
    SELECT v.target, v.moment, lead(v.moment, 1, $end::TIMESTAMP) OVER (PARTITION BY v.target ORDER BY v.moment) AS until, v.value / t.trigger_target AS value, t.max_replica_count
    FROM trigger_values v JOIN targets t USING (target)
),
told AS (
    SELECT m.target, m.moment, m.workers, m.desired_replicas, h.namespace || '/' || h.name AS key, h.ts,
        coalesce((SELECT min(l.moment) FROM life l WHERE l.moment > m.moment), $end::TIMESTAMP) AS until
    FROM metric_seen m JOIN targets t USING (target) JOIN views h ON h.uid = t.hpa_uid AND h.seen_at = m.moment AND h.moved
    WHERE m.answered AND m.workers IS NOT NULL
),
followed AS (SELECT DISTINCT d.target FROM told d JOIN worths w ON w.target = d.target AND w.moment <= d.moment AND w.until > d.moment WHERE w.value > 0 AND abs(w.value - d.workers) < 0.5),
deaf AS (
    SELECT d.target, d.key, d.ts, d.workers, d.until AS to_at, max(w.value) AS value,
        greatest(d.moment, min(w.moment)) AS moment
    FROM told d JOIN followed USING (target) JOIN worths w ON w.target = d.target AND w.moment < d.until AND w.until > d.moment
    WHERE w.value >= 1.2 * d.workers + 0.5 AND d.desired_replicas < w.max_replica_count
        AND NOT EXISTS (FROM worths x WHERE x.target = d.target AND x.moment < d.until AND x.until > greatest(w.moment, d.moment) AND x.value < 1.2 * d.workers + 0.5)
    GROUP BY d.target, d.moment, d.key, d.ts, d.workers, d.until
),
ignored AS (
    SELECT * FROM deaf u WHERE u.to_at > u.moment + to_seconds($patience_s)
        AND NOT EXISTS (FROM metric_trouble m WHERE m.from_at < u.to_at AND m.to_at > u.moment)
        AND NOT EXISTS (FROM trigger_failures f WHERE f.target = u.target AND f.from_at < u.to_at AND f.to_at > u.moment)
        AND NOT EXISTS (FROM apiservices a WHERE a.name LIKE '%external.metrics%' AND a.available_status = 'False' AND a.seen_at BETWEEN u.moment - INTERVAL 300 SECOND AND u.to_at)
        -- the operator polled all the while, so the metric was there for the asking
        AND (SELECT count(DISTINCT s.last_active_time) FROM scaledobjects s JOIN targets t ON t.scaledobject_uid = s.uid
            WHERE t.target = u.target AND s.last_active_time > u.moment AND s.last_active_time < u.to_at AND s.paused_status IS DISTINCT FROM 'True') >= 3
        -- a fallback is served instead of the query, an edited query gave other numbers before
        AND NOT EXISTS (FROM scaledobjects s JOIN targets t ON t.scaledobject_uid = s.uid WHERE t.target = u.target AND (s.query IS DISTINCT FROM t.query
            OR (s.seen_at < u.to_at AND (s.fallback_status = 'True' OR s.ready_status <> 'True') AND s.seen_at > u.moment)))
        AND NOT EXISTS (FROM events e JOIN targets t ON e.object_namespace = t.namespace AND e.object_name = t.name
            WHERE t.target = u.target AND e.reason IN ('KEDAScalerFailed', 'KEDAMetricSourceFailed') AND e.ts >= u.moment - INTERVAL 60 SECOND AND e.ts < u.to_at)
        AND NOT EXISTS (FROM replicas r WHERE r.target = u.target AND r.desired = 0 AND r.moment > u.moment AND r.moment < u.to_at)
        AND NOT EXISTS (FROM gaps g WHERE g.source IN ('hpas', 'workloads') AND g.from_ts < u.to_at AND coalesce(g.to_ts, $end::TIMESTAMP) > u.moment)
),
spans AS (
    SELECT target, 'metric' AS how, moment + to_seconds($sync_s) AS from_at, to_at, CAST(round(value) AS BIGINT) AS desired, CAST(round(workers) AS BIGINT) AS seen, 0.8 AS confidence,
        [{'table': 'hpas', 'ts': ts, 'key': key, 'text': 'the metric that it knew asked for ' || round(workers) || ' worker(s), its last word; the query gave ' || round(value) || ' from ' || strftime(moment, '%H:%M:%S') || ' on'}] AS evidence
    FROM ignored
    UNION ALL
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
