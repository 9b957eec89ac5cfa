-- ---
-- id = "worker_crash_loop"
-- stage = "start"
-- holds = ["start", "image"]
-- binds = "target"
-- component = "worker"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["events", "log_lines"]
-- explains = ["pods_not_ready", "replicas_below_demand", "tasks_waiting", "no_consumer_for_queue", "statefulset_blocked", "zombie_tasks", "tasks_killed"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{pods} worker pod(s) of {target} crash and restart ({restarts} times): {reason}, exit code {code}"
-- detail = "{how}"
-- variants.booting = "Pods were created, scheduled and their image pulled, but the worker does not stay up long enough to take tasks."
-- variants.at-work = "It was at work when its container ended: {died} running task(s) went with it, {lost} s of work."
-- remedy = "Read the last lines of the worker (kubectl logs --previous {pod}): configuration, missing DAG requirements, migrations not done, broker or DB refused at start; exit code 137 with OOMKilled is memory."
-- [text.zh]
-- name = "worker 反复崩溃"
-- title = "{target} 有 {pods} 个 worker Pod 反复崩溃重启（{restarts} 次）：{reason}，退出码 {code}"
-- detail = "{how}"
-- variants.booting = "Pod 已创建、已调度、镜像已拉取，但 worker 存活时间太短，接不到任务。"
-- variants.at-work = "容器退出时它正在工作：{died} 个运行中的任务随之丢失，损失 {lost} 秒的工作。"
-- remedy = "查看 worker 崩溃前的日志（kubectl logs --previous {pod}）：配置错误、缺少依赖、迁移未完成、启动时连接 broker 或数据库被拒；退出码 137 且 OOMKilled 为内存不足。"
-- ---
-- Exits for want of memory, and those that a probe made, are causes of their own.
WITH crashes AS (
    SELECT w.target, p.uid, p.namespace, p.name, coalesce(min(w.started_at), min(p.seen_at)) AS from_at, min(p.ts) AS ts,
        max(p.restart_count) AS restarts, arg_min(p.last_terminated_reason, p.seen_at) FILTER (WHERE p.last_terminated_reason IS NOT NULL) AS reason,
        arg_min(coalesce(p.last_terminated_exit_code, p.exit_code), p.seen_at) FILTER (WHERE coalesce(p.last_terminated_exit_code, p.exit_code) IS NOT NULL) AS code,
        bool_or(p.waiting_reason = 'CrashLoopBackOff') AS looping
    FROM pods p JOIN worker_pods w ON w.uid = p.uid
    WHERE p.restart_count > 0 AND p.change <> 'DELETED' AND p.last_terminated_reason IS DISTINCT FROM 'OOMKilled'
        AND coalesce(p.last_terminated_at, p.ts) >= $start::TIMESTAMP
        AND NOT EXISTS (FROM events e WHERE e.object_uid = p.uid AND e.reason = 'Killing' AND regexp_matches(e.message, 'failed (liveness|startup) probe'))
    GROUP BY ALL
),
-- a worker that had been consuming is missed only since it began to crash
later AS (SELECT uid, min(from_at) AS from_at, max(to_at) AS to_at FROM outages WHERE kind = 'restart' GROUP BY uid),
-- what ran in the container when it ended: failed, or left in the table as running
dead AS (SELECT uid, count(*) AS n, sum(lost_seconds) AS lost FROM failures WHERE fate = 'outage' AND taken_by = 'restart' GROUP BY uid),
alive AS (
    SELECT c.* EXCLUDE (from_at), coalesce(d.n, 0) AS died, coalesce(d.lost, 0) AS lost, coalesce(o.from_at, c.from_at) AS from_at,
        least(coalesce(o.to_at, w.first_task_at, w.stopping_at, w.gone_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at
    FROM crashes c JOIN worker_pods w ON w.uid = c.uid LEFT JOIN later o ON o.uid = c.uid LEFT JOIN dead d ON d.uid = c.uid
    WHERE c.looping OR c.restarts >= 2 OR d.lost > 0
)
SELECT min(from_at) AS started_at, max(to_at) AS ended_at, target, target AS subject,
    {'target': target, 'pods': count(*), 'restarts': sum(restarts), 'reason': coalesce(arg_max(reason, restarts), 'Error'), 'code': coalesce(CAST(arg_max(code, restarts) AS VARCHAR), 'not recorded'), 'pod': arg_max(name, restarts),
     'how': CASE WHEN sum(died) > 0 THEN 'at-work' ELSE 'booting' END, 'died': sum(died), 'lost': CAST(round(sum(lost)) AS BIGINT)} AS params,
    0.95 AS confidence,
    list({'table': 'pods', 'ts': ts, 'key': namespace || '/' || name, 'text': 'restarts ' || restarts || ', last exit ' || coalesce(code, -1) || ' ' || coalesce(reason, '')} ORDER BY ts)[1:4] AS evidence,
    sum(lost) AS lost_task_seconds
FROM alive WHERE to_at > from_at
GROUP BY target
