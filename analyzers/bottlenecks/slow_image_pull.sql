-- ---
-- id = "slow_image_pull"
-- stage = "image"
-- component = "image"
-- severity = "medium"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["events"]
-- explains = ["pods_not_ready", "tasks_waiting"]
-- params.end = "1970-01-01"
-- params.ordinary_s = 30
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
-- Says why slow_worker_start is slow, and so claims no seconds of its own: one wait, one cause.
WITH stages AS (
    SELECT w.*, date_diff('millisecond', scheduled_at, started_at) / 1000.0 AS pull_s,
        date_diff('millisecond', created_at, consuming_at) / 1000.0 AS boot_s
    FROM worker_pods w WHERE scheduled_at IS NOT NULL AND started_at IS NOT NULL
),
slow AS (SELECT * FROM stages WHERE pull_s > $ordinary_s AND pull_s > $share * coalesce(boot_s, pull_s))
SELECT min(scheduled_at) AS started_at, max(started_at) AS ended_at, target, target AS subject,
    {'target': target, 'pods': count(*), 'seconds': CAST(round(median(pull_s)) AS BIGINT)} AS params, 0.85 AS confidence,
    list({'table': 'pods', 'ts': created_at, 'key': namespace || '/' || name, 'text': 'scheduled to started in ' || round(pull_s) || ' s'} ORDER BY pull_s DESC)[1:4] AS evidence
FROM slow GROUP BY target
