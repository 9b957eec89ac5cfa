-- ---
-- id = "activation_latency"
-- stage = "trigger"
-- component = "autoscaler-settings"
-- severity = "info"
-- ordinary = true
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["pods", "hpas", "events"]
-- [text.en]
-- title = "Cold start of {target}: {tasks} tasks paid {seconds} task-seconds, all inside the configured timers"
-- detail = "KEDA's poll ({poll} s), the HPA's sync (15 s a step) and the boot of workers: trigger {trigger} s, decide {decide} s, create and place {place} s, image {image} s, start {start} s, summed over tasks."
-- remedy = "If that is too much: minReplicaCount 1, a longer cooldownPeriod, a KEDA cron trigger before known peaks, a slimmer image. It is a price, not a fault."
-- [text.zh]
-- name = "冷启动"
-- title = "{target} 冷启动：{tasks} 个任务共付出 {seconds} 任务秒，均在配置的计时器之内"
-- detail = "包括 KEDA 轮询（{poll} 秒）、HPA 同步（每步 15 秒）和 worker 启动：trigger {trigger} 秒、decide {decide} 秒、create/place {place} 秒、image {image} 秒、start {start} 秒（按任务累计）。"
-- remedy = "若代价过高：minReplicaCount 1、更长的 cooldownPeriod、在已知高峰前使用 KEDA cron 触发器、精简镜像。这是代价，不是故障。"
-- ---
WITH paid AS (
    SELECT w.target, count(DISTINCT (w.dag_id, w.run_id, w.task_id, w.map_index, w.attempt)) AS tasks, sum(w.seconds) AS seconds,
        sum(w.seconds) FILTER (WHERE w.stage = 'trigger') AS at_trigger, sum(w.seconds) FILTER (WHERE w.stage IN ('decide', 'metric')) AS at_decide,
        sum(w.seconds) FILTER (WHERE w.stage IN ('create', 'place')) AS at_place, sum(w.seconds) FILTER (WHERE w.stage = 'image') AS at_image, sum(w.seconds) FILTER (WHERE w.stage = 'start') AS at_start
    FROM waits w WHERE w.cause = 'activation_latency' AND w.target <> '' GROUP BY w.target
),
span AS (SELECT target, min(from_at) AS from_at, max(to_at) AS to_at FROM queued_spans GROUP BY target),
ups AS (
    SELECT target, list({'table': 'workloads', 'ts': moment, 'key': key, 'text': 'spec.replicas ' || before || ' -> ' || after || ' by ' || author} ORDER BY moment)[1:4] AS evidence
    FROM decisions WHERE after > before GROUP BY target
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, p.target, p.target AS subject,
    {'target': p.target, 'tasks': p.tasks, 'seconds': CAST(round(p.seconds) AS BIGINT), 'poll': t.polling_interval_s,
     'trigger': round(coalesce(p.at_trigger, 0)), 'decide': round(coalesce(p.at_decide, 0)), 'place': round(coalesce(p.at_place, 0)), 'image': round(coalesce(p.at_image, 0)), 'start': round(coalesce(p.at_start, 0))} AS params,
    0.9 AS confidence, p.seconds AS waiting_task_seconds, coalesce(u.evidence, []) AS evidence
FROM paid p JOIN targets t ON t.target = p.target JOIN span s ON s.target = p.target LEFT JOIN ups u ON u.target = p.target
WHERE p.seconds >= 1
