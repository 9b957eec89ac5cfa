-- ---
-- id = "phantom_scale_up"
-- stage = "decide"
-- component = "hpa"
-- severity = "info"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["events", "log_lines", "hpas", "pods"]
-- params.end = "1970-01-01"
-- [text.en]
-- title = "The HPA lifted {target} from {before} to {after} without demand ({times} time(s))"
-- detail = "It gave no metric as reason ({reason}): with a stabilization window it takes the highest recommendation of the last minutes, also after spec.replicas was lowered by somebody else. {idle} pod-seconds of workers that nobody needed."
-- remedy = "Harmless but for its price. A shorter advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds forgets old peaks sooner; and let nothing but KEDA and the HPA lower spec.replicas."
-- [text.en.variants]
-- none = "an empty reason"
-- below = "All metrics below target"
-- [text.zh]
-- name = "幽灵扩容"
-- title = "HPA 在没有需求时把 {target} 从 {before} 扩到 {after}（{times} 次）"
-- detail = "它给出的理由不是指标（{reason}）：有稳定窗口时，它取最近几分钟的最高建议值，即使 spec.replicas 已被其他写入者调低。多余的 worker 共占用 {idle} Pod·秒。"
-- remedy = "除了代价之外无害。缩短 advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds 能更快忘记旧高峰；并且不要让 KEDA 和 HPA 之外的写入者调低 spec.replicas。"
-- [text.zh.variants]
-- none = "空理由"
-- below = "All metrics below target"
-- ---
-- The reason is fixed before windows are applied: "above target" is the only one that a demand gives. An event or the
-- controller's log must have said it; the status alone has no reasons.
WITH ups AS (
    SELECT * FROM decisions WHERE author = 'hpa' AND after > before AND before > 0 AND rule IN ('hpa_event', 'hpa_log') AND reason IN ('', 'All metrics below target')
),
demand AS (
    SELECT u.target, u.moment, count(d.task_id) AS open FROM ups u
    LEFT JOIN demand_spans d ON d.target = u.target AND d.from_at <= u.moment AND coalesce(d.to_at, $end::TIMESTAMP) > u.moment GROUP BY ALL
),
spans AS (
    SELECT u.*, least(coalesce((SELECT min(d.moment) FROM decisions d WHERE d.target = u.target AND d.moment > u.moment AND d.after < u.after), $end::TIMESTAMP), $end::TIMESTAMP) AS to_at,
        greatest(u.before, CAST(ceil(o.open / coalesce(t.worker_concurrency, 16)) AS BIGINT)) AS needed
    FROM ups u JOIN demand o ON o.target = u.target AND o.moment = u.moment JOIN targets t ON t.target = u.target
),
priced AS (SELECT *, (after - needed) * date_diff('millisecond', moment, to_at) / 1000.0 AS idle FROM spans WHERE needed < after)
SELECT moment AS started_at, to_at AS ended_at, target, target AS subject,
    {'target': target, 'before': before, 'after': after, 'times': count(*) OVER w, 'reason': CASE reason WHEN '' THEN 'none' ELSE 'below' END, 'idle': CAST(round(sum(idle) OVER w) AS BIGINT)} AS params,
    0.9 AS confidence,
    [{'table': 'workloads', 'ts': moment, 'key': key, 'text': 'spec.replicas ' || before || ' -> ' || after || ' by the HPA, reason "' || reason || '"'}] AS evidence,
    idle AS idle_pod_seconds
FROM priced WINDOW w AS (PARTITION BY target)
