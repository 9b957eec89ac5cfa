-- ---
-- id = "kpo_orphan_pods"
-- stage = "execute"
-- component = "kubernetes-pod-operator"
-- severity = "medium"
-- needs = ["task_instances", "pods"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.tidy_s = 60
-- [text.en]
-- title = "{pods} KubernetesPodOperator pod(s) of {dag} went on working after their attempt was over"
-- detail = "{pod} ran {seconds} s longer than attempt {attempt} of {task}, which no worker watches any more; {doubled} of them beside the pod of a later attempt: the work is done twice."
-- remedy = "Keep the worker (that the pod is left behind is what its sudden end does): see what took it away. deferrable=True, reattach_on_restart=True (default) with retries so that the next attempt finds the pod; active_deadline_seconds in the pod template as the last resort."
-- [text.zh]
-- name = "KPO 孤儿 Pod"
-- title = "{dag} 的 {pods} 个 KubernetesPodOperator Pod 在其任务尝试结束后仍在工作"
-- detail = "{pod} 比 {task} 的第 {attempt} 次尝试多运行了 {seconds} 秒，已没有 worker 看管；其中 {doubled} 个与后一次尝试的 Pod 同时运行：工作做了两遍。"
-- remedy = "留住 worker（Pod 被遗留是 worker 突然消失的结果）：查明是什么带走了它。使用 deferrable=True；reattach_on_restart=True（默认）配合 retries，让下一次尝试接管该 Pod；最后可在 Pod 模板中设 active_deadline_seconds。"
-- ---
-- The operator marks a pod that it is done with (already_checked), and a later attempt may take the pod over instead of making its own.
WITH left_behind AS (
    SELECT k.*, least(coalesce(k.over_at, $end::TIMESTAMP), coalesce(k.stopping_at, $end::TIMESTAMP), $end::TIMESTAMP,
            coalesce((SELECT min(a.running_at) FROM attempts a WHERE a.dag_id = k.dag_id AND a.run_id = k.run_id AND a.task_id = k.task_id AND a.map_index = k.map_index AND a.attempt > k.attempt
                AND NOT EXISTS (FROM kpo_pods o WHERE o.dag_id = a.dag_id AND o.run_id = a.run_id AND o.task_id = a.task_id AND o.map_index = a.map_index AND o.attempt = a.attempt)), $end::TIMESTAMP)) AS until_at
    FROM kpo_pods k WHERE k.base_started_at IS NOT NULL AND k.last_state IN ('failed', 'up_for_retry') AND k.task_over_at IS NOT NULL AND NOT coalesce(k.checked, false) AND NOT k.sidecar_stuck
),
hit AS (
    SELECT l.*, date_diff('millisecond', task_over_at, until_at) / 1000.0 AS seconds,
        EXISTS (FROM kpo_pods o WHERE o.dag_id = l.dag_id AND o.run_id = l.run_id AND o.task_id = l.task_id AND o.map_index = l.map_index AND o.attempt > l.attempt AND o.base_started_at < l.until_at) AS doubled
    FROM left_behind l WHERE until_at >= task_over_at + to_seconds($tidy_s) AND until_at >= $start::TIMESTAMP
)
SELECT min(task_over_at) AS started_at, max(until_at) AS ended_at, '' AS target, dag_id AS subject,
    {'dag': dag_id, 'pods': count(*), 'pod': arg_max(pod, seconds), 'task': arg_max(task_id, seconds), 'attempt': arg_max(attempt, seconds), 'seconds': CAST(round(max(seconds)) AS BIGINT), 'doubled': count(*) FILTER (WHERE doubled)} AS params,
    0.85 AS confidence,
    list({'table': 'task_instances', 'ts': task_over_at, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'attempt ' || attempt || ': ' || last_state || ', its pod ' || pod || ' still ran ' || round(seconds) || ' s later'} ORDER BY task_over_at)[1:4]
    || list({'table': 'pods', 'ts': ts, 'key': namespace || '/' || pod, 'text': 'pod of attempt ' || attempt} ORDER BY task_over_at)[1:3] AS evidence,
    sum(seconds) AS idle_pod_seconds
FROM hit GROUP BY dag_id
