-- ---
-- id = "slow_image_pull"
-- stage = "image"
-- holds = ["image", "start"]
-- binds = "target"
-- component = "image"
-- severity = "medium"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["events"]
-- explains = ["pods_not_ready", "tasks_waiting", "statefulset_blocked", "slow_worker_start"]
-- params.end = "1970-01-01"
-- params.ordinary_s = 90
-- params.share = 0.5
-- [text.en]
-- title = "Workers of {target} take {seconds} s from node to container: pulling and setting up {pods} pod(s)"
-- detail = "An ordinary pull takes tens of seconds; here the stage is most of a cold start."
-- remedy = "Use a slimmer image, pre-pull it (DaemonSet, node image), a registry mirror near the nodes; or keep a worker warm with minReplicaCount 1."
-- [text.zh]
-- name = "镜像拉取慢"
-- title = "{target} 的 worker 从调度到容器启动需要 {seconds} 秒（{pods} 个 Pod 的拉取与准备）"
-- detail = "普通镜像拉取只需几十秒；这里它占了冷启动的大部分时间。"
-- remedy = "精简镜像、预拉取（DaemonSet、节点镜像）、就近的镜像代理；或用 minReplicaCount 1 保留一个热 worker。"
-- ---
-- Tens of seconds are ordinary, and together with the boot they are slow_worker_start's: one wait, one cause. Here the
-- pull alone is beyond that, and most of the way from the node to consuming. Where the kubelet says that the pull itself
-- was short, volumes or init containers took the time.
WITH stages AS (
    SELECT w.*, date_diff('millisecond', scheduled_at, coalesce(started_at, stopping_at, gone_at, $end::TIMESTAMP)) / 1000.0 AS pull_s,
        date_diff('millisecond', scheduled_at, coalesce(consuming_at, stopping_at, gone_at, $end::TIMESTAMP)) / 1000.0 AS total_s
    FROM worker_pods w WHERE scheduled_at IS NOT NULL AND coalesce(restarts, 0) = 0
),
said AS (
    SELECT object_uid AS uid, sum(coalesce(try_cast(regexp_extract(message, ' in (?:(\d+)m)?([0-9.]+)s', 1) AS DOUBLE), 0) * 60
        + coalesce(try_cast(regexp_extract(message, ' in (?:(\d+)m)?([0-9.]+)s', 2) AS DOUBLE), 0)) AS said_s
    FROM events WHERE object_kind = 'Pod' AND reason = 'Pulled' AND message LIKE 'Successfully pulled%' GROUP BY ALL
),
slow AS (
    SELECT s.* FROM stages s LEFT JOIN said e ON e.uid = s.uid
    WHERE s.pull_s > $ordinary_s AND s.pull_s > $share * s.total_s AND coalesce(e.said_s, s.pull_s) > $share * s.pull_s
)
SELECT min(scheduled_at) AS started_at, max(coalesce(consuming_at, started_at, stopping_at, gone_at, $end::TIMESTAMP)) AS ended_at, target, target AS subject,
    {'target': target, 'pods': count(*), 'seconds': CAST(round(median(pull_s)) AS BIGINT)} AS params, 0.85 AS confidence,
    list({'table': 'pods', 'ts': created_at, 'key': namespace || '/' || name, 'text': 'scheduled to started in ' || round(pull_s) || ' s'} ORDER BY pull_s DESC)[1:4] AS evidence
FROM slow GROUP BY target
