-- ---
-- id = "dependency_wait"
-- stage = "schedule"
-- binds = "all"
-- component = "dag"
-- severity = "info"
-- ordinary = true
-- needs = ["task_instances", "dag_runs"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- params.min_s = 60
-- [text.en]
-- title = "{what}"
-- detail = "{why} That is the order of the DAG, no fault of the scheduler or of the autoscaler: what waits for other tasks is no demand."
-- remedy = "If it takes too long, look at {blocker}, not at the tasks that wait."
-- variants.what-run = "{tasks} task(s) of {dag} wait for {blocker} of their own run, {state} for {seconds} s"
-- variants.what-past = "{tasks} task(s) of {dag} wait for {blocker} of the run before, which is not over"
-- variants.why-run = "No task before it in the run is open any longer than this one."
-- variants.why-past = "The scheduler looked at the run {looks} times and scheduled nothing, as depends_on_past or wait_for_downstream demand."
-- [text.zh]
-- name = "等待依赖"
-- title = "{what}"
-- detail = "{why}这是 DAG 的顺序，不是调度器或自动伸缩的故障：等待其他任务的任务不构成需求。"
-- remedy = "如果等待过长，应查看 {blocker}，而不是等待它的任务。"
-- variants.what-run = "{dag} 的 {tasks} 个任务在等待同一运行的 {blocker}，其处于 {state} 已 {seconds} 秒"
-- variants.what-past = "{dag} 的 {tasks} 个任务在等待上一个运行的 {blocker}，该运行尚未结束"
-- variants.why-run = "该运行中没有哪个任务比它开放得更久。"
-- variants.why-past = "调度器检查了该运行 {looks} 次，没有调度任何任务，这正是 depends_on_past 或 wait_for_downstream 的要求。"
-- ---
WITH past AS (
    SELECT 'past' AS kind, dag_id, run_id, dag_id AS claimed_dag, from_at, to_at, tasks, prior_run || '/' || prior_task AS blocker, prior_state AS state, date_diff('second', from_at, to_at) AS seconds, looks,
        [{'table': 'task_instances', 'ts': prior_ts, 'key': dag_id || '/' || prior_run || '/' || prior_task, 'text': 'state = ' || prior_state},
         {'table': 'dag_runs', 'ts': looked_ts, 'key': dag_id || '/' || run_id, 'text': looks || ' decisions, nothing scheduled'}] AS evidence
    FROM hung_runs WHERE kind = 'unfinished'
),
open_tasks AS (
    SELECT dag_id, run_id, task_id, last_state, greatest(running_at, $start::TIMESTAMP) AS from_at, least(coalesce(ended_at, $end::TIMESTAMP), $end::TIMESTAMP) AS to_at
    FROM attempts WHERE running_at IS NOT NULL
),
blockers AS (
    SELECT o.dag_id, o.run_id, o.task_id, o.last_state, o.from_at, o.to_at, count(*) AS tasks
    FROM open_tasks o JOIN attempts a ON a.dag_id = o.dag_id AND a.run_id = o.run_id AND a.first_seen_at < o.to_at AND a.last_state NOT IN ('skipped', 'upstream_failed', 'removed')
        AND coalesce(a.scheduled_at, a.queued_at, a.running_at, 'infinity') >= o.to_at
    WHERE o.to_at >= o.from_at + to_seconds($min_s) GROUP BY o.dag_id, o.run_id, o.task_id, o.last_state, o.from_at, o.to_at
    QUALIFY row_number() OVER (PARTITION BY o.dag_id ORDER BY o.to_at - o.from_at DESC, o.run_id, o.task_id) = 1
),
-- no task that waits for others was runnable, so this claims nobody's waiting
own AS (
    SELECT 'run', dag_id, run_id, '', from_at, to_at, tasks, task_id, CASE WHEN last_state IN ('running', 'deferred', 'up_for_reschedule') THEN last_state ELSE 'running' END, date_diff('second', from_at, to_at), 0,
        [{'table': 'task_instances', 'ts': from_at, 'key': dag_id || '/' || run_id || '/' || task_id, 'text': 'running from ' || strftime(from_at, '%H:%M:%S') || ' to ' || strftime(to_at, '%H:%M:%S')}]
    FROM blockers
)
SELECT f.from_at AS started_at, f.to_at AS ended_at, '' AS target, f.dag_id AS subject, f.claimed_dag AS dag_id, f.run_id,
    {'dag': f.dag_id, 'tasks': f.tasks, 'blocker': f.blocker, 'state': f.state, 'seconds': f.seconds, 'looks': f.looks, 'what': 'what-' || f.kind, 'why': 'why-' || f.kind} AS params,
    0.85 AS confidence, f.evidence
FROM (FROM past UNION ALL FROM own) f
