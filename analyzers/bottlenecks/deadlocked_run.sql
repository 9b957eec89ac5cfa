-- ---
-- id = "deadlocked_run"
-- stage = "schedule"
-- binds = "all"
-- component = "dag"
-- severity = "high"
-- needs = ["task_instances", "dag_runs"]
-- uses = ["log_lines", "dags"]
-- explains = ["tasks_waiting", "dag_max_active_runs"]
-- [text.en]
-- title = "{what}"
-- detail = "{why}"
-- remedy = "{fix}"
-- variants.what-stuck = "Run {run} of {dag} hangs: {tasks} task(s) can never become runnable"
-- variants.what-failed = "Run {run} of {dag} hangs behind the failed task {prior} of the run before"
-- variants.what-over = "Run {run} of {dag} was failed as deadlocked, {tasks} task(s) were left in state none"
-- variants.why-stuck = "The scheduler looked at it {looks} times in {seconds} s and found nothing to schedule, nothing of it is alive, and no run before it explains that. Airflow fails such a run by itself unless a task of it has depends_on_past or a task cap, or is deferred: then it hangs."
-- variants.why-failed = "The scheduler looked at it {looks} times in {seconds} s and found nothing to schedule. {prior} is {state} in {priorrun}: with depends_on_past nothing after it may start, and Airflow reports no deadlock then."
-- variants.why-over = "No unfinished task of the run could become runnable any more, so the scheduler failed the run."
-- variants.fix-stuck = "Look at trigger rules and start_date of the waiting tasks (airflow tasks failed-deps {dag} {task} {run}); clear or mark what they wait for. dagrun_timeout ends runs that hang."
-- variants.fix-failed = "Clear {prior} of {priorrun} (airflow tasks clear), or mark it success; then {run} goes on. dagrun_timeout ends runs that hang."
-- variants.fix-over = "Look at the trigger rules of the tasks that are left in state none, and at the tasks before them."
-- [text.zh]
-- name = "运行死锁"
-- title = "{what}"
-- detail = "{why}"
-- remedy = "{fix}"
-- variants.what-stuck = "{dag} 的运行 {run} 卡住：{tasks} 个任务永远无法变为可运行"
-- variants.what-failed = "{dag} 的运行 {run} 卡在上一个运行的失败任务 {prior} 之后"
-- variants.what-over = "{dag} 的运行 {run} 因死锁被置为失败，{tasks} 个任务停留在无状态"
-- variants.why-stuck = "调度器在 {seconds} 秒内检查了 {looks} 次，没有找到可调度的任务；该运行没有任何存活的任务，更早的运行也无法解释。只有当任务带有 depends_on_past、任务级上限或处于 deferred 时 Airflow 才不会自动将其置为失败，于是一直卡住。"
-- variants.why-failed = "调度器在 {seconds} 秒内检查了 {looks} 次，没有找到可调度的任务。{prior} 在 {priorrun} 中的状态是 {state}：设置了 depends_on_past 时其后的任务都不能开始，而 Airflow 此时不会报告死锁。"
-- variants.why-over = "该运行中未完成的任务都不可能再变为可运行，调度器因此把运行置为失败。"
-- variants.fix-stuck = "检查等待任务的触发规则和 start_date（airflow tasks failed-deps {dag} {task} {run}）；清除或标记它们所等待的任务。dagrun_timeout 可结束卡住的运行。"
-- variants.fix-failed = "清除 {priorrun} 的 {prior}（airflow tasks clear）或标记为成功，{run} 就会继续。dagrun_timeout 可结束卡住的运行。"
-- variants.fix-over = "检查停留在无状态的任务的触发规则，以及它们之前的任务。"
-- ---
WITH hung AS (
    SELECT kind, dag_id, run_id, from_at, to_at, tasks, task_id, looks, coalesce(prior_task, '') AS prior, coalesce(prior_run, '') AS prior_run, coalesce(prior_state, '') AS prior_state,
        CASE kind WHEN 'failed' THEN 0.9 ELSE 0.75 END AS confidence,
        [{'table': 'dag_runs', 'ts': looked_ts, 'key': dag_id || '/' || run_id, 'text': 'last_scheduling_decision ' || strftime(looked_at, '%H:%M:%S') || ', ' || looks || ' looks, nothing scheduled'}]
        || CASE WHEN prior_task IS NULL THEN [] ELSE [{'table': 'task_instances', 'ts': prior_ts, 'key': dag_id || '/' || prior_run || '/' || prior_task, 'text': 'state = ' || prior_state}] END AS evidence
    FROM hung_runs WHERE kind IN ('stuck', 'failed')
        AND NOT EXISTS (FROM dags d WHERE d.dag_id = hung_runs.dag_id AND (d.is_paused OR NOT coalesce(d.is_active, true)))
),
said AS (SELECT l.ts, coalesce(l.pod, '') AS pod, l.text FROM log_lines l WHERE l.pattern = 'sched.deadlock'),
over_runs AS (
    SELECT 'over', r.dag_id, r.run_id, coalesce(max(a.ended_at), r.started_at), r.ended_at, count(*) FILTER (WHERE a.last_state = 'none'), min(a.task_id) FILTER (WHERE a.last_state = 'none'), 0, '', '', '',
        0.97, [{'table': 'log_lines', 'ts': s.ts, 'key': s.pod, 'text': s.text}]
    FROM runs r JOIN attempts a USING (dag_id, run_id) JOIN said s ON contains(s.text, r.run_id) AND contains(s.text, r.dag_id) AND s.ts BETWEEN r.ended_at - INTERVAL 10 SECOND AND r.ended_at + INTERVAL 10 SECOND
    WHERE r.last_state = 'failed' AND r.started_at IS NOT NULL GROUP BY r.dag_id, r.run_id, r.started_at, r.ended_at, s.ts, s.pod, s.text
    HAVING count(*) FILTER (WHERE a.last_state = 'none') > 0
)
SELECT f.from_at AS started_at, f.to_at AS ended_at, '' AS target, f.dag_id || '/' || f.run_id AS subject, f.dag_id, f.run_id,
    {'dag': f.dag_id, 'run': f.run_id, 'tasks': f.tasks, 'task': f.task_id, 'looks': f.looks, 'seconds': date_diff('second', f.from_at, f.to_at), 'prior': f.prior, 'priorrun': f.prior_run,
     'state': f.prior_state, 'what': 'what-' || f.kind, 'why': 'why-' || f.kind, 'fix': 'fix-' || f.kind} AS params, f.confidence, f.evidence
FROM (FROM hung UNION ALL FROM over_runs) f
