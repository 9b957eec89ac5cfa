-- ---
-- id = "obedient_hpa"
-- group = "alibi"
-- component = "hpa"
-- needs = ["hpas", "scaledobjects"]
-- [text.en]
-- because = "{why}"
-- [text.en.variants]
-- mixed = "it kept asking; where it got an answer it followed it, where it got none it kept its size as it must"
-- followed = "every recorded decision follows from the metric that it was given"
-- starved = "it kept asking and got no metric; without one it must keep its size"
-- disabled = "at zero replicas it does nothing by design (ScalingDisabled)"
-- [text.zh]
-- because = "{why}"
-- [text.zh.variants]
-- mixed = "它一直在请求指标：有应答时照做，没有应答时按规则保持副本数"
-- followed = "记录到的每个决策都符合它拿到的指标"
-- starved = "它一直在请求却拿不到指标；没有指标时必须保持副本数"
-- disabled = "副本数为零时它按设计不工作（ScalingDisabled）"
-- ---
WITH views AS (
    SELECT t.target, h.*, h.namespace || '/' || h.name AS key FROM targets t JOIN hpas h ON h.uid = t.hpa_uid AND h.change <> 'DELETED'
),
facts AS (
    SELECT target, count(*) FILTER (WHERE active_status = 'True') AS valid, max(ts) FILTER (WHERE active_status = 'True') AS valid_ts,
        count(*) FILTER (WHERE active_status = 'False' AND active_reason LIKE 'FailedGet%') AS failed, max(ts) FILTER (WHERE active_status = 'False' AND active_reason LIKE 'FailedGet%') AS failed_ts,
        max(ts) FILTER (WHERE active_reason = 'ScalingDisabled') AS disabled_ts, any_value(key) AS key
    FROM views GROUP BY target
),
-- with a healthy metric it asks for ceil(metric/target) or what limits, tolerance and windows make of it: never less than
-- the metric inside its own bounds, unless a rate limit or a window says so
short AS (
    SELECT target FROM metric_seen
    WHERE answered AND desired_replicas < least(max_replicas, ceil((current_milli - 1) * status_replicas / target_milli / 1.1))
        AND workers IS NOT NULL AND limited_reason IS DISTINCT FROM 'ScaleUpLimit' AND able_reason IS DISTINCT FROM 'ScaleUpStabilized'
)
SELECT target,
    {'why': CASE WHEN valid > 0 AND failed > 0 THEN 'mixed' WHEN valid > 0 THEN 'followed' WHEN failed > 0 THEN 'starved' ELSE 'disabled' END} AS params,
    CASE WHEN valid > 0 THEN [{'table': 'hpas', 'ts': valid_ts, 'key': key, 'text': 'ScalingActive=True ValidMetricFound'}] ELSE [] END
    || CASE WHEN failed > 0 THEN [{'table': 'hpas', 'ts': failed_ts, 'key': key, 'text': 'ScalingActive=False, the request failed'}] ELSE [] END
    || CASE WHEN valid = 0 AND failed = 0 THEN [{'table': 'hpas', 'ts': disabled_ts, 'key': key, 'text': 'ScalingActive=False ScalingDisabled'}] ELSE [] END AS evidence
FROM facts ANTI JOIN short USING (target) WHERE (valid > 0 OR failed > 0 OR disabled_ts IS NOT NULL)
