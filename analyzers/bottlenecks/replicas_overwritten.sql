-- ---
-- id = "replicas_overwritten"
-- stage = "decide"
-- holds = ["trigger", "metric", "decide"]
-- binds = "target"
-- component = "deployer"
-- severity = "high"
-- needs = ["task_instances", "dag_runs", "scaledobjects", "workloads"]
-- uses = ["hpas", "events", "log_lines", "pods"]
-- explains = ["scale_down_kills_tasks", "tasks_killed", "replicas_below_demand", "tasks_waiting", "grace_period_too_short", "sigterm_broadcast", "scale_up_rate_limited"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.near_s = 60
-- [text.en]
-- title = "{writer} set the replicas of {target} from {before} to {after} against the autoscaler, {times} time(s)"
-- detail = "spec.replicas belongs to KEDA and the HPA; neither wrote this. It was lower than before for up to {seconds} s while tasks waited; {killed} running attempt(s) died with their workers, {lost} s of work lost."
-- remedy = "Take replicas out of the manifest that {writer} applies (workers.keda.enabled=true makes the Airflow chart omit workers.replicas; Argo CD: ignoreDifferences on /spec/replicas with RespectIgnoreDifferences=true); to hold a size by hand use minReplicaCount or the annotation autoscaling.keda.sh/paused-replicas."
-- [text.zh]
-- name = "副本数被改写"
-- title = "{writer} 绕过自动伸缩把 {target} 的副本数从 {before} 改为 {after}，共 {times} 次"
-- detail = "spec.replicas 归 KEDA 和 HPA 管理，但这次写入不是它们做的。有任务等待时，副本数低于原值最长 {seconds} 秒；{killed} 个运行中的任务随 worker 一起被终止，损失 {lost} 秒的工作。"
-- remedy = "从 {writer} 应用的清单中去掉 replicas（workers.keda.enabled=true 时 Airflow chart 不再写 workers.replicas；Argo CD：对 /spec/replicas 设置 ignoreDifferences 并启用 RespectIgnoreDifferences=true）；若要手动固定副本数，请用 minReplicaCount 或注解 autoscaling.keda.sh/paused-replicas。"
-- ---
WITH lowered AS (FROM decisions WHERE after < before AND moment >= $start::TIMESTAMP),
named AS (
    SELECT target, moment, before, after, author AS writer, confidence, key FROM lowered
    -- distributions that run the HPA's controller under another name: it told of this very write
    WHERE NOT EXISTS (FROM scaling_words s WHERE s.target = lowered.target AND s.source LIKE 'hpa_%' AND abs(date_diff('millisecond', s.moment, lowered.moment)) <= 5000
            AND (s.size = lowered.after OR contains(s.text, 'New size: ' || lowered.after || ';')))
        AND rule = 'managed_fields' AND author NOT IN ('keda', 'hpa', 'unknown', 'kube-controller-manager') AND NOT starts_with(author, 'keda')
),
-- a write to zero, and any write after it, leaves no owner. While the trigger is active and nothing is paused KEDA does
-- not lower, and the HPA never writes 0 nor any size without moving its lastScaleTime: then it was somebody else.
unowned AS (
    SELECT l.target, l.moment, l.before, l.after, 'somebody' AS writer, 0.75 AS confidence, l.key
    FROM lowered l JOIN targets t ON t.target = l.target
    JOIN LATERAL (
        SELECT s.* FROM scaledobjects s WHERE s.uid = t.scaledobject_uid AND s.seen_at <= l.moment ORDER BY s.seen_at DESC LIMIT 1
    ) s ON true
    WHERE l.author = 'unknown' AND s.active_status = 'True' AND s.deletion_at IS NULL AND s.change <> 'DELETED'
        AND s.last_active_time >= l.moment - to_seconds(least(t.cooldown_period_s, 2 * t.polling_interval_s + 10))
        AND coalesce(s.paused_status, 'False') <> 'True' AND coalesce(s.pause_annotations, '{}') = '{}'
        AND (l.after = 0 OR (
            EXISTS (FROM hpas h WHERE h.uid = t.hpa_uid AND h.seen_at <= l.moment AND h.change <> 'DELETED')
            AND EXISTS (FROM hpas h WHERE h.uid = t.hpa_uid AND h.seen_at > l.moment)
            AND NOT EXISTS (FROM hpas h WHERE h.uid = t.hpa_uid AND h.desired_replicas = l.after
                AND h.last_scale_time BETWEEN l.moment - INTERVAL 30 SECOND AND l.moment + INTERVAL 30 SECOND)))
),
writes AS (FROM named UNION ALL FROM unowned),
queue AS (
    SELECT target, moment, sum(n) OVER (PARTITION BY target ORDER BY moment) AS waiting
    FROM (SELECT target, moment, sum(n) AS n FROM (
        SELECT target, from_at AS moment, 1 AS n FROM queued_spans UNION ALL SELECT target, to_at, -1 FROM queued_spans
    ) GROUP BY ALL)
),
-- what waits soon after the write waits for the size that was taken away, until that size is back, a loop itself asks
-- for less, or nothing waits any more
pressed AS (
    SELECT w.*, CASE WHEN q.to_at IS NOT NULL THEN greatest(q.from_at, w.moment) END AS wait_at
    FROM writes w ASOF LEFT JOIN (
        SELECT target, to_at, min(from_at) OVER (PARTITION BY target ORDER BY to_at DESC) AS from_at FROM queued_spans
    ) q ON q.target = w.target AND w.moment < q.to_at
),
spans AS (
    SELECT p.*, least(
        coalesce((SELECT min(r.moment) FROM replicas r WHERE r.target = p.target AND r.moment > p.moment AND r.desired >= p.before), $end::TIMESTAMP),
        coalesce((SELECT min(d.moment) FROM decisions d WHERE d.target = p.target AND d.moment > p.moment AND d.after < d.before AND d.author IN ('keda', 'hpa', 'kube-controller-manager')), $end::TIMESTAMP),
        coalesce((SELECT min(q.moment) FROM queue q WHERE q.target = p.target AND q.moment > p.wait_at AND q.waiting = 0), $end::TIMESTAMP),
        $end::TIMESTAMP) AS to_at
    FROM pressed p
),
lost AS (
    SELECT target, moment, count(*) AS n, sum(lost_seconds) AS seconds, min(stopping_at) AS first_at, arg_min(dag_id || '/' || run_id || '/' || task_id, stopping_at) AS example, arg_min(pod, stopping_at) AS pod
    FROM (
        SELECT w.target, w.moment, k.* EXCLUDE (target) FROM writes w JOIN kills k ON k.target = w.target
            AND k.stopping_at BETWEEN w.moment - INTERVAL 5 SECOND AND w.moment + to_seconds($near_s)
        QUALIFY row_number() OVER (PARTITION BY k.target, k.pod, k.dag_id, k.run_id, k.task_id, k.map_index, k.attempt ORDER BY w.moment DESC) = 1
    ) GROUP BY target, moment
),
felt AS (
    SELECT s.*, coalesce(l.n, 0) AS killed, coalesce(l.seconds, 0) AS lost, l.first_at, l.example, l.pod,
        coalesce(s.wait_at <= s.moment + to_seconds($near_s) AND s.wait_at < s.to_at, false) AS waited
    FROM spans s LEFT JOIN lost l ON l.target = s.target AND l.moment = s.moment
)
SELECT moment AS started_at, CASE WHEN waited THEN to_at ELSE moment END AS ended_at, target, writer AS subject,
    {'target': target, 'writer': writer, 'before': before, 'after': after, 'times': count(*) OVER w,
     'seconds': CAST(round(max(CASE WHEN waited THEN date_diff('millisecond', moment, to_at) / 1000.0 ELSE 0 END) OVER w) AS BIGINT),
     'killed': sum(killed) OVER w, 'lost': CAST(round(sum(lost) OVER w) AS BIGINT)} AS params,
    confidence,
    [{'table': 'workloads', 'ts': moment, 'key': key, 'text': 'spec.replicas ' || before || ' -> ' || after || ' by ' || writer}]
    || CASE WHEN killed = 0 THEN [] ELSE [{'table': 'task_instances', 'ts': first_at, 'key': example, 'text': 'ended when its worker ' || pod || ' was told to stop'}] END AS evidence,
    lost AS lost_task_seconds
FROM felt WHERE waited OR killed > 0
WINDOW w AS (PARTITION BY target, writer)
