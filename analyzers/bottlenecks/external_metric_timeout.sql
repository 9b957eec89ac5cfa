-- ---
-- id = "external_metric_timeout"
-- stage = "metric"
-- holds = ["metric", "decide"]
-- binds = "target"
-- component = "keda-metrics-apiserver"
-- also = ["keda-operator", "metadata-db", "aggregation"]
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects", "hpas"]
-- uses = ["events", "apiservices", "polls", "workloads"]
-- explains = ["metric_unavailable", "replicas_below_demand", "tasks_waiting"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "The HPA of {target} got no metric for {seconds} s: {hop} did not answer"
-- detail = "{reports} failed request(s) on record. Which hop: {why}. Meanwhile the HPA keeps the last size and never goes up."
-- remedy = "{fix}"
-- [text.en.variants]
-- why-metadata-db = "the metadata DB failed or delayed {bad} of our own polls in the same time"
-- why-aggregation = "the APIService is not served ({api_reason})"
-- why-keda-operator = "the operator wrote lastActiveTime {beats} times where one per {poll} s is due, while the APIService stayed available"
-- why-grpc = "the metrics apiserver itself answered, and said that its gRPC call to the operator failed ({said})"
-- why-api-down = "the APIService was unavailable ({api_reason}), while the operator kept polling the database ({beats} beats of lastActiveTime)"
-- why-adapter = "the operator kept polling the database ({beats} beats of lastActiveTime), so the answers were lost before the HPA"
-- fix-metadata-db = "Find what locks or slows the metadata DB (pg_stat_activity, long transactions); give the trigger's connection a statement_timeout."
-- fix-aggregation = "Restore the Service and endpoints behind v1beta1.external.metrics.k8s.io."
-- fix-keda-operator = "Look at the keda-operator pod: hang, OOM, CPU throttling, its lease operator.keda.sh; restart it. connect_timeout and statement_timeout in the trigger's connection keep a slow database from hanging it."
-- fix-adapter = "Look at the keda-metrics-apiserver pod: hang, OOM, CPU throttling, network policy on 6443, certificates; restart it and check that APIService v1beta1.external.metrics.k8s.io is Available."
-- [text.zh]
-- name = "外部指标超时"
-- title = "{target} 的 HPA 有 {seconds} 秒拿不到指标：{hop} 没有应答"
-- detail = "记录到 {reports} 次失败的请求。环节判断：{why}。在此期间 HPA 保持原有副本数，不会扩容。"
-- remedy = "{fix}"
-- [text.zh.variants]
-- why-metadata-db = "同一时间元数据库使我们自己的 {bad} 次轮询失败或超时"
-- why-aggregation = "APIService 没有后端（{api_reason}）"
-- why-keda-operator = "operator 只写了 {beats} 次 lastActiveTime，而应当每 {poll} 秒一次；APIService 一直可用"
-- why-grpc = "metrics apiserver 自己给出了应答，说它对 operator 的 gRPC 调用失败（{said}）"
-- why-api-down = "APIService 不可用（{api_reason}），而 operator 一直在轮询数据库（lastActiveTime 更新 {beats} 次）"
-- why-adapter = "operator 一直在轮询数据库（lastActiveTime 更新 {beats} 次），应答在到达 HPA 之前丢失"
-- fix-metadata-db = "找出锁住或拖慢元数据库的会话（pg_stat_activity、长事务）；为触发器的连接设置 statement_timeout。"
-- fix-aggregation = "恢复 v1beta1.external.metrics.k8s.io 背后的 Service 与 endpoints。"
-- fix-keda-operator = "检查 keda-operator 的 Pod：卡死、OOM、CPU 限流、租约 operator.keda.sh；重启它。在触发器连接中设置 connect_timeout 和 statement_timeout，避免慢库把它拖住。"
-- fix-adapter = "检查 keda-metrics-apiserver 的 Pod：卡死、OOM、CPU 限流、6443 端口的网络策略、证书；重启后确认 APIService v1beta1.external.metrics.k8s.io 恢复 Available。"
-- ---
-- An answer that is an error (the operator said what went wrong) is trigger_query_error or trigger_auth_failure.
WITH silent AS (
    SELECT m.*, regexp_extract(array_to_string(m.messages, ' '), 'rpc error: code = (?:Unavailable|DeadlineExceeded) desc = [^"]{0,60}|timeout while waiting to establish gRPC connection') AS said
    FROM metric_trouble m
    WHERE regexp_matches(array_to_string(m.messages, ' '), 'currently unable to handle the request|did not complete within|unable to return a response in the time|context deadline exceeded|timeout while waiting to establish|code = (Unavailable|DeadlineExceeded)')
),
beats AS (
    SELECT uid, beat, row_number() OVER (PARTITION BY uid ORDER BY beat) AS n
    FROM (SELECT DISTINCT uid, last_active_time AS beat FROM scaledobjects WHERE last_active_time IS NOT NULL)
),
heart AS (
    SELECT s.target, s.from_at, t.polling_interval_s, coalesce(l.n, 0) - coalesce(f.n, 0) AS beats, l.beat AS last_beat, o.active_at <= s.to_at AS was_active
    FROM silent s JOIN targets t ON t.target = s.target
    JOIN (SELECT uid, min(seen_at) FILTER (WHERE active_status = 'True') AS active_at FROM scaledobjects GROUP BY uid) o ON o.uid = t.scaledobject_uid
    ASOF LEFT JOIN beats l ON l.uid = t.scaledobject_uid AND s.to_at >= l.beat
    ASOF LEFT JOIN beats f ON f.uid = t.scaledobject_uid AND s.from_at > f.beat
),
-- from one beat to the next, while the trigger was active: a pause may have begun before the recording
pauses AS (
    SELECT s.target, s.from_at, max(date_diff('millisecond', b.beat, coalesce(b.next_beat, s.to_at)) / 1000.0) AS longest
    FROM silent s JOIN targets t ON t.target = s.target
    JOIN (SELECT uid, beat, lead(beat) OVER (PARTITION BY uid ORDER BY beat) AS next_beat
        FROM (SELECT DISTINCT uid, last_active_time AS beat FROM scaledobjects WHERE active_status = 'True' AND last_active_time IS NOT NULL)) b
        ON b.uid = t.scaledobject_uid AND b.beat < s.to_at
        -- shorter ones are told by nobody below
        AND (b.next_beat IS NULL OR date_diff('millisecond', b.beat, b.next_beat) / 1000.0 > 3 * t.polling_interval_s)
    WHERE 2 * date_diff('millisecond', greatest(b.beat, s.from_at), least(coalesce(b.next_beat, s.to_at), s.to_at)) > date_diff('millisecond', s.from_at, s.to_at)
        AND NOT EXISTS (FROM scaledobjects o WHERE o.uid = b.uid AND o.active_status = 'False' AND o.seen_at > b.beat AND o.seen_at < coalesce(b.next_beat, s.to_at))
    GROUP BY ALL
),
api AS (
    SELECT s.target, s.from_at, min(a.seen_at) AS ts, arg_min(a.available_reason, a.seen_at) AS reason, arg_min(a.available_message, a.seen_at) AS message, any_value(a.name) AS name
    FROM silent s JOIN apiservices a ON a.name LIKE '%external.metrics.k8s.io' AND a.available_status = 'False' AND a.seen_at BETWEEN s.from_at - INTERVAL 35 SECOND AND s.to_at
    GROUP BY ALL
),
db AS (
    SELECT s.target, s.from_at, count(*) AS bad, min(p.ts) AS ts, sum(p.duration_ms) / 1000.0 AS bad_s
    FROM silent s JOIN polls p ON p.ts BETWEEN s.from_at AND s.to_at WHERE p.outcome <> 'ok' OR p.duration_ms > 2000 GROUP BY ALL
),
judged AS (
    SELECT s.*, date_diff('millisecond', s.from_at, s.to_at) / 1000.0 AS seconds, h.beats, h.last_beat, h.polling_interval_s, a.ts AS api_ts, a.reason AS api_reason, a.message AS api_message, a.name AS api_name, d.bad, d.ts AS db_ts,
        CASE
            WHEN coalesce(d.bad_s, 0) > 0.3 * date_diff('millisecond', s.from_at, s.to_at) / 1000.0 THEN 'metadata-db'
            WHEN a.reason IN ('ServiceNotFound', 'ServicePortError', 'ServiceAccessError') THEN 'aggregation'
            WHEN a.ts IS NOT NULL THEN 'keda-metrics-apiserver'
            -- an apiserver that names the hop behind it has answered
            WHEN s.said <> '' THEN 'keda-operator'
            -- KEDA rewrites lastActiveTime at every healthy poll of an active trigger: half of the beats is generous
            WHEN h.was_active AND h.beats < 0.5 * date_diff('millisecond', s.from_at, s.to_at) / 1000.0 / h.polling_interval_s THEN 'keda-operator'
            WHEN z.longest > 3 * h.polling_interval_s THEN 'keda-operator'
            ELSE 'keda-metrics-apiserver'
        END AS hop
    FROM silent s
    LEFT JOIN heart h ON h.target = s.target AND h.from_at = s.from_at
    LEFT JOIN pauses z ON z.target = s.target AND z.from_at = s.from_at
    LEFT JOIN api a ON a.target = s.target AND a.from_at = s.from_at
    LEFT JOIN db d ON d.target = s.target AND d.from_at = s.from_at
)
SELECT from_at AS started_at, to_at AS ended_at, target, target AS subject, hop AS component,
    {'target': target, 'seconds': CAST(round(seconds) AS BIGINT), 'reports': reports, 'hop': hop, 'bad': coalesce(bad, 0),
     'beats': coalesce(beats, 0), 'poll': polling_interval_s, 'api_reason': coalesce(api_reason, '-'),
     'said': said, 'why': CASE WHEN hop = 'keda-operator' AND said <> '' THEN 'why-grpc' WHEN hop <> 'keda-metrics-apiserver' THEN 'why-' || hop WHEN api_ts IS NOT NULL THEN 'why-api-down' ELSE 'why-adapter' END,
     'fix': CASE WHEN hop <> 'keda-metrics-apiserver' THEN 'fix-' || hop ELSE 'fix-adapter' END} AS params,
    CASE WHEN api_ts IS NOT NULL OR hop IN ('keda-operator', 'metadata-db') THEN 0.95 ELSE 0.7 END AS confidence,
    evidence[1:3]
    || CASE WHEN api_ts IS NULL THEN [] ELSE [{'table': 'apiservices', 'ts': api_ts, 'key': api_name, 'text': 'Available=False ' || api_reason || ': ' || api_message}] END
    || CASE WHEN hop = 'metadata-db' THEN [{'table': 'polls', 'ts': db_ts, 'key': 'metadata DB', 'text': bad || ' polls failed or slow'}]
        WHEN last_beat IS NULL THEN []
        ELSE [{'table': 'scaledobjects', 'ts': last_beat, 'key': target, 'text': 'lastActiveTime moved ' || beats || ' times in ' || round(seconds) || ' s (pollingInterval ' || polling_interval_s || ' s)'}] END AS evidence
FROM judged
