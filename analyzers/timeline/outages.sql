-- ---
-- id = "outages"
-- group = "timeline"
-- doc = "Spans in which a worker that had been consuming was gone without being told to stop: its container restarted, or its node was lost."
-- needs = ["scaledobjects", "workloads", "pods"]
-- uses = ["nodes", "events", "log_lines", "task_instances"]
-- params.end = "1970-01-01"
-- ---
-- A restart lasts from the container's exit to the next proof of work: Celery's banner where the log was recorded, else
-- the next task or readiness. A node counts as lost only while nothing on the pod gives a sign of life: a kubelet that
-- is cut off leaves its workers consuming. NodeStatusUnknown comes 40 s after the kubelet's last word
-- (node-monitor-grace-period), so the loss began then, but never before the last sign.
WITH exits AS (
    SELECT DISTINCT p.uid, coalesce(p.last_terminated_at, p.ts) AS from_at FROM pods p
    WHERE p.restart_count > 0 AND p.change <> 'DELETED' AND (p.last_terminated_at IS NOT NULL OR p.waiting_reason = 'CrashLoopBackOff')
    UNION SELECT uid, finished_at FROM pods WHERE finished_at IS NOT NULL AND change <> 'DELETED'
    -- a worker that a probe stops takes no tasks while it ends the ones it has
    UNION SELECT object_uid, ts FROM events WHERE reason = 'Killing' AND change <> 'STATE' AND regexp_matches(message, 'failed (liveness|startup) probe')
),
signs AS (
    SELECT uid, running_at AS moment, 'task' AS kind FROM task_pods
    UNION ALL SELECT uid, ended_at, 'end' FROM task_pods WHERE ended_at IS NOT NULL AND last_state = 'success'
    UNION ALL SELECT w.uid, l.ts, 'banner' FROM worker_pods w JOIN log_lines l ON l.pod = w.name AND l.ts >= w.created_at WHERE l.pattern = 'worker.ready'
    UNION ALL SELECT p.uid, coalesce(p.ready_at, p.ts), 'ready' FROM pods p WHERE p.ready AND p.change <> 'DELETED'
),
restarts AS (
    SELECT w.target, w.uid, w.namespace, w.name, w.node, 'restart' AS kind, e.from_at, e.from_at AS ts,
        coalesce(
            (SELECT min(s.moment) FROM signs s WHERE s.uid = e.uid AND s.moment > e.from_at AND s.kind = 'banner'),
            (SELECT min(s.moment) FROM signs s WHERE s.uid = e.uid AND s.moment > e.from_at AND s.kind IN ('task', 'ready')),
            w.stopping_at, w.gone_at, $end::TIMESTAMP) AS to_at
    FROM exits e JOIN worker_pods w ON w.uid = e.uid
    WHERE e.from_at >= w.consuming_at AND e.from_at < coalesce(w.stopping_at, 'infinity') AND e.from_at < coalesce(w.gone_at, 'infinity')
),
views AS (
    SELECT name, 'node ' || name || CASE WHEN change = 'DELETED' THEN ' was deleted' ELSE ' Ready=' || coalesce(ready, '?') || ' ' || coalesce(ready_reason, '') END AS text,
        'nodes' AS source, ts, name AS key, ready = 'True' AND change <> 'DELETED' AS good,
        CASE WHEN change = 'DELETED' THEN ts ELSE coalesce(ready_since, ts) END - CASE WHEN ready = 'Unknown' AND change <> 'DELETED' THEN INTERVAL 40 SECOND ELSE INTERVAL 0 SECOND END AS from_at
    FROM nodes
),
lost_nodes AS (
    SELECT v.name AS node, min(v.from_at) AS from_at, min(v.ts) AS ts, arg_min(v.text, v.ts) AS text, v.source, v.key,
        coalesce(next.good_at, 'infinity'::TIMESTAMP) AS to_at
    FROM views v LEFT JOIN LATERAL (SELECT min(g.ts) AS good_at FROM views g WHERE g.name = v.name AND g.good AND g.ts > v.ts) next ON true
    WHERE NOT v.good GROUP BY ALL
),
-- without nodes on record, the node controller tells each of their pods
lost_pods AS (
    SELECT w.uid, l.from_at, l.to_at, l.ts, l.source, l.key, l.text FROM worker_pods w JOIN lost_nodes l ON l.node = w.node
    UNION ALL
    SELECT w.uid, e.ts - INTERVAL 40 SECOND, coalesce((SELECT min(p.ts) FROM pods p WHERE p.uid = w.uid AND p.ready AND p.ts > e.ts), 'infinity'), e.ts, 'events', w.namespace || '/' || w.name, 'NodeNotReady: ' || coalesce(e.message, '')
    FROM worker_pods w JOIN events e ON e.object_namespace = w.namespace AND e.object_name = w.name AND e.reason = 'NodeNotReady' AND e.change <> 'STATE'
    WHERE NOT EXISTS (FROM nodes)
),
nodes_gone AS (
    SELECT w.target, w.uid, w.namespace, w.name, w.node, l.*  EXCLUDE (uid),
        (SELECT max(s.moment) FROM signs s WHERE s.uid = w.uid AND s.kind IN ('task', 'end', 'banner') AND s.moment < l.to_at) AS sign_at
    FROM worker_pods w JOIN lost_pods l ON l.uid = w.uid
    WHERE w.created_at < l.ts AND coalesce(w.stopping_at, 'infinity') > l.from_at AND coalesce(w.gone_at, 'infinity') > l.from_at
)
SELECT target, uid, namespace, name, node, kind, from_at, least(to_at, $end::TIMESTAMP) AS to_at, ts, 'pods' AS source, namespace || '/' || name AS key, 'container exited' AS text
FROM restarts WHERE to_at > from_at
UNION ALL
SELECT target, uid, namespace, name, node, 'node', greatest(from_at, coalesce(sign_at, from_at)), least(to_at, coalesce(gone_at, 'infinity'), $end::TIMESTAMP), ts, source, key, text
FROM (SELECT n.*, w.gone_at FROM nodes_gone n JOIN worker_pods w ON w.uid = n.uid)
WHERE coalesce(sign_at, from_at) <= ts + INTERVAL 5 SECOND
    AND least(to_at, coalesce(gone_at, 'infinity'), $end::TIMESTAMP) > greatest(from_at, coalesce(sign_at, from_at))
