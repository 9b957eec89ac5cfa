-- ---
-- id = "replicas_in_manifest"
-- group = "lint"
-- stage = "decide"
-- component = "deployer"
-- severity = "medium"
-- needs = ["scaledobjects", "workloads"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "A manifest of {writer} sets spec.replicas of {target}, which KEDA scales"
-- detail = "Each time it is applied the size jumps to that number, whatever the queue holds. {how}"
-- remedy = "Leave replicas out of the manifest (the chart does since 1.9.0 with workers.keda.enabled); Argo CD: ignoreDifferences on /spec/replicas with RespectIgnoreDifferences=true."
-- variants.applied = "It owns the field by server-side apply."
-- variants.after = "It wrote after KEDA or the HPA had."
-- [text.zh]
-- name = "清单中含有 replicas"
-- title = "{writer} 的清单设置了由 KEDA 伸缩的 {target} 的 spec.replicas"
-- detail = "每次应用清单，规模都会跳到该值，无论队列里有多少任务。{how}"
-- remedy = "从清单中去掉 replicas（chart 自 1.9.0 起在 workers.keda.enabled 时不再写入）；Argo CD：对 /spec/replicas 设置 ignoreDifferences 并启用 RespectIgnoreDifferences=true。"
-- variants.applied = "它通过 server-side apply 拥有该字段。"
-- variants.after = "它在 KEDA 或 HPA 写入之后又写了一次。"
-- ---
WITH writes AS (
    SELECT *, bool_or(replicas_manager IN ('keda-operator', 'keda', 'kube-controller-manager') OR replicas_subresource = 'scale') OVER (PARTITION BY target ORDER BY moment ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS scaled_before
    FROM replicas WHERE change <> 'DELETED' AND replicas_manager IS NOT NULL
),
found AS (
    SELECT target, replicas_manager AS writer, min(ts) AS ts, any_value(key) AS key, arg_min(desired, moment) AS desired, bool_or(replicas_operation = 'Apply') AS applied
    FROM writes WHERE replicas_manager NOT IN ('keda-operator', 'keda', 'kube-controller-manager') AND coalesce(replicas_subresource, '') <> 'scale'
        AND (replicas_operation = 'Apply' OR coalesce(scaled_before, false)) GROUP BY ALL
)
SELECT $start::TIMESTAMP AS started_at, $end::TIMESTAMP AS ended_at, target, target AS subject,
    {'target': target, 'writer': writer, 'how': CASE WHEN applied THEN 'applied' ELSE 'after' END} AS params, 0.9 AS confidence,
    [{'table': 'workloads', 'ts': ts, 'key': key, 'text': 'spec.replicas = ' || desired || ', written by ' || writer}] AS evidence
FROM found
