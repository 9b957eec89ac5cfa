-- ---
-- id = "deferred_backlog"
-- stage = "execute"
-- component = "triggerer"
-- severity = "high"
-- needs = ["task_instances", "jobs", "polls"]
-- uses = ["log_lines", "pods"]
-- explains = ["tasks_waiting", "workers_idle"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.threshold_s = 30
-- params.wake_s = 120
-- [text.en]
-- title = "{what}"
-- detail = "{why}. {tasks} deferred task(s) were held up by it; a deferred task is no demand for workers, so nothing else shows it."
-- remedy = "{fix}"
-- variants.what-dead = "No triggerer was alive for {seconds} s while tasks were deferred"
-- variants.what-blocked = "The triggerer {pod} was blocked for {seconds} s by one of its triggers"
-- variants.what-full = "The triggerer {pod} is full: it takes no more than {cap} triggers"
-- variants.why-dead = "The last heartbeat of a TriggererJob was at {last}, the next at {next}; the metadata DB answered our polls meanwhile"
-- variants.why-blocked = "A trigger that does not await stops the event loop of all"
-- variants.why-full = "Up to {deferred} tasks were deferred at once, {over} more than it holds; their triggers run nowhere"
-- variants.fix-dead = "Look at the triggerer's pod (describe, logs --previous): crash, OOM, replicas 0. Run two (triggerer.replicas in the chart); its own ScaledObject (triggerer.keda) must not go to 0 while triggers exist."
-- variants.fix-blocked = "Find the trigger that blocks (the line comes right after it ran) and let it await; PYTHONASYNCIODEBUG=1 in the triggerer's environment names it."
-- variants.fix-full = "Add triggerers (triggerer.replicas, or triggerer.keda in the chart), or raise AIRFLOW__TRIGGERER__CAPACITY (DEFAULT_CAPACITY before Airflow 3) above {cap}."
-- [text.zh]
-- name = "deferred 任务积压"
-- title = "{what}"
-- detail = "{why}。{tasks} 个 deferred 任务因此被耽搁；deferred 任务不构成对 worker 的需求，所以别处看不到。"
-- remedy = "{fix}"
-- variants.what-dead = "有任务处于 deferred 时，{seconds} 秒内没有存活的 triggerer"
-- variants.what-blocked = "triggerer {pod} 被某个触发器阻塞了 {seconds} 秒"
-- variants.what-full = "triggerer {pod} 已满：最多承载 {cap} 个触发器"
-- variants.why-dead = "TriggererJob 最后一次心跳在 {last}，下一次在 {next}；期间元数据库正常响应了我们的轮询"
-- variants.why-blocked = "不 await 的触发器会停住所有触发器的事件循环"
-- variants.why-full = "同时处于 deferred 的任务多达 {deferred} 个，比其容量多 {over} 个；它们的触发器没有在任何地方运行"
-- variants.fix-dead = "检查 triggerer 的 Pod（describe、logs --previous）：崩溃、OOM、副本为 0。运行两个（chart 的 triggerer.replicas）；只要还有触发器，其自身的 ScaledObject（triggerer.keda）就不能缩到 0。"
-- variants.fix-blocked = "找出阻塞的触发器（该日志紧随其后）并改为 await；在 triggerer 的环境变量中设置 PYTHONASYNCIODEBUG=1 可以指出它。"
-- variants.fix-full = "增加 triggerer（chart 的 triggerer.replicas 或 triggerer.keda），或把 AIRFLOW__TRIGGERER__CAPACITY（Airflow 3 之前为 DEFAULT_CAPACITY）提高到 {cap} 以上。"
-- ---
-- 30 s: triggerer_health_check_threshold. When an event came nobody knows while nobody listened: the price is the time of
-- those that woke up right after, and of those that never did in the recording. Deferred is not runnable, so these
-- seconds are in no stage of `waits`; the finding brings its own price.
WITH deferred AS (SELECT dag_id, run_id, task_id, map_index, attempt, from_at, to_at, to_at >= $end::TIMESTAMP AS still FROM stays WHERE state = 'deferred' AND to_at > from_at),
bounds AS (SELECT min(from_at) AS from_at, max(to_at) AS to_at FROM deferred),
beats AS (SELECT latest_heartbeat AS moment, arg_max(ts, seen_at) AS ts, arg_max(id, seen_at) AS id FROM jobs WHERE job_type = 'TriggererJob' AND state = 'running' AND latest_heartbeat IS NOT NULL GROUP BY ALL),
silent AS (
    SELECT moment AS last_at, ts, id, greatest(moment, b.from_at, $start::TIMESTAMP) AS from_at, least(next_at, b.to_at) AS to_at, next_at
    FROM (SELECT *, lead(moment, 1, 'infinity'::TIMESTAMP) OVER (ORDER BY moment) AS next_at FROM beats) CROSS JOIN bounds b
    WHERE next_at > moment + to_seconds($threshold_s)
    UNION ALL
    SELECT NULL, NULL, NULL, greatest(b.from_at, $start::TIMESTAMP), least(b.to_at, coalesce((SELECT min(moment) FROM beats), 'infinity')), coalesce((SELECT min(moment) FROM beats), 'infinity') FROM bounds b
    -- only where jobs were read at all
    WHERE EXISTS (FROM jobs WHERE job_type = 'SchedulerJob')
),
dead AS (
    SELECT 'dead' AS kind, s.from_at, s.to_at, coalesce(s.next_at, 'infinity') AS back_at, '' AS pod, 0 AS cap, s.last_at,
        [CASE WHEN s.last_at IS NULL THEN {'table': 'polls', 'ts': (SELECT min(p.ts) FROM polls p WHERE p.outcome = 'ok' AND p.ts >= s.from_at), 'key': 'metadata DB', 'text': 'no TriggererJob is running'}
            ELSE {'table': 'jobs', 'ts': s.ts, 'key': 'id=' || s.id, 'text': 'TriggererJob, last heartbeat ' || strftime(s.last_at, '%H:%M:%S')} END] AS evidence
    FROM silent s
    WHERE s.to_at >= s.from_at + to_seconds($threshold_s)
        -- silence of the recorder or of the DB is not silence of the triggerer
        AND (SELECT count(*) FROM polls p WHERE p.outcome = 'ok' AND p.ts BETWEEN s.from_at AND s.to_at) >= 3
        AND (SELECT count(*) FROM polls p WHERE p.outcome <> 'ok' AND p.ts BETWEEN s.from_at AND s.to_at) = 0
        AND NOT EXISTS (SELECT 1 FROM (SELECT ts, lead(ts) OVER (ORDER BY ts) AS next_ts FROM polls WHERE outcome = 'ok') p WHERE p.ts < s.to_at AND p.next_ts > s.from_at AND p.next_ts > p.ts + to_seconds($threshold_s))
),
blocked AS (
    SELECT 'blocked', greatest(l.ts - to_milliseconds(CAST(1000 * try_cast(json_extract_string(l.fields, '$.s') AS DOUBLE) AS BIGINT)), $start::TIMESTAMP), l.ts, l.ts, coalesce(l.pod, ''), 0, NULL::TIMESTAMP,
        [{'table': 'log_lines', 'ts': l.ts, 'key': coalesce(l.pod, ''), 'text': l.text}]
    FROM log_lines l WHERE l.pattern = 'trig.blocked' AND try_cast(json_extract_string(l.fields, '$.s') AS DOUBLE) >= 1
),
full_ones AS (
    SELECT 'full', min(ts), max(ts), 'infinity'::TIMESTAMP, coalesce(pod, ''), max(try_cast(json_extract_string(fields, '$.n') AS INTEGER)), NULL::TIMESTAMP,
        [{'table': 'log_lines', 'ts': min(ts), 'key': coalesce(pod, ''), 'text': arg_min(text, ts)}]
    FROM log_lines WHERE pattern = 'trig.capacity' GROUP BY coalesce(pod, '')
),
spans AS (FROM dead UNION ALL FROM blocked UNION ALL FROM full_ones),
triggerers AS (SELECT greatest(count(DISTINCT id), 1) AS n FROM jobs WHERE job_type = 'TriggererJob' AND state = 'running'),
-- a step function of how many were deferred, for those beyond the capacity
changes AS (SELECT from_at AS moment, 1 AS delta FROM deferred UNION ALL SELECT to_at, -1 FROM deferred WHERE NOT still),
steps AS (SELECT moment, lead(moment, 1, $end::TIMESTAMP) OVER (ORDER BY moment) AS until, sum(sum(delta)) OVER (ORDER BY moment) AS n FROM changes GROUP BY moment),
beyond AS (
    SELECT s.pod, s.from_at, max(x.n) AS deferred, max(x.n - s.cap * t.n) AS over,
        sum(greatest(x.n - s.cap * t.n, 0) * date_diff('millisecond', greatest(x.moment, s.from_at), least(x.until, s.to_at)) / 1000.0) AS seconds
    FROM spans s CROSS JOIN triggerers t JOIN steps x ON x.moment < s.to_at AND x.until > s.from_at WHERE s.kind = 'full' GROUP BY ALL
),
woken AS (
    SELECT s.kind, s.pod, s.from_at, count(*) AS tasks, any_value(d.dag_id || '/' || d.run_id || '/' || d.task_id) AS task, min(d.from_at) AS since,
        sum(date_diff('millisecond', greatest(d.from_at, s.from_at), least(d.to_at, s.to_at)) / 1000.0) AS seconds
    FROM spans s JOIN deferred d ON d.from_at < s.to_at AND d.to_at > s.from_at
    WHERE d.still OR d.to_at <= s.back_at + to_seconds(CASE s.kind WHEN 'blocked' THEN 10 ELSE $wake_s END) GROUP BY ALL
)
SELECT s.from_at AS started_at, s.to_at AS ended_at, '' AS target, CASE WHEN s.pod = '' THEN 'triggerer' ELSE s.pod END AS subject,
    {'what': 'what-' || s.kind, 'why': 'why-' || s.kind, 'fix': 'fix-' || s.kind, 'pod': CASE WHEN s.pod = '' THEN 'triggerer' ELSE s.pod END, 'cap': s.cap, 'deferred': b.deferred, 'over': b.over,
     'tasks': CASE s.kind WHEN 'full' THEN b.over ELSE w.tasks END, 'seconds': date_diff('second', s.from_at, s.to_at),
     'last': coalesce(strftime(s.last_at, '%H:%M:%S'), '-'), 'next': CASE WHEN s.kind <> 'dead' OR s.back_at > $end::TIMESTAMP THEN '-' ELSE strftime(s.back_at, '%H:%M:%S') END} AS params,
    CASE WHEN s.kind = 'dead' AND s.back_at > $end::TIMESTAMP THEN 0.85 ELSE 0.92 END AS confidence,
    CASE s.kind WHEN 'full' THEN b.seconds ELSE w.seconds END AS waiting_task_seconds,
    s.evidence || [{'table': 'task_instances', 'ts': w.since, 'key': w.task, 'text': 'state = deferred'}] AS evidence
FROM spans s JOIN woken w ON w.kind = s.kind AND w.pod = s.pod AND w.from_at = s.from_at
LEFT JOIN beyond b ON s.kind = 'full' AND b.pod = s.pod AND b.from_at = s.from_at
WHERE s.kind <> 'full' OR b.over > 0
