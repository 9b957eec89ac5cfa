-- ---
-- id = "startup_timeout_of_hours"
-- group = "lint"
-- stage = "execute"
-- component = "kubernetes-pod-operator"
-- severity = "medium"
-- needs = ["log_lines"]
-- params.long_s = 3600
-- [text.en]
-- title = "startup_timeout_seconds of {task} is {hours} h: a pod that never starts holds a worker slot as long"
-- detail = "The operator said that it would wait {seconds} s for its pod. A start takes seconds to minutes, node boot included; whatever takes longer will not come."
-- remedy = "startup_timeout_seconds (and schedule_timeout_seconds, provider 10.5 on) to 300 to 600 s, with retries; deferrable=True gives the slot back meanwhile."
-- [text.zh]
-- name = "启动超时长达数小时"
-- title = "{task} 的 startup_timeout_seconds 为 {hours} 小时：永远起不来的 Pod 会同样久地占用 worker 槽位"
-- detail = "算子表示会为其 Pod 等待 {seconds} 秒。启动只需数秒到数分钟（含节点启动）；超过这个时间的不会再来。"
-- remedy = "把 startup_timeout_seconds（provider 10.5 起还有 schedule_timeout_seconds）设为 300 到 600 秒并配合 retries；deferrable=True 可在等待时让出槽位。"
-- ---
WITH said AS (
    SELECT coalesce(json_extract_string(fields, '$.task_id'), regexp_extract(source, '([^/]*)\.attempt=', 1), source) AS task, try_cast(json_extract_string(fields, '$.s') AS INTEGER) AS seconds, ts, source, text
    FROM log_lines WHERE pattern IN ('kpo.timeout_old', 'kpo.timeout_schedule', 'kpo.timeout_start')
)
SELECT min(ts) AS started_at, max(ts) AS ended_at, '' AS target, task AS subject,
    {'task': task, 'seconds': max(seconds), 'hours': round(max(seconds) / 3600.0, 1)} AS params, 0.95 AS confidence,
    list({'table': 'log_lines', 'ts': ts, 'key': source, 'text': text} ORDER BY ts)[1:2] AS evidence
FROM said WHERE seconds >= $long_s GROUP BY task
