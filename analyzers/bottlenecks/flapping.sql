-- ---
-- id = "flapping"
-- stage = "start"
-- holds = ["trigger", "create", "place", "image", "start", "decide"]
-- binds = "target"
-- component = "autoscaler-settings"
-- severity = "medium"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["pods", "events"]
-- explains = ["scale_down_kills_tasks", "grace_period_too_short", "tasks_waiting"]
-- params.end = "1970-01-01"
-- params.idle_s = 60
-- params.cycles = 3
-- [text.en]
-- title = "{target} went to zero and back {cycles} times: work came again {idle} s after its workers were gone"
-- detail = "Each return pays a whole cold start ({boot} s of boot alone), while keeping one worker for the {idle} s in between would have cost less. cooldownPeriod is {cooldown} s."
-- remedy = "Raise cooldownPeriod of {target} above the usual pause between bursts ({idle} s here; the chart's workers.keda.cooldownPeriod), or keep a worker with minReplicaCount 1."
-- [text.zh]
-- name = "反复缩零"
-- title = "{target} 反复缩到零又拉起 {cycles} 次：worker 消失 {idle} 秒后任务又来了"
-- detail = "每次拉起都要付出完整的冷启动（仅启动就要 {boot} 秒），而中间的 {idle} 秒保留一个 worker 的代价更小。cooldownPeriod 为 {cooldown} 秒。"
-- remedy = "把 {target} 的 cooldownPeriod 提高到突发之间通常的间隔以上（此处 {idle} 秒；chart 的 workers.keda.cooldownPeriod），或用 minReplicaCount 1 保留一个 worker。"
-- ---
-- Two bursts are two bursts; three returns within a minute of idleness each are a pattern that a setting makes.
WITH zeros AS (SELECT target, moment FROM decisions WHERE after = 0),
returns AS (
    SELECT d.target, d.moment, max(z.moment) AS zero_at, date_diff('millisecond', max(z.moment), d.moment) / 1000.0 AS idle, any_value(d.key) AS key
    FROM decisions d JOIN zeros z ON z.target = d.target AND z.moment < d.moment
    WHERE d.before = 0 GROUP BY d.target, d.moment
),
quick AS (SELECT * FROM returns WHERE idle <= $idle_s),
boots AS (SELECT target, median(date_diff('millisecond', created_at, consuming_at) / 1000.0) AS boot FROM worker_pods WHERE consuming_at IS NOT NULL GROUP BY target),
counted AS (
    SELECT target, count(*) AS n, median(idle) AS idle, list({'table': 'workloads', 'ts': moment, 'key': key, 'text': '0 -> again after ' || round(idle) || ' s at zero'} ORDER BY moment)[1:5] AS evidence
    FROM quick GROUP BY target HAVING count(*) >= $cycles
),
-- one row per return, from the moment work waits again until the next worker is there
spans AS (
    SELECT q.target, q.moment, greatest(q.zero_at, q.moment - to_seconds(t.polling_interval_s + 10)) AS from_at,
        coalesce((SELECT min(z.moment) FROM zeros z WHERE z.target = q.target AND z.moment > q.moment), $end::TIMESTAMP) AS to_at
    FROM quick q JOIN targets t ON t.target = q.target
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, s.target, s.target AS subject,
    {'target': s.target, 'cycles': c.n, 'idle': CAST(round(c.idle) AS BIGINT), 'boot': CAST(round(coalesce(b.boot, 0)) AS BIGINT), 'cooldown': t.cooldown_period_s} AS params,
    0.85 AS confidence, c.evidence
FROM spans s JOIN counted c ON c.target = s.target JOIN targets t ON t.target = s.target LEFT JOIN boots b ON b.target = s.target
