-- ---
-- id = "trigger_reads_other_database"
-- stage = "trigger"
-- holds = ["trigger", "decide"]
-- binds = "target"
-- component = "trigger"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "hpas", "polls"]
-- uses = ["workloads", "pods", "log_lines", "events", "gaps"]
-- explains = ["tasks_waiting", "metric_zero_with_demand", "replicas_below_demand", "workers_idle", "scale_down_kills_tasks", "grace_period_too_short", "sigterm_broadcast"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.empty_s = 60
-- params.beats = 5
-- params.syncs = 3
-- [text.en]
-- title = "The trigger of {target} reads something else than this metadata DB: its value never follows the table"
-- detail = "{why}. KEDA was answered all the while, so its connection works and leads elsewhere: another database or schema, or a replica that lags."
-- remedy = "Compare the trigger's connection with AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: host, dbName and search_path (connectionFromEnv: AIRFLOW_CONN_AIRFLOW_DB or KEDA_DB_CONN, Secret <release>-metadata, key kedaConnection; envSourceContainerName names the container whose environment is read)."
-- variants.why-beats = "KEDA found its trigger active in {n} polls (lastActiveTime) while the table held nothing that the query counts, for {seconds} s"
-- variants.why-values = "In {n} answers in a row the HPA was told {seen} worker(s) where the query makes {wanted} of the recorded rows, and never what they say"
-- [text.zh]
-- name = "触发器读取了别的库"
-- title = "{target} 的触发器读取的不是这个元数据库：其值从不跟随任务表变化"
-- detail = "{why}。KEDA 一直得到应答，说明它的连接可用，只是指向别处：另一个数据库或 schema，或延迟的副本。"
-- remedy = "核对触发器的连接与 AIRFLOW__DATABASE__SQL_ALCHEMY_CONN：host、dbName、search_path（connectionFromEnv：AIRFLOW_CONN_AIRFLOW_DB 或 KEDA_DB_CONN，Secret <release>-metadata 的 kedaConnection；envSourceContainerName 指定读取哪个容器的环境变量）。"
-- variants.why-beats = "任务表在 {seconds} 秒内没有任何查询会统计的行，而 KEDA 在 {n} 次轮询中认为触发器处于活动状态（lastActiveTime）"
-- variants.why-values = "HPA 连续 {n} 次得到的值是 {seen} 个 worker，而查询在记录的行上应得 {wanted} 个，且从未一致"
-- ---
-- Only where the answer is on record: a beat of lastActiveTime is an error-free poll above the activation value, a valid
-- metric of the HPA is an answer. At zero workers KEDA writes nothing, and silence proves nothing. Objects with several
-- triggers, and queries that nobody can re-run, are not judged.
WITH judged AS (
    SELECT t.target, t.scaledobject_uid, q.query, q.ts, t.trigger_target, t.polling_interval_s, t.activation_target,
        CASE WHEN len(regexp_extract_all(q.query, '/')) = 0 THEN 1.0
            WHEN len(regexp_extract_all(q.query, '/')) = 1 THEN try_cast(regexp_extract(q.query, '/\s*\(?\s*([0-9]+(?:\.[0-9]+)?)', 1) AS DOUBLE) END AS divisor
    FROM targets t JOIN trigger_queries q ON q.target = t.target
    WHERE q.translated AND NOT EXISTS (FROM scaledobjects o WHERE o.uid = t.scaledobject_uid AND json_array_length(o.triggers) > 1)
        AND NOT EXISTS (FROM gaps g WHERE g.source = 'task_instances' AND g.from_ts < $end::TIMESTAMP - INTERVAL 10 SECOND)
),
-- what the query would have counted: an attempt while queued or running, each if it counts that state
counted_spans AS (
    SELECT j.target, d.from_at, d.to_at FROM judged j JOIN counted c ON c.target = j.target AND c.in_queued AND c.in_running
    JOIN demand_spans d ON d.dag_id = c.dag_id AND d.run_id = c.run_id AND d.task_id = c.task_id AND d.map_index = c.map_index AND d.attempt = c.attempt
),
changes AS (
    SELECT target, from_at AS moment, 1 AS delta FROM counted_spans UNION ALL SELECT target, to_at, -1 FROM counted_spans WHERE to_at IS NOT NULL
    UNION ALL SELECT target, $start::TIMESTAMP, 0 FROM judged
),
steps AS (
    SELECT target, moment, lead(moment, 1, $end::TIMESTAMP) OVER (PARTITION BY target ORDER BY moment) AS until, sum(sum(delta)) OVER (PARTITION BY target ORDER BY moment) AS n
    FROM changes GROUP BY target, moment
),
-- a query that counts less or more than queued and running, or reckons otherwise than by one division, is not compared
plain AS (
    SELECT j.* FROM judged j JOIN trigger_queries q ON q.target = j.target AND q.counts_queued AND q.counts_running
    WHERE regexp_matches(j.query, '(?i)^\s*select\s+(ceil(ing)?\s*\(\s*)?(count\s*\(\s*(\*|1)\s*\)|cast\s*\(\s*count\s*\(\s*(\*|1)\s*\)\s+as\s+[a-z0-9 ,()]+\))\s*(::\s*\w+)?\s*(/\s*\(?\s*[0-9.]+\s*\)?\s*(::\s*\w+)?)?\s*\)?\s*(as\s+\w+\s+)?from\s')
        AND contains(j.query, 'queued') AND contains(j.query, 'running')
        AND NOT regexp_matches(j.query, '(?i)scheduled|deferred|restarting|up_for_|success|failed|skipped|state\s*(not|!=|<>|is)')
),
beats AS (
    SELECT p.target, s.moment AS from_at, s.until AS to_at, count(DISTINCT o.last_active_time) AS n, min(o.last_active_time) AS first_at, max(o.last_active_time) AS last_at
    FROM plain p JOIN steps s ON s.target = p.target AND s.n = 0 AND s.until >= s.moment + to_seconds($empty_s)
    JOIN scaledobjects o ON o.uid = p.scaledobject_uid AND o.active_status = 'True' AND o.last_active_time BETWEEN s.moment + to_seconds(2 * p.polling_interval_s + 10) AND s.until
    -- what the recorder could not read in the meantime the trigger may have seen
    WHERE NOT EXISTS (FROM polls b WHERE b.outcome <> 'ok' AND b.ts BETWEEN s.moment AND s.until) AND EXISTS (FROM polls b WHERE b.outcome = 'ok' AND b.ts BETWEEN s.moment AND s.until)
    GROUP BY ALL HAVING count(DISTINCT o.last_active_time) >= $beats
),
syncs AS (
    SELECT p.target, m.moment, m.workers, ceil(ceil(s.n / p.divisor) / p.trigger_target) AS wanted, s.n,
        m.moment >= s.moment + to_seconds(p.polling_interval_s + 20) AS settled
    FROM plain p JOIN metric_seen m ON m.target = p.target AND m.answered AND m.workers IS NOT NULL
    JOIN steps s ON s.target = p.target AND m.moment >= s.moment AND m.moment < s.until WHERE p.divisor > 0 AND p.trigger_target > 0
),
compared AS (SELECT *, abs(workers - wanted) > greatest(1, 0.25 * greatest(workers, wanted)) AS differs FROM syncs WHERE settled),
values_ AS (
    SELECT c.target, min(moment) AS from_at, max(moment) AS to_at, count(*) AS n, CAST(round(median(workers)) AS BIGINT) AS seen, CAST(round(median(wanted)) AS BIGINT) AS wanted
    FROM compared c GROUP BY c.target
    HAVING count(*) >= $syncs AND bool_and(differs) AND max(moment) >= min(moment) + INTERVAL 30 SECOND
        -- the table moved or held something: two idle databases look alike
        AND NOT EXISTS (FROM syncs x WHERE x.target = c.target AND NOT x.settled AND x.n > 0 AND abs(x.workers - x.wanted) <= 0.5)
),
proofs AS (
    SELECT b.target, 'why-beats' AS why, b.n, date_diff('second', b.from_at, b.to_at) AS seconds, 0 AS seen, 0 AS wanted, 0.93 AS confidence,
        [{'table': 'scaledobjects', 'ts': b.first_at, 'key': b.target, 'text': 'Active=True, lastActiveTime ' || strftime(b.first_at, '%H:%M:%S') || ' to ' || strftime(b.last_at, '%H:%M:%S')},
         {'table': 'task_instances', 'ts': b.from_at, 'key': 'state', 'text': 'nothing that the query counts until ' || strftime(b.to_at, '%H:%M:%S')}] AS evidence
    FROM beats b QUALIFY row_number() OVER (PARTITION BY b.target ORDER BY b.n DESC) = 1
    UNION ALL
    SELECT v.target, 'why-values', v.n, 0, v.seen, v.wanted, 0.85,
        [{'table': 'hpas', 'ts': v.from_at, 'key': v.target, 'text': 'metric of ' || v.seen || ' worker(s), the rows make ' || v.wanted}, {'table': 'hpas', 'ts': v.to_at, 'key': v.target, 'text': 'the last of ' || v.n || ' such answers'}]
    FROM values_ v WHERE v.target NOT IN (SELECT target FROM beats)
)
SELECT $start::TIMESTAMP AS started_at, $end::TIMESTAMP AS ended_at, x.target, x.target AS subject,
    {'target': x.target, 'why': x.why, 'n': x.n, 'seconds': x.seconds, 'seen': x.seen, 'wanted': x.wanted} AS params, x.confidence,
    x.evidence || [{'table': 'scaledobjects', 'ts': p.ts, 'key': x.target, 'text': p.query}] AS evidence
FROM proofs x JOIN plain p ON p.target = x.target
-- a served fallback value is no value of the trigger
WHERE NOT EXISTS (FROM scaledobjects o WHERE o.uid = p.scaledobject_uid AND o.fallback_status = 'True')
