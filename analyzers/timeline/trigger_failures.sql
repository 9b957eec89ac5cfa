-- ---
-- id = "trigger_failures"
-- group = "timeline"
-- doc = "Spans in which KEDA could not read the trigger's source, by kind: auth, unreachable, slow; with the words that say so."
-- needs = ["scaledobjects"]
-- uses = ["events", "hpas", "log_lines"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- ---
-- One kind per text: a refused login is also "failed to connect", so the login is asked first. A database without a free
-- connection was reached and refused nobody in particular: another cause. A span ends when KEDA read the source again:
-- lastActiveTime moves at healthy polls only, while conditions stand still as long as the scaler cannot be built.
WITH said AS (
    SELECT t.target, 'events' AS source, e.seen_at, greatest(least(coalesce(e.first_ts, e.ts), e.ts), $start::TIMESTAMP) AS from_at, e.ts,
        e.object_namespace || '/' || e.object_name AS key, e.message AS text
    FROM events e JOIN targets t ON e.object_namespace = t.namespace AND e.object_name = t.name
    WHERE e.reason IN ('KEDAScalerFailed', 'KEDAMetricSourceFailed') AND e.ts >= $start::TIMESTAMP
    UNION ALL
    SELECT t.target, 'events', e.seen_at, e.ts, e.ts, e.object_namespace || '/' || e.object_name, e.message
    FROM events e JOIN targets t ON e.object_namespace = t.namespace AND e.object_name = t.hpa_name
    WHERE e.reason = 'FailedGetExternalMetric' AND e.ts >= $start::TIMESTAMP
    UNION ALL
    SELECT t.target, 'hpas', h.seen_at, h.seen_at, h.ts, h.namespace || '/' || h.name, h.active_message
    FROM hpas h JOIN targets t ON t.hpa_uid = h.uid
    WHERE h.active_status = 'False' AND h.active_reason LIKE 'FailedGet%' AND h.change <> 'DELETED' AND h.seen_at >= $start::TIMESTAMP
    UNION ALL
    SELECT t.target, 'log_lines', l.seen_at, l.ts, l.ts, coalesce(l.pod, l.component), l.text
    FROM log_lines l JOIN targets t ON regexp_matches(l.text, '"' || regexp_escape(t.name) || '"') AND contains(l.text, '"' || t.namespace || '"')
    WHERE l.pattern IN ('keda.build_error', 'keda.scaler_error', 'keda.db_error') AND l.ts >= $start::TIMESTAMP
),
kinds AS (
    SELECT *, CASE
        -- the HPA also quotes failures of the way to KEDA; only what the operator answered is about the source
        WHEN regexp_matches(text, 'Error while dialing|code = Unavailable|error trying to reach service') THEN NULL
        WHEN source <> 'log_lines' AND key NOT IN (SELECT target FROM targets) AND NOT regexp_matches(text, 'error when getting metric values|error getting scalers') THEN NULL
        WHEN regexp_matches(text, 'SQLSTATE (53300|42|22)|Error 10(40|54|64)|Error 1(146|305)|too many (connections|clients)|remaining connection slots|no more connections allowed') THEN NULL
        WHEN regexp_matches(text, 'SQLSTATE 28|password authentication failed|failed SASL auth|no pg_hba\.conf entry|Error 10(44|45)\b|Access denied for user|Login failed for user|no (host|port|userName|username|password|dbName|connection\w*) given|missing required parameter "(host|port|userName|username|password|dbName|connection\w*)"|error resolving secret')
            THEN 'auth'
        WHEN regexp_matches(text, 'SQLSTATE 57014|statement timeout|could not query (postgreSQL|MySQL|mssql): (timeout|context deadline exceeded)|max_statement_time exceeded|maximum statement execution time exceeded|lock timeout|SQLSTATE 55P03')
            THEN 'slow'
        WHEN regexp_matches(text, 'SQLSTATE (08|57P0[123]|3D000)|Error 1049|dial error|dial tcp|hostname resolving error|no such host|connection refused|no route to host|network is unreachable|failed to connect to|(server refused|does not support) (TLS|SSL)|SSL is not enabled on the server|tls error|error establishing (postgreSQL|MySQL|mssql) connection|could not query (postgreSQL|MySQL|mssql): .*(connection reset|broken pipe|unexpected EOF|bad connection)')
            THEN 'unreachable'
        END AS kind
    FROM said
),
beats AS (
    SELECT DISTINCT t.target, s.last_active_time AS moment FROM scaledobjects s JOIN targets t ON t.scaledobject_uid = s.uid
    WHERE s.last_active_time IS NOT NULL AND s.change <> 'DELETED'
    UNION
    SELECT target, moment FROM decisions WHERE author = 'keda' AND before = 0 AND after > 0
),
bounded AS (
    SELECT k.*,
        (SELECT min(b.moment) FROM beats b WHERE b.target = k.target AND b.moment > greatest(k.ts, k.from_at)) AS next_good_at,
        (SELECT max(b.moment) FROM beats b WHERE b.target = k.target AND b.moment <= greatest(k.ts, k.from_at)) AS last_good_at
    FROM kinds k WHERE k.kind IS NOT NULL
)
SELECT target, kind, min(greatest(from_at, coalesce(last_good_at, from_at))) AS from_at, least(coalesce(next_good_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at,
    count(*) AS reports, arg_min(text, from_at) AS message,
    coalesce(nullif(regexp_extract(arg_min(text, from_at), '(SQLSTATE [0-9A-Z]{5}|Error [0-9]{4})', 1), ''), '-') AS code,
    list({'table': source, 'ts': ts, 'key': key, 'text': text} ORDER BY ts)[1:4] AS evidence
FROM bounded GROUP BY target, kind, next_good_at
