-- ---
-- id = "scale_down_kills_tasks"
-- stage = "drain"
-- component = "autoscaler-settings"
-- severity = "high"
-- needs = ["task_instances", "scaledobjects", "workloads", "pods"]
-- uses = ["hpas", "events", "nodes", "objects", "log_lines", "airflow_config"]
-- explains = ["tasks_killed", "message_lost", "kpo_orphan_pods"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "Scale-in of {target} ended {killed} running task(s): {times} decision(s), the first by {author} ({before} -> {after})"
-- detail = "{why}, and the controller picks its pods without looking at their work: {pod} was told to stop with {tasks} running task(s), {ideal}. {lost} s of work lost."
-- remedy = "Scale in later and less: advanced.horizontalPodAutoscalerConfig.behavior.scaleDown of the ScaledObject (workers.keda.advanced; stabilizationWindowSeconds above the longest ordinary task, one pod per period), cooldownPeriod for the step to zero; let workers finish: workers.terminationGracePeriodSeconds above the longest task and DUMB_INIT_SETSID=0; long waits into deferrable operators; retries for the rest."
-- variants.enough = "The metric fell to what fewer workers can do"
-- variants.too_few = "{running} tasks ran when it was decided, more than {after} worker(s) have slots for: the trigger counted too little"
-- variants.had_less = "while {ideal_pod} ran {ideal_tasks}"
-- variants.none_had_less = "and no other pod that stayed ran fewer"
-- [text.zh]
-- name = "缩容终止任务"
-- title = "{target} 缩容终止了 {killed} 个运行中的任务：{times} 次决定，首次由 {author} 做出（{before} -> {after}）"
-- detail = "{why}，而控制器挑选 Pod 时不看其上的任务：{pod} 被要求停止时有 {tasks} 个任务在运行，{ideal}。损失 {lost} 秒的工作。"
-- remedy = "缩容更晚、更少：ScaledObject 的 advanced.horizontalPodAutoscalerConfig.behavior.scaleDown（workers.keda.advanced；stabilizationWindowSeconds 大于通常最长的任务，每周期只减一个 Pod），缩到零则调大 cooldownPeriod；让 worker 跑完：workers.terminationGracePeriodSeconds 大于最长任务，并设 DUMB_INIT_SETSID=0；长时间等待改用 deferrable 算子；其余任务设置重试。"
-- variants.enough = "指标降到较少 worker 即可满足的水平"
-- variants.too_few = "做出决定时有 {running} 个任务在运行，多于 {after} 个 worker 的槽位：触发器数少了"
-- variants.had_less = "而 {ideal_pod} 只有 {ideal_tasks} 个"
-- variants.none_had_less = "留下的 Pod 没有更空闲的"
-- ---
WITH mine AS (
    -- one that waits for its tasks harms none: what outlives the wait is grace_period_too_short
    FROM kills WHERE taken_by = 'scale_in' AND author IN ('hpa', 'keda') AND way <> 'sigkill' AND stopping_at >= $start::TIMESTAMP AND stopping_at <= $end::TIMESTAMP
),
per_pod AS (
    SELECT target, decided_at, any_value(author) AS author, any_value(before) AS before, any_value(after) AS after, any_value(decision_key) AS decision_key,
        namespace || '/' || pod AS key, pod, stopping_at, any_value(tasks) AS tasks, any_value(ideal_pod) AS ideal_pod, any_value(ideal_tasks) AS ideal_tasks,
        count(*) AS n, sum(lost_seconds) AS lost, max(ended_at) AS last_at, min(ended_at) AS first_at,
        arg_min(dag_id || '/' || run_id || '/' || task_id, ended_at) AS example, arg_min(last_state, ended_at) AS state
    FROM mine GROUP BY target, decided_at, namespace, pod, stopping_at
),
-- the pod that had most to lose against the one that had least
worst AS (
    SELECT * FROM per_pod QUALIFY row_number() OVER (PARTITION BY target ORDER BY tasks - coalesce(ideal_tasks, tasks) DESC, stopping_at, pod) = 1
),
-- what ran when the first of them was decided, against the slots that it left
first AS (
    SELECT p.target, p.decided_at, any_value(p.after) * any_value(coalesce(t.worker_concurrency, 16)) AS slots,
        (SELECT count(*) FROM running_spans r WHERE r.target = p.target AND r.from_at < p.decided_at AND coalesce(r.to_at, 'infinity') > p.decided_at) AS running
    FROM per_pod p JOIN targets t ON t.target = p.target GROUP BY p.target, p.decided_at
    QUALIFY row_number() OVER (PARTITION BY p.target ORDER BY p.decided_at) = 1
)
SELECT min(p.decided_at) AS started_at, max(p.last_at) AS ended_at, p.target, p.target AS subject,
    {'target': p.target, 'killed': sum(p.n), 'times': count(DISTINCT p.decided_at), 'author': arg_min(p.author, p.decided_at), 'before': arg_min(p.before, p.decided_at),
     'after': arg_min(p.after, p.decided_at), 'pod': any_value(w.pod), 'tasks': any_value(w.tasks), 'ideal_pod': any_value(w.ideal_pod), 'ideal_tasks': any_value(w.ideal_tasks),
     'ideal': CASE WHEN any_value(w.ideal_tasks < w.tasks) THEN 'had_less' ELSE 'none_had_less' END, 'why': CASE WHEN any_value(f.running > f.slots) THEN 'too_few' ELSE 'enough' END, 'running': any_value(f.running), 'lost': CAST(round(sum(p.lost)) AS BIGINT)} AS params,
    0.93 AS confidence,
    list_sort(list_distinct(list({'table': 'workloads', 'ts': p.decided_at, 'key': p.decision_key, 'text': 'spec.replicas ' || p.before || ' -> ' || p.after || ' by ' || p.author})))[1:3]
    || list({'table': 'pods', 'ts': p.stopping_at, 'key': p.key, 'text': 'told to stop with ' || p.tasks || ' running task(s)'} ORDER BY p.stopping_at, p.pod)[1:3]
    || list({'table': 'task_instances', 'ts': p.first_at, 'key': p.example, 'text': 'state ' || p.state || ' after its worker ' || p.pod || ' was told to stop'} ORDER BY p.first_at, p.pod)[1:2] AS evidence,
    sum(p.lost) AS lost_task_seconds
FROM per_pod p JOIN worst w ON w.target = p.target JOIN first f ON f.target = p.target
GROUP BY p.target
