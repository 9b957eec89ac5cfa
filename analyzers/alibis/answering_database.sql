-- ---
-- id = "answering_database"
-- group = "alibi"
-- component = "metadata-db"
-- needs = ["polls"]
-- params.slow_ms = 2000
-- [text.en]
-- because = "{said}"
-- variants.one = "it answered our only poll in {slowest} ms"
-- variants.all = "it answered all {polls} of our polls, the slowest in {slowest} ms"
-- [text.zh]
-- because = "{said}"
-- variants.one = "我们唯一的一次轮询在 {slowest} 毫秒内得到应答"
-- variants.all = "我们的 {polls} 次轮询全部得到应答，最慢 {slowest} 毫秒"
-- ---
SELECT '' AS target, {'polls': count(*), 'said': CASE WHEN count(*) = 1 THEN 'one' ELSE 'all' END, 'slowest': CAST(round(max(duration_ms)) AS BIGINT)} AS params,
    [{'table': 'polls', 'ts': arg_max(ts, duration_ms), 'key': 'metadata DB', 'text': 'slowest of ' || count(*) || ' polls: ' || round(max(duration_ms)) || ' ms'}] AS evidence
FROM polls HAVING count(*) > 0 AND bool_and(outcome = 'ok') AND max(duration_ms) < $slow_ms
