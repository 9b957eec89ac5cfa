-- ---
-- id = "polling_operator"
-- group = "alibi"
-- component = "keda-operator"
-- needs = ["scaledobjects"]
-- uses = ["task_instances", "dag_runs"]
-- params.slack_s = 10
-- [text.en]
-- because = "{why}"
-- [text.en.variants]
-- empty = "nothing that its query counts was ever queued, so it rightly saw 0"
-- polled = "it saw the work within {lag} s and polled {polls} times on record, at most {apart} s apart (pollingInterval {poll} s)"
-- [text.zh]
-- because = "{why}"
-- [text.zh.variants]
-- empty = "它的查询所统计的任务从未排队，因此看到 0 是如实反映"
-- polled = "它在 {lag} 秒内看到任务，记录到 {polls} 次轮询，间隔最多 {apart} 秒（pollingInterval {poll} 秒）"
-- ---
WITH beats AS (
    SELECT t.target, t.polling_interval_s, s.last_active_time AS moment, min(s.ts) AS ts
    FROM scaledobjects s JOIN targets t ON t.scaledobject_uid = s.uid
    WHERE s.last_active_time IS NOT NULL AND s.change <> 'DELETED' GROUP BY ALL
),
paused AS (
    SELECT target, count(*) AS n, max(ts) AS ts, max(gap) AS gap, any_value(polling_interval_s) AS poll
    FROM (SELECT *, date_diff('millisecond', lag(moment) OVER (PARTITION BY target ORDER BY moment), moment) / 1000.0 AS gap FROM beats)
    GROUP BY target
),
-- beats of an active trigger are due while it counts something
demand AS (
    SELECT q.target, min(q.from_at) AS from_at FROM queued_spans q WHERE q.counted GROUP BY q.target
),
first_beat AS (SELECT target, min(moment) AS moment FROM beats GROUP BY target),
idle AS (
    SELECT t.target, max(s.ts) AS ts, any_value(s.active_reason) AS reason
    FROM targets t JOIN scaledobjects s ON s.uid = t.scaledobject_uid AND s.active_status = 'False' AND s.change <> 'DELETED' GROUP BY t.target
)
SELECT t.target,
    {'why': CASE WHEN d.target IS NULL THEN 'empty' ELSE 'polled' END,
     'lag': greatest(0, CAST(round(date_diff('millisecond', d.from_at, f.moment) / 1000.0) AS BIGINT)), 'polls': p.n,
     'apart': CAST(ceil(coalesce(p.gap, t.polling_interval_s)) AS BIGINT), 'poll': t.polling_interval_s} AS params,
    CASE WHEN d.target IS NULL THEN [{'table': 'scaledobjects', 'ts': i.ts, 'key': t.target, 'text': 'Active=False ' || coalesce(i.reason, '')}]
        ELSE [{'table': 'scaledobjects', 'ts': p.ts, 'key': t.target, 'text': 'lastActiveTime moved ' || p.n || ' times'}] END AS evidence
FROM targets t
LEFT JOIN demand d ON d.target = t.target
LEFT JOIN paused p ON p.target = t.target
LEFT JOIN first_beat f ON f.target = t.target
LEFT JOIN idle i ON i.target = t.target
WHERE (d.target IS NULL AND i.ts IS NOT NULL)
    OR (f.moment <= d.from_at + to_seconds(t.polling_interval_s + $slack_s)
        -- a pause of the beats is only a pause of the work when the trigger was idle in between
        AND NOT EXISTS (
            SELECT 1 FROM (SELECT target, moment, lead(moment) OVER (PARTITION BY target ORDER BY moment) AS next_at FROM beats) g
            JOIN queued_spans q ON q.target = g.target AND q.counted AND q.from_at < g.next_at - to_seconds(t.polling_interval_s + $slack_s)
                AND q.to_at > g.moment + to_seconds(2 * t.polling_interval_s + $slack_s)
            WHERE g.target = t.target AND g.next_at > g.moment + to_seconds(3 * t.polling_interval_s + $slack_s)))
