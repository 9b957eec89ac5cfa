-- ---
-- id = "slow_worker_start"
-- stage = "start"
-- holds = ["start", "image"]
-- binds = "target"
-- component = "worker"
-- severity = "medium"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["log_lines", "events"]
-- explains = ["pods_not_ready", "tasks_waiting", "slow_image_pull"]
-- params.end = "1970-01-01"
-- params.ordinary_s = 45
-- [text.en]
-- title = "Workers of {target} take {seconds} s from creation to their first task"
-- detail = "Median of {pods} pod(s): {pull} s from node to container (image, volumes, init containers), {boot} s from container to consuming. Every cold start and every step up pays this."
-- remedy = "Shorten the boot (slim image, pre-pull, init containers, DAG parsing, startup probes), or pay for a warm worker: minReplicaCount 1, a longer cooldownPeriod, a KEDA cron trigger before known peaks."
-- [text.zh]
-- name = "worker 启动慢"
-- title = "{target} 的 worker 从创建到接第一个任务需要 {seconds} 秒"
-- detail = "{pods} 个 Pod 的中位数：从节点到容器 {pull} 秒（镜像、卷、init 容器），从容器到开始消费 {boot} 秒。每次冷启动和每次扩容都要付出这段时间。"
-- remedy = "缩短启动时间（精简镜像、预拉取、init 容器、DAG 解析、启动探针），或保留热 worker：minReplicaCount 1、更长的 cooldownPeriod、在已知高峰前使用 KEDA cron 触发器。"
-- ---
-- Tens of seconds are ordinary. The container's way to consuming counts together with its pull, because what a pod
-- does between node and worker is one wait for the tasks.
WITH stages AS (
    SELECT *, date_diff('millisecond', scheduled_at, started_at) / 1000.0 AS pull_s,
        date_diff('millisecond', started_at, coalesce(consuming_at, stopping_at, $end::TIMESTAMP)) / 1000.0 AS boot_s,
        date_diff('millisecond', scheduled_at, coalesce(consuming_at, stopping_at, $end::TIMESTAMP)) / 1000.0 AS total_s
    FROM worker_pods w WHERE scheduled_at IS NOT NULL AND started_at IS NOT NULL AND coalesce(restarts, 0) = 0
        -- whoever exited is not slow, though its restart is not counted yet
        AND NOT EXISTS (FROM pods p WHERE p.uid = w.uid AND (p.last_terminated_reason IS NOT NULL OR p.waiting_reason = 'CrashLoopBackOff'))
),
slow AS (SELECT * FROM stages WHERE total_s > $ordinary_s),
-- what the kubelet says of their images
pulls AS (
    SELECT s.target, list({'table': 'events', 'ts': e.ts, 'key': e.object_namespace || '/' || e.object_name, 'text': e.message} ORDER BY s.total_s DESC)[1:2] AS rows
    FROM slow s JOIN events e ON e.object_uid = s.uid AND e.object_kind = 'Pod' AND e.reason = 'Pulled' GROUP BY s.target
)
SELECT min(scheduled_at) AS started_at, max(coalesce(consuming_at, stopping_at, $end::TIMESTAMP)) AS ended_at, target, target AS subject,
    {'target': target, 'pods': count(*), 'seconds': CAST(round(median(total_s)) AS BIGINT), 'pull': CAST(round(median(pull_s)) AS BIGINT), 'boot': CAST(round(median(boot_s)) AS BIGINT)} AS params,
    0.85 AS confidence,
    list({'table': 'pods', 'ts': created_at, 'key': namespace || '/' || name, 'text': round(total_s) || ' s from node to consuming'} ORDER BY total_s DESC)[1:4] || coalesce(any_value(pulls.rows), []) AS evidence
FROM slow LEFT JOIN pulls USING (target) GROUP BY target
