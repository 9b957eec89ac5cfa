-- ---
-- id = "quiet_deployer"
-- group = "alibi"
-- component = "deployer"
-- needs = ["scaledobjects", "workloads"]
-- uses = ["events"]
-- [text.en]
-- because = "{said}"
-- variants.one = "the only change of spec.replicas was written by KEDA or the HPA"
-- variants.all = "all {n} changes of spec.replicas were written by KEDA or the HPA"
-- [text.zh]
-- because = "{said}"
-- variants.one = "spec.replicas 唯一一次变更由 KEDA 或 HPA 写入"
-- variants.all = "spec.replicas 的全部 {n} 次变更均由 KEDA 或 HPA 写入"
-- ---
SELECT target, {'n': count(*), 'said': CASE WHEN count(*) = 1 THEN 'one' ELSE 'all' END} AS params,
    list({'table': 'workloads', 'ts': moment, 'key': key, 'text': before || ' -> ' || after || ' by ' || author} ORDER BY moment)[1:2] AS evidence
FROM decisions GROUP BY target HAVING bool_and(author IN ('keda', 'hpa'))
