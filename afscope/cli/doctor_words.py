"""The words of `doctor` about rights and wiring, in English and Chinese."""

SAY = {
    "en": {
        "rights": "Rights",
        "wiring": "Wiring",
        "kubernetes": "Kubernetes",
        "airflow_db": "Airflow DB",
        "all_read": "all may be read: {tables}",
        "read": "may be read: {tables}",
        "grant_kubernetes": "grant list and watch; `afscope manifest` prints the role",
        "grant_airflow_db": "grant SELECT on these tables; docs/capture-airflow.md has the SQL",
        "silent": "no answer in this time",
        "unknown_chain": "not assessed: ScaledObjects could not be listed",
        "no_chain": "no ScaledObject was seen that scales workers of Airflow",
        "paused": "paused by annotation: KEDA leaves the replicas alone",
        "fallback": "Fallback=True: KEDA answers with the fallback replicas, not with the query",
        "trigger_name": "trigger",
        "trigger": "{type}, target {target}, asked every {seconds} s",
        "no_api": "there is no APIService v1beta1.external.metrics.k8s.io: no HPA can ask KEDA",
        "no_hpa": "{name} does not exist: nobody scales between 1 and the maximum",
        "no_value": "no value",
        "metric_name": "metric",
        "metric": "{name}: {value} ({type}), target {target}; replicas {current}, desired {desired}",
        "ceiling_name": "ceiling",
        "reachable": "Airflow lets {tasks} tasks be queued or running (parallelism {parallelism} x {schedulers} "
        "scheduler(s), pools {pools}): {workers} workers of {worker_slots} slots; maxReplicaCount "
        "{max_replica_count} can be reached",
        "unreachable": "Airflow lets only {tasks} tasks be queued or running (parallelism {parallelism} x {schedulers} "
        "scheduler(s), pools {pools}): {workers} workers of {worker_slots} slots; maxReplicaCount "
        "{max_replica_count} is out of reach",
        "unlimited": "without limit",
        "assumed": " (default assumed: {names})",
    },
    "zh": {
        "rights": "权限",
        "wiring": "链路",
        "kubernetes": "Kubernetes",
        "airflow_db": "Airflow DB",
        "all_read": "全部可读：{tables}",
        "read": "可读：{tables}",
        "grant_kubernetes": "请授予 list 和 watch；`afscope manifest` 会打印该角色",
        "grant_airflow_db": "请授予这些表的 SELECT 权限；SQL 见 docs/capture-airflow.md",
        "silent": "在此期间没有应答",
        "unknown_chain": "未评估：无法列出 ScaledObject",
        "no_chain": "没有看到伸缩 Airflow worker 的 ScaledObject",
        "paused": "已被注解暂停：KEDA 不改动副本数",
        "fallback": "Fallback=True：KEDA 返回 fallback 副本数，而不是查询结果",
        "trigger_name": "触发器",
        "trigger": "{type}，目标值 {target}，每 {seconds} 秒查询一次",
        "no_api": "没有 APIService v1beta1.external.metrics.k8s.io：HPA 无法向 KEDA 取指标",
        "no_hpa": "{name} 不存在：1 与上限之间无人伸缩",
        "no_value": "没有值",
        "metric_name": "指标",
        "metric": "{name}：{value}（{type}），目标值 {target}；副本 {current}，期望 {desired}",
        "ceiling_name": "上限",
        "reachable": "Airflow 最多允许 {tasks} 个任务排队或运行（parallelism {parallelism} × {schedulers} 个调度器，"
        "资源池 {pools}）：{workers} 个 worker，每个 {worker_slots} 槽位；可以达到 maxReplicaCount {max_replica_count}",
        "unreachable": "Airflow 最多只允许 {tasks} 个任务排队或运行（parallelism {parallelism} × {schedulers} 个"
        "调度器，资源池 {pools}）：{workers} 个 worker，每个 {worker_slots} 槽位；无法达到 maxReplicaCount "
        "{max_replica_count}",
        "unlimited": "不限",
        "assumed": "（按默认值：{names}）",
    },
}
