-- ---
-- id = "worker_oom"
-- stage = "start"
-- holds = ["start", "image"]
-- binds = "target"
-- component = "worker"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["events", "log_lines", "nodes"]
-- explains = ["worker_crash_loop", "probe_failures", "zombie_tasks", "tasks_killed", "message_lost", "pods_not_ready", "tasks_waiting", "statefulset_blocked"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.found_s = 330
-- [text.en]
-- title = "{pods} worker pod(s) of {target} ran out of memory (OOMKilled, {kills} time(s))"
-- detail = "The kernel killed the worker container at its memory limit; it and all its tasks ended at once. {died} running attempt(s) were lost ({lost} s of work), and tasks waited until the container consumed again."
-- remedy = "Raise workers.resources.limits.memory (and requests.memory to the same value), or lower worker_concurrency (config.celery.worker_concurrency) together with the divisor of the trigger's query; move heavy work into KubernetesPodOperator pods. First pod: {pod}."
-- [text.zh]
-- name = "worker 内存不足"
-- title = "{target} 有 {pods} 个 worker Pod 内存耗尽（OOMKilled，{kills} 次）"
-- detail = "worker 容器达到内存上限被内核杀死，其中所有任务随即终止。损失 {died} 个运行中的任务尝试（{lost} 秒的工作），其余任务要等容器重新开始消费。"
-- remedy = "提高 workers.resources.limits.memory（requests.memory 设为同值），或降低 worker_concurrency（config.celery.worker_concurrency）并同步修改触发器查询的除数；把重任务移到 KubernetesPodOperator 的 Pod 中。首个 Pod：{pod}。"
-- ---
-- 330 s: a zombie is found by the sweep up to task_instance_heartbeat_timeout (300 s) after its last heartbeat.
-- Only the container that does the work counts: a sidecar may run out of memory without any harm to tasks.
WITH said AS (
    SELECT uid, last_terminated_at AS moment, ts, restart_count FROM pods
    WHERE last_terminated_reason = 'OOMKilled' AND last_terminated_at IS NOT NULL AND change <> 'DELETED'
    UNION ALL
    SELECT uid, finished_at, ts, restart_count FROM pods
    WHERE finished_at IS NOT NULL AND change <> 'DELETED' AND len(list_filter(
        from_json(coalesce(containers, '[]'), '[{"name":"VARCHAR","state":"VARCHAR","reason":"VARCHAR"}]'),
        lambda c: c.name = main_container AND c.state = 'terminated' AND c.reason = 'OOMKilled')) > 0
),
ooms AS (
    SELECT w.target, w.uid, w.namespace, w.name, w.created_at, w.started_at, w.consuming_at, w.stopping_at, w.gone_at,
        s.moment, min(s.ts) AS ts, max(coalesce(s.restart_count, 0)) AS restarts
    FROM said s JOIN worker_pods w ON w.uid = s.uid WHERE s.moment >= $start::TIMESTAMP GROUP BY ALL
),
-- a worker that never got to consume died on each of its ways there
spans AS (
    SELECT o.*,
        CASE WHEN o.consuming_at <= o.moment THEN o.moment ELSE coalesce(o.started_at, o.moment) END AS from_at,
        CASE WHEN o.consuming_at <= o.moment
            THEN coalesce((SELECT max(u.to_at) FROM outages u WHERE u.uid = o.uid AND u.kind = 'restart' AND abs(date_diff('second', u.from_at, o.moment)) <= 2), o.moment)
            ELSE least(coalesce(o.consuming_at, o.stopping_at, o.gone_at, $end::TIMESTAMP), $end::TIMESTAMP) END AS to_at
    FROM ooms o
),
dead AS (
    SELECT o.uid, o.moment, count(*) AS n, sum(date_diff('millisecond', a.running_at, o.moment)) / 1000.0 AS seconds,
        arg_min(a.dag_id || '/' || a.run_id || '/' || a.task_id, a.running_at) AS example, arg_min(a.last_state, a.running_at) AS state,
        arg_min(coalesce(a.ended_at, a.failed_seen_at, a.running_at), a.running_at) AS ts
    FROM (
        SELECT a.*, o.moment FROM ooms o JOIN task_pods a ON a.uid = o.uid AND a.running_at < o.moment
        WHERE (a.last_state IN ('failed', 'up_for_retry') AND coalesce(a.ended_at, a.failed_seen_at) BETWEEN o.moment - INTERVAL 1 SECOND AND o.moment + to_seconds($found_s))
            OR (a.last_state IN ('running', 'none', 'scheduled', 'queued') AND a.ended_at IS NULL)
        QUALIFY row_number() OVER (PARTITION BY a.dag_id, a.run_id, a.task_id, a.map_index, a.attempt ORDER BY o.moment) = 1
    ) a JOIN ooms o ON o.uid = a.uid AND o.moment = a.moment
    GROUP BY o.uid, o.moment
),
total AS (
    SELECT s.target, count(DISTINCT s.uid) AS pods, count(*) AS kills, coalesce(sum(d.n), 0) AS died, coalesce(sum(d.seconds), 0) AS lost, arg_min(s.name, s.moment) AS pod
    FROM spans s LEFT JOIN dead d ON d.uid = s.uid AND d.moment = s.moment GROUP BY s.target
)
SELECT s.from_at AS started_at, greatest(s.to_at, s.moment) AS ended_at, s.target, s.target AS subject,
    {'target': s.target, 'pods': t.pods, 'kills': t.kills, 'died': t.died, 'lost': CAST(round(t.lost) AS BIGINT), 'pod': t.pod} AS params,
    0.97 AS confidence,
    [{'table': 'pods', 'ts': s.ts, 'key': s.namespace || '/' || s.name, 'text': 'OOMKilled at ' || strftime(s.moment, '%H:%M:%S') || ', restarts ' || s.restarts}]
    || CASE WHEN d.n IS NULL THEN [] ELSE [{'table': 'task_instances', 'ts': d.ts, 'key': d.example, 'text': 'state ' || d.state || ' on ' || s.name || ', out of memory at ' || strftime(s.moment, '%H:%M:%S')}] END AS evidence,
    coalesce(d.seconds, 0) AS lost_task_seconds
FROM spans s JOIN total t ON t.target = s.target LEFT JOIN dead d ON d.uid = s.uid AND d.moment = s.moment
