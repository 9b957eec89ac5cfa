"""What the simulation says, in English and Chinese."""

from typing import Any

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "good": "the rules reproduce the recorded decisions (at least {w} of the writes and {s} of the syncs)",
        "low": "NOT to be trusted: {writes} of the writes and {syncs} of the syncs are reproduced, "
        "{w} and {s} are needed",
        "wide": "NOT to be trusted: the metric is known to {width} replicas only; {most} is the most",
        "nothing_to_check": "NOT to be trusted: no write of KEDA or the HPA was recorded to check the rules on",
        "no_status": "no status of the HPA was recorded for this write",
        "not_external": "the HPA also follows a metric that is not modelled: {why}",
        "as_restarted": "fits a controller that had just forgotten its recommendations; no restart of "
        "kube-controller-manager was recorded",
        "no_input": "the status fits no number of replicas that the workload showed",
        "moving": "status.replicas was changing; the recorder does not know which value this sync read",
        "no_rows": "the trigger's query cannot be re-run, so its value at this instant is unknown",
        "unseen": "the recorder did not see the metric's value at this instant, only a rounded quotient of it",
        "keda_demand": "no row that the trigger counts was on record around this poll",
        "keda_cooldown": "by the recorded lastActiveTime the cooldown was not over",
        "keda_late": "the cooldown ended earlier; KEDA should have written by {due}, but was not polling",
        "no_boot": "No worker became ready in the recording: where a variant lets one, it is taken to boot in 30 s.",
        "no_query": "The trigger's query cannot be re-run: every queued or running task of the target is counted.",
        "no_hpa": "No HPA was recorded: it is taken to be the one that KEDA makes of the ScaledObject.",
        "first_metric": "The HPA follows several metrics: only that of the first trigger is simulated.",
        "other_metrics": "The HPA follows metrics that are not modelled: only that of the first trigger is simulated.",
        "no_tasks": "The task table was not recorded: there is no work to simulate.",
        "fallback": "The ScaledObject has a fallback, which is not simulated: while the trigger fails nothing changes.",
        "unmeasured": "Some tasks never finished in the recording and have no like: they are taken to run 60 s.",
        "bill_none": "The target does not scale to zero, or nothing started cold.",
        "bill_cost": "{starts} cold start(s) made tasks wait {saved} s longer than with {warm} warm worker(s), "
        "which would have cost {idle} more pod-hours.",
        "cron_yes": "The demand follows schedules: {dags}.",
        "cron_no": "No schedule makes the demand predictable: {why}.",
        "cron_few": "the recording holds fewer than three scheduled runs of any DAG",
        "cron_all_day": "the scheduled runs leave no part of the day free",
    },
    "zh": {
        "good": "规则重现了记录的决定（至少 {w} 的写入和 {s} 的同步）",
        "low": "不可信：仅重现 {writes} 的写入和 {syncs} 的同步；需要 {w} 和 {s}",
        "wide": "不可信：指标只能确定到 {width} 个副本；最多允许 {most}",
        "nothing_to_check": "不可信：没有记录到 KEDA 或 HPA 的任何写入，无法核对规则",
        "no_status": "没有记录到这次写入对应的 HPA 状态",
        "not_external": "HPA 还跟随未建模的指标：{why}",
        "as_restarted": "符合控制器刚刚丢失历史建议的情形；但没有记录到 kube-controller-manager 重启",
        "no_input": "该状态与工作负载显示过的副本数都不相符",
        "moving": "status.replicas 正在变化；无法得知此次同步读到的是哪个值",
        "no_rows": "触发器的查询无法重新执行，此刻的值未知",
        "unseen": "记录器没有看到此刻的指标值，只有状态中取整后的商",
        "keda_demand": "此次轮询前后没有记录到触发器会统计的行",
        "keda_cooldown": "按记录的 lastActiveTime，冷却期尚未结束",
        "keda_late": "冷却期早已结束；KEDA 本应在 {due} 之前写入，但没有轮询",
        "no_boot": "记录中没有 worker 就绪：可启动的变体假定 30 秒启动。",
        "no_query": "触发器的查询无法重新执行：计入目标的所有排队与运行任务。",
        "no_hpa": "没有记录 HPA：假定为 KEDA 由 ScaledObject 生成的 HPA。",
        "first_metric": "HPA 跟随多个指标：只模拟第一个触发器的指标。",
        "other_metrics": "HPA 跟随未建模的指标：只模拟第一个触发器的指标。",
        "no_tasks": "没有记录任务表：没有可以模拟的工作。",
        "fallback": "ScaledObject 设有 fallback，模拟中不包含：触发器失败期间保持不变。",
        "unmeasured": "部分任务在记录中没有结束且没有同类：假定运行 60 秒。",
        "bill_none": "该目标不缩到零，或没有冷启动。",
        "bill_cost": "{starts} 次冷启动使任务比有 {warm} 个常驻 worker 时多等 {saved} 秒；"
        "这些 worker 要多花 {idle} Pod·小时。",
        "cron_yes": "需求遵循调度：{dags}。",
        "cron_no": "没有调度使需求可预测：{why}。",
        "cron_few": "记录中任何 DAG 的定时运行都少于三次",
        "cron_all_day": "定时运行占满了全天",
    },
}


def say(lang: str, key: str, **values: Any) -> str:
    """One sentence; English where a language lacks it."""
    return _WORDS.get(lang, _WORDS["en"]).get(key, _WORDS["en"][key]).format(**values)
