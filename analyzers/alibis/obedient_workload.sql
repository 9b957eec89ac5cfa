-- ---
-- id = "obedient_workload"
-- group = "alibi"
-- component = "workload"
-- needs = ["scaledobjects", "workloads"]
-- params.ordinary_s = 15
-- [text.en]
-- because = "pods followed spec.replicas within {lag} s, {steps} step(s)"
-- [text.zh]
-- because = "Pod 数在 {lag} 秒内跟上 spec.replicas，共 {steps} 步"
-- ---
WITH ups AS (SELECT * FROM decisions WHERE after > before),
reached AS (
    SELECT u.target, u.moment, u.after, (SELECT min(r.moment) FROM replicas r WHERE r.target = u.target AND r.moment >= u.moment AND r.current >= u.after) AS reached_at,
        (SELECT min(d.moment) FROM decisions d WHERE d.target = u.target AND d.moment > u.moment) AS changed_at
    FROM ups u
)
SELECT target, {'lag': ceil(max(date_diff('millisecond', moment, reached_at)) / 1000.0), 'steps': count(*)} AS params,
    [{'table': 'workloads', 'ts': max(reached_at), 'key': target, 'text': 'status.replicas = ' || arg_max(after, reached_at)}] AS evidence
FROM reached GROUP BY target
HAVING count(*) > 0 AND bool_and(reached_at IS NOT NULL AND reached_at <= moment + to_seconds($ordinary_s))
