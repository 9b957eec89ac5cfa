-- ---
-- id = "metric_unavailable"
-- group = "symptom"
-- stage = "metric"
-- component = "hpa"
-- severity = "high"
-- needs = ["scaledobjects", "hpas"]
-- uses = ["events", "apiservices", "workloads"]
-- params.min_s = 15
-- [text.en]
-- title = "The HPA of {target} had no metric for {seconds} s"
-- detail = "It asked and got: {message}. Meanwhile it holds the size that it has, or scales up by the metrics that it still gets; it never scales down."
-- remedy = "Which hop failed, and why, is named with this symptom; without a name: kubectl get apiservice v1beta1.external.metrics.k8s.io, then the logs of keda-operator-metrics-apiserver and keda-operator."
-- [text.zh]
-- name = "指标不可用"
-- title = "{target} 的 HPA 有 {seconds} 秒取不到指标"
-- detail = "请求得到的是：{message}。期间它保持现有规模，或仅按仍可取得的指标扩容；绝不会缩容。"
-- remedy = "哪一环失败及其原因见此症状旁列出的原因；若没有列出：先看 kubectl get apiservice v1beta1.external.metrics.k8s.io，再看 keda-operator-metrics-apiserver 与 keda-operator 的日志。"
-- ---
SELECT min(from_at) AS started_at, max(to_at) AS ended_at, target, target AS subject,
    {'target': target, 'seconds': CAST(round(sum(date_diff('millisecond', from_at, to_at)) / 1000.0) AS BIGINT), 'message': left(arg_min(first_message, from_at), 300)} AS params,
    0.95 AS confidence, arg_min(evidence, from_at)[1:4] AS evidence
FROM metric_trouble GROUP BY target HAVING sum(date_diff('millisecond', from_at, to_at)) / 1000.0 >= $min_s
