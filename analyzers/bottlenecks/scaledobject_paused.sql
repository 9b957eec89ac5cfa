-- ---
-- id = "scaledobject_paused"
-- stage = "trigger"
-- holds = ["trigger", "metric", "decide"]
-- binds = "target"
-- component = "autoscaler-settings"
-- severity = "critical"
-- needs = ["task_instances", "scaledobjects"]
-- uses = ["workloads"]
-- explains = ["replicas_below_demand", "tasks_waiting", "scale_down_kills_tasks", "grace_period_too_short", "sigterm_broadcast", "tasks_killed", "metric_zero_with_demand"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "ScaledObject {target} is paused: it stays at {size} worker(s)"
-- detail = "{why}. KEDA stops its scale loop and deletes the HPA, or may not scale out; tasks beyond these workers wait until somebody removes it."
-- remedy = "kubectl -n {namespace} annotate scaledobject {name} {annotation}- ; find out who set it (a maintenance that was forgotten, GitOps) and remove it there as well."
-- [text.zh]
-- name = "ScaledObject 被暂停"
-- title = "ScaledObject {target} 被暂停：停留在 {size} 个 worker"
-- detail = "{why}。KEDA 停止其伸缩循环并删除 HPA，或被禁止扩容；超出这些 worker 的任务会一直等到有人移除该注解。"
-- remedy = "kubectl -n {namespace} annotate scaledobject {name} {annotation}- ；查明是谁设置的（遗忘的维护操作、GitOps），并在源头移除。"
-- ---
-- A value that is no boolean pauses too. A pause of scaling in alone takes no worker away and holds none back.
WITH looks AS (
    SELECT t.target, t.namespace, t.name, t.max_replica_count, o.ts, greatest(o.seen_at, $start::TIMESTAMP) AS moment, o.change,
        o.pause_annotations AS notes, o.paused_status,
        json_extract_string(o.pause_annotations, '$."autoscaling.keda.sh/paused"') AS paused,
        json_extract_string(o.pause_annotations, '$."autoscaling.keda.sh/paused-replicas"') AS paused_replicas,
        json_extract_string(o.pause_annotations, '$."autoscaling.keda.sh/paused-scale-out"') AS scale_out,
        json_extract_string(o.pause_annotations, '$."autoscaling.keda.sh/paused-scale-in"') AS scale_in
    FROM scaledobjects o JOIN targets t ON t.scaledobject_uid = o.uid
),
judged AS (
    SELECT *, lead(moment, 1, $end::TIMESTAMP) OVER (PARTITION BY target ORDER BY moment, ts) AS until,
        CASE WHEN change = 'DELETED' THEN NULL
            WHEN paused_replicas IS NOT NULL THEN 'autoscaling.keda.sh/paused-replicas'
            WHEN paused NOT IN ('false', 'False', 'FALSE', 'f', 'F', '0') THEN 'autoscaling.keda.sh/paused'
            WHEN scale_out NOT IN ('false', 'False', 'FALSE', 'f', 'F', '0') THEN 'autoscaling.keda.sh/paused-scale-out'
            WHEN notes IS NULL AND paused_status = 'True' THEN 'autoscaling.keda.sh/paused' END AS annotation
    FROM looks
),
sizes AS (
    SELECT target, moment, lead(moment, 1, $end::TIMESTAMP) OVER (PARTITION BY target ORDER BY moment) AS until, desired FROM replicas
),
-- at the maximum a pause holds nothing back
bound AS (
    SELECT j.*, greatest(j.moment, coalesce(s.moment, j.moment)) AS from_at, least(j.until, coalesce(s.until, j.until)) AS to_at, s.desired
    FROM judged j LEFT JOIN sizes s ON s.target = j.target AND s.moment < j.until AND s.until > j.moment
    WHERE j.annotation IS NOT NULL AND coalesce(s.desired, 0) < j.max_replica_count
)
SELECT from_at AS started_at, to_at AS ended_at, target, target AS subject,
    {'target': target, 'namespace': namespace, 'name': name, 'annotation': annotation, 'size': desired,
     'why': annotation || coalesce(': ' || coalesce(paused_replicas, paused, scale_out), ', Paused=' || paused_status)} AS params,
    CASE WHEN notes IS NULL THEN 0.9 ELSE 0.98 END AS confidence,
    [{'table': 'scaledobjects', 'ts': ts, 'key': target, 'text': coalesce(notes, 'Paused=' || paused_status)}] AS evidence
FROM bound WHERE to_at > from_at
