-- ---
-- id = "answering_database"
-- group = "alibi"
-- component = "metadata-db"
-- needs = ["polls"]
-- params.slow_ms = 2000
-- [text.en]
-- because = "it answered all {polls} of our polls, the slowest in {slowest} ms"
-- [text.zh]
-- because = "我们的 {polls} 次轮询全部得到应答，最慢 {slowest} 毫秒"
-- ---
SELECT '' AS target, {'polls': count(*), 'slowest': CAST(round(max(duration_ms)) AS BIGINT)} AS params,
    [{'table': 'polls', 'ts': arg_max(ts, duration_ms), 'key': 'metadata DB', 'text': 'slowest of ' || count(*) || ' polls: ' || round(max(duration_ms)) || ' ms'}] AS evidence
FROM polls HAVING count(*) > 0 AND bool_and(outcome = 'ok') AND max(duration_ms) < $slow_ms
