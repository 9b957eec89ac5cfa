-- ---
-- id = "probe_failures"
-- stage = "start"
-- holds = ["start", "image"]
-- binds = "target"
-- component = "worker"
-- severity = "high"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods", "events"]
-- uses = ["log_lines", "nodes"]
-- explains = ["worker_crash_loop", "zombie_tasks", "tasks_killed", "message_lost", "pods_not_ready", "tasks_waiting", "statefulset_blocked"]
-- params.end = "1970-01-01"
-- params.found_s = 330
-- params.blame_s = 300
-- [text.en]
-- title = "The {probe} probe kills worker containers of {target} ({kills} time(s) on {pods} pod(s))"
-- detail = "The kubelet stopped the container because its {probe} probe failed: {message}. {died} running attempt(s) were lost ({lost} s of work), and tasks waited until the container consumed again."
-- remedy = "Give the probe more time: workers.livenessProbe.timeoutSeconds, failureThreshold and periodSeconds (workers.celery.livenessProbe.* in newer charts), a startup probe for slow boots; or give the worker CPU: celery inspect ping starts a Python process of its own and misses its timeout on a throttled worker."
-- [text.zh]
-- name = "探针失败"
-- title = "{probe} 探针反复杀死 {target} 的 worker 容器（{pods} 个 Pod，{kills} 次）"
-- detail = "kubelet 因 {probe} 探针失败而停止容器：{message}。损失 {died} 个运行中的任务尝试（{lost} 秒的工作），其余任务要等容器重新开始消费。"
-- remedy = "放宽探针：workers.livenessProbe.timeoutSeconds、failureThreshold、periodSeconds（新版 chart 为 workers.celery.livenessProbe.*），启动慢时使用 startup 探针；或给 worker 更多 CPU：celery inspect ping 会另起一个 Python 进程，CPU 被限流时容易超时。"
-- ---
-- The kubelet says so when it kills; a probe that only fails changes nothing for a worker without a Service. The chart's
-- probe pings through the broker: where its output or the worker's log complains of the connection, the broker is the
-- cause and the probe only a messenger.
WITH killings AS (
    SELECT w.target, w.uid, w.namespace, w.name, w.created_at, w.started_at, w.consuming_at, w.stopping_at, w.gone_at, e.ts AS moment, e.message,
        regexp_extract(e.message, 'failed (liveness|startup) probe', 1) AS probe,
        least(coalesce((SELECT min(coalesce(p.last_terminated_at, p.finished_at)) FROM pods p WHERE p.uid = w.uid AND coalesce(p.last_terminated_at, p.finished_at) >= e.ts - INTERVAL 2 SECOND), $end::TIMESTAMP), $end::TIMESTAMP) AS exit_at
    FROM events e JOIN worker_pods w ON e.object_uid = w.uid OR (e.object_uid IS NULL AND e.object_namespace = w.namespace AND e.object_name = w.name AND e.ts >= w.created_at)
    WHERE e.reason = 'Killing' AND e.change <> 'STATE' AND regexp_matches(e.message, 'failed (liveness|startup) probe')
),
complaints AS (
    SELECT w.uid, e.ts AS moment FROM worker_pods w JOIN events e ON e.object_namespace = w.namespace AND e.object_name = w.name
    WHERE e.reason = 'Unhealthy' AND regexp_matches(e.message, 'OperationalError|ConnectionError|Connection(Refused|Reset)|[Cc]onnection refused|Error 111|Name or service not known')
    UNION ALL
    SELECT w.uid, l.ts FROM worker_pods w JOIN log_lines l ON l.pod = w.name WHERE l.pattern IN ('worker.broker_lost', 'worker.broker_connect')
),
own AS (
    SELECT * FROM killings k WHERE NOT EXISTS (
        FROM complaints c WHERE c.uid = k.uid AND c.moment BETWEEN k.moment - to_seconds($blame_s) AND k.moment + INTERVAL 5 SECOND)
),
spans AS (
    SELECT k.*, CASE WHEN k.consuming_at <= k.moment THEN k.moment ELSE coalesce(k.started_at, k.moment) END AS from_at,
        CASE WHEN k.consuming_at <= k.moment
            THEN coalesce((SELECT max(u.to_at) FROM outages u WHERE u.uid = k.uid AND u.kind = 'restart' AND u.from_at BETWEEN k.moment - INTERVAL 2 SECOND AND k.exit_at + INTERVAL 2 SECOND), k.moment)
            ELSE least(coalesce(k.consuming_at, k.stopping_at, k.gone_at, $end::TIMESTAMP), $end::TIMESTAMP) END AS to_at
    FROM own k
),
dead AS (
    SELECT uid, moment, count(*) AS n, sum(lost) AS seconds, arg_min(example, lost) AS example, arg_min(state, lost) AS state, arg_min(ts, lost) AS ts
    FROM (
        SELECT k.uid, k.moment, date_diff('millisecond', a.running_at, k.exit_at) / 1000.0 AS lost, a.dag_id || '/' || a.run_id || '/' || a.task_id AS example,
            a.last_state AS state, coalesce(a.ended_at, a.failed_seen_at, a.running_at) AS ts
        FROM own k JOIN task_pods a ON a.uid = k.uid AND a.running_at < k.exit_at
        WHERE (a.last_state IN ('failed', 'up_for_retry') AND coalesce(a.ended_at, a.failed_seen_at) BETWEEN k.moment - INTERVAL 1 SECOND AND k.exit_at + to_seconds($found_s))
            OR (a.last_state IN ('running', 'none', 'scheduled', 'queued') AND a.ended_at IS NULL AND k.exit_at < $end::TIMESTAMP)
        QUALIFY row_number() OVER (PARTITION BY a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt ORDER BY k.moment) = 1
    ) GROUP BY uid, moment
),
total AS (
    SELECT s.target, count(DISTINCT s.uid) AS pods, count(*) AS kills, coalesce(sum(d.n), 0) AS died, coalesce(sum(d.seconds), 0) AS lost
    FROM spans s LEFT JOIN dead d ON d.uid = s.uid AND d.moment = s.moment GROUP BY s.target
),
outputs AS (
    SELECT s.uid, s.moment, max(e.ts) AS ts, arg_max(e.message, e.ts) AS message FROM spans s
    JOIN events e ON e.object_namespace = s.namespace AND e.object_name = s.name AND e.reason = 'Unhealthy' AND e.ts BETWEEN s.moment - to_seconds($blame_s) AND s.moment + INTERVAL 1 SECOND
    WHERE lower(e.message) LIKE s.probe || '%' GROUP BY s.uid, s.moment
)
SELECT s.from_at AS started_at, greatest(s.to_at, s.moment) AS ended_at, s.target, s.target AS subject,
    {'target': s.target, 'probe': s.probe, 'pods': t.pods, 'kills': t.kills, 'died': t.died, 'lost': CAST(round(t.lost) AS BIGINT), 'message': coalesce(o.message, s.message)} AS params,
    0.93 AS confidence,
    [{'table': 'events', 'ts': s.moment, 'key': s.namespace || '/' || s.name, 'text': 'Killing: ' || s.message}]
    || CASE WHEN o.ts IS NULL THEN [] ELSE [{'table': 'events', 'ts': o.ts, 'key': s.namespace || '/' || s.name, 'text': 'Unhealthy: ' || o.message}] END
    || CASE WHEN d.n IS NULL THEN [] ELSE [{'table': 'task_instances', 'ts': d.ts, 'key': d.example, 'text': 'state ' || d.state || ' on ' || s.name}] END AS evidence,
    coalesce(d.seconds, 0) AS lost_task_seconds
FROM spans s JOIN total t ON t.target = s.target LEFT JOIN dead d ON d.uid = s.uid AND d.moment = s.moment LEFT JOIN outputs o ON o.uid = s.uid AND o.moment = s.moment
