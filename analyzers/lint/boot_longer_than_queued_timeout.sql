-- ---
-- id = "boot_longer_than_queued_timeout"
-- group = "lint"
-- stage = "start"
-- component = "airflow-config"
-- severity = "low"
-- needs = ["scaledobjects", "workloads", "pods", "airflow_config"]
-- uses = ["log_lines", "task_instances"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "A worker of {target} took {boot} s to consume, and a queued task is given up after {limit} s"
-- detail = "{pod} was created {boot} s before it consumed. A task that waits for such a worker passes [scheduler] task_queued_timeout: it is queued again, leaves a stale message behind, and fails in the end; on Airflow 3 its token expires as well."
-- remedy = "[scheduler] task_queued_timeout above the longest scale-up (poll, HPA sync, node, pull, boot), or faster workers."
-- [text.zh]
-- name = "启动时间大于排队超时"
-- title = "{target} 的 worker 用了 {boot} 秒才开始消费，而排队任务 {limit} 秒后就会被放弃"
-- detail = "{pod} 从创建到消费用了 {boot} 秒。等待这样的 worker 的任务会超过 [scheduler] task_queued_timeout：它会重新排队，留下一条过期消息，最终失败；在 Airflow 3 上其令牌也会过期。"
-- remedy = "让 [scheduler] task_queued_timeout 大于最长的扩容时间（轮询、HPA 同步、节点、拉取、启动），或加快 worker 启动。"
-- ---
WITH boots AS (
    SELECT target, max(date_diff('millisecond', created_at, consuming_at)) / 1000.0 AS seconds, arg_max(namespace || '/' || name, consuming_at - created_at) AS pod, arg_max(created_at, consuming_at - created_at) AS ts
    FROM worker_pods WHERE consuming_at >= created_at AND created_at >= $start::TIMESTAMP GROUP BY target
),
setting AS (SELECT try_cast(value AS DOUBLE) AS limit_s, ts, scope FROM airflow_config WHERE key = 'scheduler.task_queued_timeout' ORDER BY component = 'airflow.cfg', seen_at DESC LIMIT 1)
SELECT b.ts AS started_at, $end::TIMESTAMP AS ended_at, b.target, b.target AS subject,
    {'target': b.target, 'boot': CAST(round(b.seconds) AS BIGINT), 'limit': CAST(s.limit_s AS BIGINT), 'pod': b.pod} AS params, 0.9 AS confidence,
    [{'table': 'pods', 'ts': b.ts, 'key': b.pod, 'text': 'consumed ' || CAST(round(b.seconds) AS BIGINT) || ' s after its creation'}, {'table': 'airflow_config', 'ts': s.ts, 'key': s.scope, 'text': 'task_queued_timeout = ' || CAST(s.limit_s AS BIGINT)}] AS evidence
FROM boots b CROSS JOIN setting s WHERE b.seconds > s.limit_s
