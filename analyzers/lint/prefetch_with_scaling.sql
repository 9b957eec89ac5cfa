-- ---
-- id = "prefetch_with_scaling"
-- group = "lint"
-- stage = "consume"
-- component = "airflow-config"
-- severity = "low"
-- needs = ["airflow_config", "scaledobjects"]
-- uses = ["workloads", "hpas"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "Workers reserve {multiplier} x their slots, and {target} adds workers for what they hold"
-- detail = "[celery] worker_prefetch_multiplier is {multiplier}: a worker takes messages that it cannot run yet. Those that are added for them find an empty queue."
-- remedy = "[celery] worker_prefetch_multiplier = 1 with task_acks_late = True, both of them defaults."
-- [text.zh]
-- name = "预取与扩缩容冲突"
-- title = "worker 预留其槽位数 {multiplier} 倍的消息，而 {target} 又为这些消息增加 worker"
-- detail = "[celery] worker_prefetch_multiplier 为 {multiplier}：worker 领取了暂时无法运行的消息。为其新增的 worker 面对的是空队列。"
-- remedy = "设置 [celery] worker_prefetch_multiplier = 1 与 task_acks_late = True（均为默认值）。"
-- ---
WITH setting AS (SELECT try_cast(value AS INTEGER) AS multiplier, ts, scope FROM airflow_config WHERE key = 'celery.worker_prefetch_multiplier' ORDER BY component = 'airflow.cfg', seen_at DESC LIMIT 1)
SELECT $start::TIMESTAMP AS started_at, $end::TIMESTAMP AS ended_at, t.target, t.target AS subject,
    {'multiplier': s.multiplier, 'target': t.target} AS params, 0.9 AS confidence,
    [{'table': 'airflow_config', 'ts': s.ts, 'key': s.scope, 'text': 'worker_prefetch_multiplier = ' || s.multiplier}] AS evidence
FROM setting s CROSS JOIN targets t WHERE s.multiplier > 1 AND t.max_replica_count > 1
