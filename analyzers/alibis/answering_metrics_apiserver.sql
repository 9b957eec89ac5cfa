-- ---
-- id = "answering_metrics_apiserver"
-- group = "alibi"
-- component = "keda-metrics-apiserver"
-- needs = ["hpas", "scaledobjects"]
-- uses = ["events", "apiservices", "workloads"]
-- [text.en]
-- because = "no request of the HPA failed; {answers} valid answers on record, APIService available"
-- [text.zh]
-- because = "HPA 的请求没有失败；记录到 {answers} 次有效应答，APIService 可用"
-- ---
WITH answers AS (
    SELECT t.target, count(*) FILTER (WHERE h.active_status = 'True') AS n, max(h.ts) FILTER (WHERE h.active_status = 'True') AS ts,
        max(h.ts) FILTER (WHERE h.active_reason = 'ScalingDisabled') AS disabled_ts, any_value(h.namespace || '/' || h.name) AS key
    FROM targets t JOIN hpas h ON h.uid = t.hpa_uid AND h.change <> 'DELETED' GROUP BY t.target
),
api AS (
    SELECT count(*) FILTER (WHERE available_status <> 'True') AS bad, max(ts) FILTER (WHERE available_status = 'True') AS ts, any_value(name) AS name
    FROM apiservices WHERE name LIKE '%external.metrics.k8s.io' AND change <> 'DELETED'
)
SELECT a.target, {'answers': a.n} AS params,
    CASE WHEN a.ts IS NULL THEN [] ELSE [{'table': 'hpas', 'ts': a.ts, 'key': a.key, 'text': 'ScalingActive=True ValidMetricFound'}] END
    || CASE WHEN api.ts IS NULL THEN [] ELSE [{'table': 'apiservices', 'ts': api.ts, 'key': api.name, 'text': 'Available=True'}] END AS evidence
FROM answers a CROSS JOIN api
WHERE api.bad = 0 AND (a.n > 0 OR (a.disabled_ts IS NOT NULL AND api.ts IS NOT NULL))
    AND a.target NOT IN (SELECT target FROM metric_trouble)
