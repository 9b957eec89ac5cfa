-- ---
-- id = "competing_hpas"
-- stage = "decide"
-- holds = ["metric", "decide"]
-- binds = "target"
-- component = "autoscaler-settings"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "hpas"]
-- uses = ["pods", "events"]
-- explains = ["flapping", "scale_down_kills_tasks", "replicas_below_demand", "metric_unavailable", "tasks_waiting"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "More than one HPA controls the workers of {target}: {hpas}"
-- detail = "{how}"
-- remedy = "Keep the HPA that KEDA made ({own}) and delete the other; in the Airflow chart set workers.hpa.enabled=false where workers.keda.enabled=true. A cpu or memory target belongs into the ScaledObject's triggers. Selectors of different workers must not overlap."
-- [text.en.variants]
-- ambiguous = "The controller refuses to scale while a pod belongs to two HPAs (AmbiguousSelector), so the size stands still: {message}"
-- fight = "The other HPA lowered spec.replicas from {before} to {after}; each of them writes its own size."
-- [text.zh]
-- name = "多个 HPA 冲突"
-- title = "{target} 的 worker 被多个 HPA 同时控制：{hpas}"
-- detail = "{how}"
-- remedy = "保留 KEDA 创建的 HPA（{own}），删除另一个；在 Airflow chart 中 workers.keda.enabled=true 时应设 workers.hpa.enabled=false。cpu 或内存目标应写入 ScaledObject 的 triggers。不同 worker 的选择器不能重叠。"
-- [text.zh.variants]
-- ambiguous = "只要 Pod 同时属于两个 HPA（AmbiguousSelector），控制器就拒绝伸缩，副本数停在原处：{message}"
-- fight = "另一个 HPA 把 spec.replicas 从 {before} 降到 {after}；两者各写各的副本数。"
-- ---
WITH looks AS (
    SELECT t.target, t.hpa_name AS own, h.seen_at, h.ts, h.namespace || '/' || h.name AS key, coalesce(h.active_message, '') AS message,
        h.active_reason = 'AmbiguousSelector' AND h.change <> 'DELETED' AS ambiguous,
        lead(h.seen_at, 1, $end::TIMESTAMP) OVER (PARTITION BY h.uid ORDER BY h.seen_at) AS until
    FROM hpas h JOIN targets t ON t.hpa_uid = h.uid
),
refused AS (
    SELECT target, own, 'ambiguous' AS how, greatest(seen_at, $start::TIMESTAMP) AS from_at, until AS to_at, ts, key, message,
        coalesce(nullif(array_to_string(list_sort(regexp_extract_all(regexp_extract(message, 'multiple HPAs: \[(.*)\]', 1), '\{(\S+) ', 1)), ', '), ''), own) AS others,
        NULL::BIGINT AS before, NULL::BIGINT AS after
    FROM looks WHERE ambiguous AND until > $start::TIMESTAMP
),
rivals AS (
    SELECT DISTINCT t.target, t.hpa_name AS own, h.uid, h.namespace, h.name
    FROM targets t JOIN hpas h ON h.namespace = t.namespace AND h.target_name = t.workload_name AND h.target_kind = t.workload_kind AND h.uid <> t.hpa_uid
    WHERE t.hpa_uid IS NOT NULL AND h.change <> 'DELETED'
),
-- the other HPA says when it last wrote, and what
writes AS (
    SELECT DISTINCT r.*, h.last_scale_time AS moment, h.desired_replicas AS size
    FROM rivals r JOIN hpas h ON h.uid = r.uid WHERE h.last_scale_time IS NOT NULL AND h.change <> 'DELETED'
),
fights AS (
    SELECT w.target, w.own, 'fight' AS how, d.moment AS from_at,
        coalesce((SELECT min(p.moment) FROM replicas p WHERE p.target = d.target AND p.moment > d.moment AND p.desired >= d.before), $end::TIMESTAMP) AS to_at,
        d.moment AS ts, w.namespace || '/' || w.name AS key, '' AS message, w.own || ', ' || w.name AS others, d.before, d.after
    FROM decisions d JOIN writes w ON w.target = d.target AND w.size = d.after AND abs(date_diff('millisecond', w.moment, d.moment)) <= 2000
    WHERE d.after < d.before AND d.author IN ('hpa', 'unknown', 'kube-controller-manager') AND NOT EXISTS (
        FROM hpas o JOIN targets t ON t.hpa_uid = o.uid WHERE t.target = d.target AND o.desired_replicas = d.after AND abs(date_diff('millisecond', o.last_scale_time, d.moment)) <= 2000)
),
spans AS (FROM refused UNION ALL FROM fights)
SELECT from_at AS started_at, to_at AS ended_at, target, target AS subject,
    {'target': target, 'hpas': others, 'own': own, 'how': how, 'message': message, 'before': before, 'after': after} AS params,
    CASE how WHEN 'ambiguous' THEN 0.97 ELSE 0.85 END AS confidence,
    [{'table': CASE how WHEN 'ambiguous' THEN 'hpas' ELSE 'workloads' END, 'ts': ts, 'key': key,
      'text': CASE how WHEN 'ambiguous' THEN 'AmbiguousSelector: ' || message ELSE 'spec.replicas ' || before || ' -> ' || after || ' by the HPA ' || key END}] AS evidence
FROM spans WHERE to_at > from_at
