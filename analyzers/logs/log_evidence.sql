-- ---
-- id = "log_evidence"
-- group = "log"
-- stage = "unknown"
-- component = "worker"
-- severity = "medium"
-- needs = ["log_lines"]
-- params.start = "1970-01-01"
-- params.end = "1970-01-01"
-- [text.en]
-- title = "{what}: {lines} log line(s) of {who} say so"
-- detail = "From {from} to {to}. First: {text}. How many tasks waited for it, and whether it was what they waited for, only the tables of Airflow and Kubernetes tell."
-- remedy = "Record or import the metadata DB and the cluster for the same time, then analyze again; the page of this cause says what to change."
-- [text.en.variants]
-- pool_exhausted = "Pool {subject} had no open slots"
-- pool_missing = "Tasks ask for pool {subject}, which is not there or too small"
-- parallelism_limit = "All executor slots of a scheduler were taken"
-- dag_max_active_tasks = "DAG {subject} was at its max_active_tasks"
-- dag_max_active_runs = "DAG {subject} was at its max_active_runs"
-- task_concurrency_limit = "A task was at its own concurrency limit"
-- deadlocked_run = "A run has no task that can ever run"
-- scheduler_down = "A scheduler crashed, or its heartbeat stood still for longer than the health check allows"
-- broker_unavailable = "The broker could not be reached"
-- workload_token_expired = "The token of queued tasks had expired when they were taken"
-- workload_token_rejected = "The api-server rejects the token of tasks"
-- execution_api_unavailable = "The execution API of the api-server could not be reached from several workers"
-- dag_missing_on_worker = "DAG {subject} is not there on a worker"
-- db_slow = "The metadata DB was locked, refused connections or kept several of its clients waiting"
-- db_connections_exhausted = "The metadata DB had no connection left"
-- external_metric_timeout = "The HPA asked for its metric and got no answer in time"
-- external_metrics_api_missing = "The external metrics API was not there"
-- metric_path_tls = "Certificates on the way of the metric are not accepted"
-- trigger_query_error = "The trigger's query fails"
-- trigger_auth_failure = "The database refuses the trigger's login"
-- trigger_db_unreachable = "KEDA cannot reach the trigger's database"
-- trigger_query_slow = "The trigger's query took too long"
-- fallback_active = "KEDA serves the fallback value"
-- quota_exceeded = "A quota refuses pods"
-- kpo_image_pull = "An image of a KubernetesPodOperator's pod cannot be pulled"
-- kpo_startup_timeout = "Pods of the KubernetesPodOperator did not start in time"
-- xcom_sidecar_image_pull = "The XCom sidecar of a pod did not start"
-- execution_timeout = "Tasks ran into their execution_timeout"
-- zombie_tasks = "Running tasks stopped beating and were failed"
-- redelivered_task = "A message was delivered to a second worker while its task ran"
-- deferred_backlog = "The triggerer was full, blocked or gone"
-- dag_processor_stale = "DAG files were not parsed in time"
-- [text.zh]
-- title = "{what}：{who} 的 {lines} 行日志如此显示"
-- detail = "从 {from} 到 {to}。最早一行：{text}。有多少任务因此等待、等的是否就是它，只有 Airflow 与 Kubernetes 的表能说明。"
-- remedy = "记录或导入同一时间的元数据库与集群，再重新分析；该原因的文档页说明如何处理。"
-- [text.zh.variants]
-- pool_exhausted = "资源池 {subject} 没有空闲槽位"
-- pool_missing = "任务需要的资源池 {subject} 不存在或太小"
-- parallelism_limit = "某个调度器的执行器槽位已占满"
-- dag_max_active_tasks = "DAG {subject} 达到 max_active_tasks"
-- dag_max_active_runs = "DAG {subject} 达到 max_active_runs"
-- task_concurrency_limit = "某个任务达到其自身的并发上限"
-- deadlocked_run = "某个运行中没有任何任务还能运行"
-- scheduler_down = "调度器崩溃，或心跳中断时间超过健康检查允许的范围"
-- broker_unavailable = "无法连接 broker"
-- workload_token_expired = "排队任务的令牌在被取走时已过期"
-- workload_token_rejected = "api-server 拒绝任务的令牌"
-- execution_api_unavailable = "多个 worker 无法连接 api-server 的执行 API"
-- dag_missing_on_worker = "worker 上没有 DAG {subject}"
-- db_slow = "元数据库被锁、拒绝连接或让连接等待"
-- db_connections_exhausted = "元数据库的连接已耗尽"
-- external_metric_timeout = "HPA 请求指标，未能及时得到应答"
-- external_metrics_api_missing = "外部指标 API 不存在"
-- metric_path_tls = "指标链路上的证书不被接受"
-- trigger_query_error = "触发器的查询失败"
-- trigger_auth_failure = "数据库拒绝触发器的登录"
-- trigger_db_unreachable = "KEDA 无法连接触发器的数据库"
-- trigger_query_slow = "触发器的查询耗时过长"
-- fallback_active = "KEDA 正在提供 fallback 值"
-- quota_exceeded = "配额拒绝创建 Pod"
-- kpo_image_pull = "KubernetesPodOperator 的 Pod 镜像无法拉取"
-- kpo_startup_timeout = "KubernetesPodOperator 的 Pod 未能及时启动"
-- xcom_sidecar_image_pull = "Pod 的 XCom sidecar 没有启动"
-- execution_timeout = "任务触及 execution_timeout"
-- zombie_tasks = "运行中的任务停止心跳并被判为失败"
-- redelivered_task = "任务运行期间，其消息被投递给了第二个 worker"
-- deferred_backlog = "triggerer 已满、被阻塞或消失"
-- dag_processor_stale = "DAG 文件未能及时解析"
-- ---
-- What a line proves by its own words, nothing by its absence (airflow.md 3.2: most limits are silent). A limit that
-- was reached may not be what its tasks waited for: low confidence. A pod that lost a connection alone is no outage.
WITH lines AS (
    SELECT pattern, component, coalesce(pod, component) AS who, ts, text, source,
        coalesce(json_extract_string(fields, '$.pool'), json_extract_string(fields, '$.dag_id'), '') AS subject,
        try_cast(json_extract_string(fields, '$.s') AS DOUBLE) AS seconds
    FROM log_lines WHERE pattern IS NOT NULL AND ts BETWEEN $start::TIMESTAMP AND $end::TIMESTAMP
),
told AS (
    SELECT *, CASE
        WHEN pattern = 'limit.pool_full' THEN 'pool_exhausted' WHEN pattern IN ('limit.pool_missing', 'limit.pool_too_small') THEN 'pool_missing'
        WHEN pattern = 'limit.parallelism' THEN 'parallelism_limit' WHEN pattern = 'limit.dag_active_tasks' THEN 'dag_max_active_tasks'
        WHEN pattern LIKE 'limit.max_active_runs%' THEN 'dag_max_active_runs' WHEN pattern LIKE 'limit.task_concurrency%' THEN 'task_concurrency_limit'
        WHEN pattern = 'sched.deadlock' THEN 'deadlocked_run'
        -- a heartbeat is a write: where others were stuck in the database at the same time, it is the database
        WHEN pattern = 'job.hb_recovered' AND seconds > 30 AND EXISTS (FROM log_lines o WHERE o.ts BETWEEN lines.ts - to_seconds(lines.seconds) AND lines.ts
            AND (o.pattern IN ('keda.reader_stuck', 'db.deadlock', 'db.lockwait', 'db.refused') OR (o.pattern = 'keda.db_error' AND regexp_matches(o.text, 'context (canceled|deadline exceeded)|timeout')))) THEN 'db_slow'
        WHEN pattern = 'sched.crash' OR (pattern = 'job.hb_recovered' AND component = 'scheduler' AND seconds > 30) THEN 'scheduler_down'
        WHEN pattern IN ('worker.broker_lost', 'worker.broker_connect', 'celery.publish_timeout') THEN 'broker_unavailable'
        WHEN pattern = 'worker.jwt_expired' THEN 'workload_token_expired' WHEN pattern = 'worker.jwt_bad' THEN 'workload_token_rejected'
        WHEN pattern IN ('task3.hb_failed', 'task3.hb_giveup', 'task3.api_retry') THEN 'execution_api_unavailable'
        WHEN pattern LIKE 'worker.dag_missing%' THEN 'dag_missing_on_worker'
        WHEN pattern IN ('db.pg_max_conn', 'db.my_max_conn', 'db.queuepool', 'db.pgbouncer') THEN 'db_connections_exhausted'
        WHEN pattern IN ('db.deadlock', 'db.lockwait', 'db.refused') THEN 'db_slow'
        -- one kind per text, as in trigger_failures: a refused login is also "failed to connect"
        WHEN pattern IN ('keda.db_error', 'keda.build_error', 'keda.scaler_error', 'kcm.hpa_failed', 'adapter.unhandled') AND regexp_matches(text, 'x509:|tls: ') THEN 'metric_path_tls'
        WHEN pattern LIKE 'keda.%' AND regexp_matches(text, 'SQLSTATE (42|22)|Error 10(54|64)|Error 1(146|305)') THEN 'trigger_query_error'
        WHEN pattern LIKE 'keda.%' AND regexp_matches(text, 'SQLSTATE 53300|Error 1040|too many (connections|clients)|remaining connection slots') THEN 'db_connections_exhausted'
        WHEN pattern LIKE 'keda.%' AND regexp_matches(text, 'SQLSTATE 28|password authentication failed|no pg_hba\.conf entry|Error 10(44|45)\b|Access denied for user|error resolving secret') THEN 'trigger_auth_failure'
        WHEN pattern LIKE 'keda.%' AND regexp_matches(text, 'SQLSTATE (57014|55P03)|statement timeout|could not query \w+: (timeout|context deadline exceeded)|max_statement_time exceeded') THEN 'trigger_query_slow'
        WHEN pattern LIKE 'keda.%' AND regexp_matches(text, 'SQLSTATE (08|57P0[123]|3D000)|Error 1049|no such host|connection refused|no route to host|network is unreachable|failed to connect to') THEN 'trigger_db_unreachable'
        WHEN pattern = 'keda.fallback' THEN 'fallback_active'
        WHEN pattern = 'kcm.hpa_failed' AND regexp_matches(text, 'no matches for|could not find the requested resource') THEN 'external_metrics_api_missing'
        -- an aggregator that waits in vain says that the server is currently unable
        WHEN pattern = 'adapter.handler_timeout' OR (pattern = 'kcm.hpa_failed' AND regexp_matches(text, 'timeout|deadline exceeded|timed out|server is currently unable')) THEN 'external_metric_timeout'
        WHEN pattern = 'kcm.quota' THEN 'quota_exceeded'
        WHEN pattern = 'kpo.image' AND NOT contains(text, 'airflow-xcom-sidecar') THEN 'kpo_image_pull' WHEN pattern = 'kpo.xcom_fail' OR (pattern = 'kpo.image' AND contains(text, 'airflow-xcom-sidecar')) THEN 'xcom_sidecar_image_pull'
        WHEN pattern IN ('kpo.timeout_old', 'kpo.timeout_schedule', 'kpo.timeout_start') THEN 'kpo_startup_timeout'
        WHEN pattern = 'task.timeout' THEN 'execution_timeout' WHEN pattern IN ('zombie.detected', 'zombie.detected3') THEN 'zombie_tasks'
        WHEN pattern = 'worker.redelivered3' THEN 'redelivered_task'
        WHEN pattern IN ('trig.capacity', 'trig.blocked', 'trig.died') THEN 'deferred_backlog' WHEN pattern IN ('dagproc.timeout', 'dagproc.hung', 'dagproc.stale') THEN 'dag_processor_stale'
        END AS cause
    FROM lines
),
-- what only the crowd proves, and how sure a line is of what it says
sure AS (
    SELECT *, CASE WHEN cause IN ('pool_missing', 'trigger_query_error', 'trigger_auth_failure', 'workload_token_expired', 'dag_missing_on_worker', 'quota_exceeded', 'db_connections_exhausted') THEN 0.9
            WHEN cause IN ('dag_max_active_tasks', 'dag_max_active_runs', 'parallelism_limit', 'task_concurrency_limit') THEN 0.5 ELSE 0.7 END AS confidence,
        CASE WHEN cause IN ('broker_unavailable', 'execution_api_unavailable') THEN 2 ELSE 1 END AS pods_needed,
        CASE WHEN cause IN ('pool_exhausted', 'pool_missing', 'dag_max_active_tasks', 'dag_max_active_runs', 'dag_missing_on_worker') THEN subject ELSE cause END AS about
    FROM told WHERE cause IS NOT NULL
)
SELECT cause, min(ts) AS started_at, max(ts) AS ended_at, '' AS target, about AS subject,
    {'what': cause, 'subject': CASE WHEN about = '' THEN '?' ELSE about END, 'lines': count(*), 'who': string_agg(DISTINCT component, ', ' ORDER BY component), 'from': strftime(min(ts), '%H:%M:%S'), 'to': strftime(max(ts), '%H:%M:%S'),
     'text': left(arg_min(text, ts), 300)} AS params,
    any_value(confidence) AS confidence,
    list({'table': 'log_lines', 'ts': ts, 'key': who, 'text': text} ORDER BY ts)[1:4] AS evidence
FROM sure GROUP BY cause, about
HAVING count(DISTINCT who) >= any_value(pods_needed)
