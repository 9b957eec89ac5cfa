-- ---
-- id = "scale_up_rate_limited"
-- stage = "decide"
-- binds = "target"
-- component = "autoscaler-settings"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads", "hpas"]
-- uses = ["pods", "events"]
-- explains = ["replicas_below_demand", "tasks_waiting"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.own_s = 35
-- params.default_s = 60
-- [text.en]
-- title = "The HPA may not scale {target} up as fast as the metric asks: {seconds} s from {before} to {after} of {wanted} workers"
-- detail = "{how}"
-- remedy = "Relax advanced.horizontalPodAutoscalerConfig.behavior.scaleUp of the ScaledObject (workers.keda.advanced in the chart): policies such as Pods 20 per 15 s with selectPolicy Max, stabilizationWindowSeconds 0; or raise minReplicaCount before known peaks."
-- [text.en.variants]
-- policy = "behavior.scaleUp allows {rules}, and the ramp had to wait for it (ScaleUpLimit)."
-- disabled = "behavior.scaleUp has selectPolicy Disabled: the HPA may not scale up at all (ScaleUpLimit)."
-- window = "behavior.scaleUp has a stabilization window of {window} s: the HPA takes the lowest recommendation of that time (ScaleUpStabilized)."
-- default = "Without a behavior the HPA at most doubles the size at each sync of 15 s (at least to 4), and this peak took many of them (ScaleUpLimit)."
-- [text.zh]
-- name = "扩容限速"
-- title = "HPA 对 {target} 的扩容跟不上指标：用了 {seconds} 秒才从 {before} 到 {after}，而需要 {wanted} 个 worker"
-- detail = "{how}"
-- remedy = "放宽 ScaledObject 的 advanced.horizontalPodAutoscalerConfig.behavior.scaleUp（chart 中为 workers.keda.advanced）：例如策略 Pods 20 / 15 秒、selectPolicy Max、stabilizationWindowSeconds 0；或在已知高峰前提高 minReplicaCount。"
-- [text.zh.variants]
-- policy = "behavior.scaleUp 只允许 {rules}，扩容不得不等待（ScaleUpLimit）。"
-- disabled = "behavior.scaleUp 的 selectPolicy 为 Disabled：HPA 完全不允许扩容（ScaleUpLimit）。"
-- window = "behavior.scaleUp 的稳定窗口为 {window} 秒：HPA 取这段时间内的最低建议值（ScaleUpStabilized）。"
-- default = "没有 behavior 时，HPA 每次同步（15 秒）最多翻倍（至少到 4），这次高峰需要很多次同步（ScaleUpLimit）。"
-- ---
-- A few syncs of doubling are an ordinary ramp; what the setting adds is named once it lasts longer than two syncs with
-- rules of its own, or four without. The conditions stay as they were where no metric was fetched: only an answered
-- sync of a target with replicas counts.
WITH looks AS (
    SELECT m.target, m.moment, m.workers, h.ts, h.namespace || '/' || h.name AS key, h.current_replicas, h.desired_replicas, h.max_replicas, h.behavior, m.limited_reason,
        coalesce(m.answered AND h.current_replicas > 0 AND m.limited_reason = 'ScaleUpLimit', false) AS slow,
        coalesce(m.answered AND h.current_replicas > 0 AND m.able_reason = 'ScaleUpStabilized', false) AS held,
        lead(m.moment, 1, $end::TIMESTAMP) OVER (PARTITION BY m.target ORDER BY m.moment) AS until
    FROM metric_seen m JOIN targets t ON t.target = m.target JOIN hpas h ON h.uid = t.hpa_uid AND h.seen_at = m.moment AND h.change <> 'DELETED'
),
islands AS (SELECT *, sum(CASE WHEN slow OR held THEN 0 ELSE 1 END) OVER (PARTITION BY target ORDER BY moment) AS island FROM looks),
spans AS (
    SELECT target, greatest(min(moment), $start::TIMESTAMP) AS from_at, max(until) AS to_at, date_diff('millisecond', min(moment), max(until)) / 1000.0 AS seconds,
        min(current_replicas) AS before, max(desired_replicas) AS after, least(max(ceil(workers)), max(max_replicas)) AS wanted, arg_max(behavior, moment) AS behavior, count(*) FILTER (WHERE slow) > 0 AS slow,
        list({'table': 'hpas', 'ts': ts, 'key': key, 'text': CASE WHEN slow THEN 'ScaleUpLimit' ELSE 'ScaleUpStabilized' END || ': ' || current_replicas || ' -> ' || desired_replicas} ORDER BY moment)[1:5] AS evidence
    FROM islands WHERE slow OR held GROUP BY target, island
),
ruled AS (
    SELECT *, json_extract_string(behavior, '$.scaleUp.selectPolicy') AS choice, json_extract_string(behavior, '$.scaleUp.stabilizationWindowSeconds') AS window_s,
        array_to_string(list_transform(from_json(coalesce(json_extract(behavior, '$.scaleUp.policies'), '[]'), '[{"type":"VARCHAR","value":"INTEGER","periodSeconds":"INTEGER"}]'),
            lambda p: p.type || ' ' || p.value || ' / ' || p.periodSeconds || ' s'), ', ') AS rules
    FROM spans
),
named AS (
    SELECT *, CASE WHEN choice = 'Disabled' THEN 'disabled' WHEN NOT slow THEN 'window' WHEN coalesce(rules, '') = '' THEN 'default' ELSE 'policy' END AS how FROM ruled
)
SELECT from_at AS started_at, to_at AS ended_at, target, target AS subject,
    {'target': target, 'seconds': CAST(round(seconds) AS BIGINT), 'before': before, 'after': after, 'wanted': coalesce(CAST(wanted AS BIGINT), after), 'how': how, 'rules': coalesce(rules, ''), 'window': coalesce(window_s, '0')} AS params,
    0.93 AS confidence, evidence
FROM named WHERE to_at > from_at AND seconds > CASE how WHEN 'default' THEN $default_s ELSE $own_s END
