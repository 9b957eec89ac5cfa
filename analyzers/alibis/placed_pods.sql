-- ---
-- id = "placed_pods"
-- group = "alibi"
-- component = "nodes"
-- needs = ["scaledobjects", "workloads", "pods"]
-- params.ordinary_s = 15
-- [text.en]
-- because = "{said}"
-- variants.one = "the only worker pod got a node within {slowest} s"
-- variants.all = "all {pods} worker pods got a node within {slowest} s"
-- [text.zh]
-- because = "{said}"
-- variants.one = "唯一的 worker Pod 在 {slowest} 秒内调度到节点"
-- variants.all = "{pods} 个 worker Pod 全部在 {slowest} 秒内调度到节点"
-- ---
SELECT target, {'pods': count(*), 'said': CASE WHEN count(*) = 1 THEN 'one' ELSE 'all' END, 'slowest': ceil(max(date_diff('millisecond', created_at, scheduled_at)) / 1000.0)} AS params,
    [{'table': 'pods', 'ts': arg_max(created_at, date_diff('millisecond', created_at, scheduled_at)), 'key': arg_max(namespace || '/' || name, date_diff('millisecond', created_at, scheduled_at)), 'text': 'PodScheduled=True on ' || coalesce(any_value(node), '?')}] AS evidence
FROM worker_pods GROUP BY target
HAVING count(*) > 0 AND bool_and(scheduled_at IS NOT NULL AND scheduled_at <= created_at + to_seconds($ordinary_s))
