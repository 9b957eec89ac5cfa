-- ---
-- id = "victims"
-- group = "timeline"
-- doc = "Worker pods that were taken away: when, by whom and by what proof, what ran on them, and which pod had least to lose."
-- needs = ["scaledobjects", "workloads", "pods"]
-- uses = ["task_instances", "nodes", "events", "objects", "hpas", "log_lines"]
-- ---
-- `taken_by`: the pod's own condition DisruptionTarget and the events of whoever evicts name him; a pod that nobody
-- claims was taken by the scale-in that its controller carried out, at most as many pods as the scale-in had replicas;
-- a pod on a cordoned node was drained; on a node that was already lost it was dead before anybody took it.
WITH ends AS (
    SELECT uid, min(seen_at) FILTER (WHERE deletion_at IS NOT NULL) AS told_seen_at, max(deletion_grace_s) AS grace_s, max(finished_at) AS finished_at,
        arg_max(exit_code, seen_at) FILTER (WHERE exit_code IS NOT NULL) AS exit_code,
        -- one that ran out of memory while it stopped did not die of the stop
        coalesce(bool_or(contains(containers, 'OOMKilled') AND len(list_filter(from_json(containers, '[{"state":"VARCHAR","reason":"VARCHAR"}]'), lambda c: c.state = 'terminated' AND c.reason = 'OOMKilled')) > 0), false) AS oom,
        min(seen_at) FILTER (WHERE reason = 'Evicted') AS evicted_at, min(ts) FILTER (WHERE reason = 'Evicted') AS evicted_ts,
        any_value(message) FILTER (WHERE reason = 'Evicted') AS evicted_text
    FROM pods GROUP BY uid
),
gone AS (
    SELECT w.target, w.uid, w.namespace, w.name AS pod, w.node, w.created_at, w.gone_at, e.grace_s, e.exit_code, e.oom, e.told_seen_at, e.evicted_ts, e.evicted_text,
        least(coalesce(w.stopping_at, e.evicted_at), coalesce(e.evicted_at, w.stopping_at)) AS stopping_at, e.finished_at
    FROM worker_pods w JOIN ends e ON e.uid = w.uid
    WHERE w.stopping_at IS NOT NULL OR e.evicted_at IS NOT NULL
),
targeted AS (
    SELECT o.uid, o.ts, o.namespace || '/' || o.name AS key,
        list_filter(from_json(json_extract(o.body, '$.status.conditions'), '[{"type":"VARCHAR","status":"VARCHAR","reason":"VARCHAR","message":"VARCHAR"}]'),
            lambda c: c.type = 'DisruptionTarget' AND c.status = 'True')[1] AS c
    FROM objects o WHERE o.kind = 'Pod' AND contains(o.body, 'DisruptionTarget')
),
proofs AS (
    SELECT uid, CASE c.reason WHEN 'PreemptionByScheduler' THEN 'preemption' WHEN 'DeletionByTaintManager' THEN 'taint' WHEN 'TerminationByKubelet' THEN 'kubelet'
            WHEN 'DeletionByPodGC' THEN 'node_lost' ELSE 'eviction' END AS how,
        2 AS place, 'objects' AS source, ts, key, c.reason || coalesce(': ' || c.message, '') AS text
    FROM targeted WHERE c IS NOT NULL
    UNION ALL
    SELECT g.uid, CASE
            WHEN e.component ILIKE '%karpenter%' THEN 'karpenter' WHEN e.component ILIKE '%descheduler%' OR e.message ILIKE '%descheduler%' THEN 'descheduler'
            WHEN e.component ILIKE '%cluster-autoscaler%' THEN 'cluster_autoscaler' WHEN e.reason IN ('Preempted', 'Preempting') THEN 'preemption'
            WHEN e.reason = 'TaintManagerEviction' THEN 'taint' ELSE 'kubelet' END,
        1, 'events', e.ts, e.object_namespace || '/' || e.object_name, e.reason || ': ' || coalesce(e.message, '')
    FROM gone g JOIN events e ON e.object_kind = 'Pod' AND e.object_namespace = g.namespace AND e.object_name = g.pod AND e.change <> 'STATE'
        AND e.ts BETWEEN g.stopping_at - INTERVAL 60 SECOND AND g.stopping_at + INTERVAL 60 SECOND
    WHERE (e.reason IN ('Preempted', 'Preempting', 'Evicted') OR (e.reason = 'TaintManagerEviction' AND e.message LIKE 'Marking for deletion%')
        OR (e.reason = 'ScaleDown' AND e.component ILIKE '%cluster-autoscaler%') OR e.component ILIKE '%descheduler%'
        OR (e.reason IN ('Disrupted', 'DisruptionTerminating') AND e.component ILIKE '%karpenter%'))
    UNION ALL
    SELECT uid, 'kubelet', 1, 'pods', evicted_ts, namespace || '/' || pod, 'Evicted: ' || coalesce(evicted_text, '') FROM gone WHERE evicted_ts IS NOT NULL
),
-- what was known of the node when the pod was seen to be taken, whatever the cluster's clock says
nodes_then AS (
    SELECT g.uid, n.change = 'DELETED' OR n.ready <> 'True' AS lost, coalesce(n.unschedulable, false) AND n.change <> 'DELETED' AS cordoned, n.ts, n.name AS key,
        CASE WHEN n.change = 'DELETED' THEN 'deleted' WHEN n.ready <> 'True' THEN 'Ready=' || n.ready ELSE 'unschedulable' END AS text
    FROM gone g JOIN nodes n ON n.name = g.node AND n.seen_at <= greatest(g.stopping_at, g.told_seen_at) + INTERVAL 1 SECOND
    QUALIFY row_number() OVER (PARTITION BY g.uid ORDER BY n.seen_at DESC, n.ts DESC) = 1
),
named AS (
    SELECT g.*, p.how, p.source, p.ts, p.key, p.text, n.lost, n.cordoned, n.ts AS node_ts, n.key AS node_key, n.text AS node_text
    FROM gone g LEFT JOIN nodes_then n ON n.uid = g.uid
    LEFT JOIN (FROM proofs QUALIFY row_number() OVER (PARTITION BY uid ORDER BY place, ts) = 1) p ON p.uid = g.uid
),
-- a StatefulSet takes its pods one by one from the highest ordinal, each after the one before it is gone
ordinals AS (
    SELECT g.uid, try_cast(regexp_extract(g.pod, '-(\d+)$', 1) AS INTEGER) AS ordinal
    FROM gone g JOIN targets t ON t.target = g.target WHERE t.workload_kind = 'StatefulSet'
),
scaled AS (
    SELECT v.uid, v.target, v.stopping_at, d.moment, d.before, d.after, d.reason, d.key, o.ordinal,
        -- of the controllers in there only the HPA writes the size of a workload
        CASE d.author WHEN 'kube-controller-manager' THEN 'hpa' ELSE d.author END AS author
    FROM named v LEFT JOIN ordinals o ON o.uid = v.uid
    JOIN decisions d ON d.target = v.target AND d.after < d.before AND d.moment <= v.stopping_at + INTERVAL 5 SECOND
        AND CASE WHEN o.ordinal IS NULL THEN v.stopping_at <= d.moment + INTERVAL 60 SECOND ELSE o.ordinal >= d.after AND o.ordinal < d.before
            AND NOT EXISTS (FROM decisions u WHERE u.target = d.target AND u.moment > d.moment AND u.moment <= v.stopping_at AND u.after > o.ordinal) END
    WHERE v.how IS NULL AND NOT coalesce(v.lost, false)
    QUALIFY row_number() OVER (PARTITION BY v.uid ORDER BY d.moment DESC) = 1
),
allowed AS (
    SELECT s.*, count(*) OVER (PARTITION BY s.target ORDER BY s.stopping_at, s.uid ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
            - (SELECT count(*) FROM scaled x WHERE x.target = s.target AND x.stopping_at < s.stopping_at - INTERVAL 60 SECOND) AS taken,
        (SELECT sum(d.before - d.after) FROM decisions d WHERE d.target = s.target AND d.after < d.before
            AND d.moment BETWEEN s.stopping_at - INTERVAL 120 SECOND AND s.stopping_at + INTERVAL 5 SECOND) AS due
    FROM scaled s
),
busy AS (
    SELECT g.uid, w.name AS pod, w.uid = g.uid AS victim, count(r.task_id) AS tasks
    FROM gone g JOIN worker_pods w ON w.target = g.target AND w.consuming_at <= g.stopping_at
        AND (w.uid = g.uid OR coalesce(w.stopping_at, 'infinity') > g.stopping_at + INTERVAL 5 SECOND) AND coalesce(w.gone_at, 'infinity') > g.stopping_at
    LEFT JOIN running_spans r ON r.host = w.name AND r.from_at >= w.created_at AND r.from_at < g.stopping_at AND coalesce(r.to_at, 'infinity') > g.stopping_at
    GROUP BY ALL
)
SELECT v.target, v.uid, v.namespace, v.pod, v.node, v.created_at, v.stopping_at, v.gone_at,
    CASE WHEN v.finished_at >= v.stopping_at - INTERVAL 1 SECOND THEN v.finished_at ELSE v.gone_at END AS died_at, v.grace_s, v.exit_code, v.oom,
    CASE WHEN v.lost THEN 'node_lost' WHEN v.how = 'eviction' AND v.cordoned THEN 'drain' WHEN v.how IS NOT NULL THEN v.how
        WHEN s.uid IS NOT NULL AND (s.ordinal IS NOT NULL OR s.taken <= s.due) THEN 'scale_in' WHEN v.cordoned THEN 'drain' ELSE 'unknown' END AS taken_by,
    s.author, s.moment AS decided_at, s.before, s.after, s.reason, s.key AS decision_key,
    CASE WHEN v.how IS NOT NULL THEN v.source WHEN v.lost OR v.cordoned THEN 'nodes' END AS proof_table,
    CASE WHEN v.how IS NOT NULL THEN v.ts ELSE v.node_ts END AS proof_ts, CASE WHEN v.how IS NOT NULL THEN v.key ELSE v.node_key END AS proof_key,
    CASE WHEN v.how IS NOT NULL THEN v.text ELSE v.node_text END AS proof_text,
    coalesce((SELECT max(b.tasks) FROM busy b WHERE b.uid = v.uid AND b.victim), 0) AS tasks,
    i.ideal_pod, i.ideal_tasks
FROM named v LEFT JOIN allowed s ON s.uid = v.uid
LEFT JOIN (SELECT uid, arg_min(pod, (tasks, NOT victim, pod)) AS ideal_pod, min(tasks) AS ideal_tasks FROM busy GROUP BY uid) i ON i.uid = v.uid
ORDER BY v.target, v.stopping_at, v.pod
