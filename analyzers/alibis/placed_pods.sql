-- ---
-- id = "placed_pods"
-- group = "alibi"
-- component = "nodes"
-- needs = ["scaledobjects", "workloads", "pods"]
-- params.ordinary_s = 15
-- [text.en]
-- because = "all {pods} worker pods got a node within {slowest} s"
-- [text.zh]
-- because = "{pods} 个 worker Pod 全部在 {slowest} 秒内调度到节点"
-- ---
SELECT target, {'pods': count(*), 'slowest': ceil(max(date_diff('millisecond', created_at, scheduled_at)) / 1000.0)} AS params,
    [{'table': 'pods', 'ts': arg_max(created_at, date_diff('millisecond', created_at, scheduled_at)), 'key': arg_max(namespace || '/' || name, date_diff('millisecond', created_at, scheduled_at)), 'text': 'PodScheduled=True on ' || coalesce(any_value(node), '?')}] AS evidence
FROM worker_pods GROUP BY target
HAVING count(*) > 0 AND bool_and(scheduled_at IS NOT NULL AND scheduled_at <= created_at + to_seconds($ordinary_s))
