"""What the engine itself says, in English and Chinese. Analyzers bring their own texts in their headers."""

from typing import Any

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "unknown": "unknown",
        "guilty_one": "{title}. Since {since} UTC; it cost {cost} of {total} waiting task-seconds ({share} %){lost}.",
        "guilty_more": " {n} more root cause(s): {others}.",
        "lost": " and {seconds} s of work",
        "healthy": "No fault found: {tasks} task(s) waited {total} task-seconds, which the configured timers explain.",
        "contributing": "No root cause: {tasks} task(s) waited {total} task-seconds; smaller troubles: {others}.",
        "idle": "Nothing waited in this capture.",
        "partly": "No fault found in what was recorded, but {n} cause(s) could not be looked for: {sources} missing.",
        "unexplained": "Not explained: {unknown} of {total} waiting task-seconds have no cause that could be proven.",
        "failures": "Not explained: {n} attempt(s) failed in this capture, and no cause could be proven for it.",
        "no_tasks": "Not assessed: the task table was not recorded, so nobody can say what waited.",
        "not_recorded": "not assessed: {sources} not recorded",
        "no_rule": "not assessed: no analyzer of this version speaks for it",
        "no_proof": "not assessed: the recorded rows neither prove nor exclude it",
        "c1_ok": "{n} task(s) were queued, {median} s after they could run (median)",
        "c1_bad": "{causes} kept work out of the table",
        "c1_none": "no task could have been queued in this capture",
        "c2_ok": "{n} valid answer(s) of the metric on record, no failure",
        "c2_bad": "{causes}",
        "c2_failed": "{n} span(s) without an answer",
        "c2_none": "the HPA never asked in this capture",
        "c3_ok": "all {n} queued tasks are counted by a trigger",
        "c3_bad": "{causes}",
        "c3_missed": "{n} queued task(s) are counted by no trigger",
        "c3_none": "no task was queued",
        "c3_unread": "the trigger's query cannot be re-run: {reason}",
    },
    "zh": {
        "unknown": "未知",
        "guilty_one": "{title}。自 {since} UTC 起；占等待 {total} 任务秒中的 {cost}（{share} %）{lost}。",
        "guilty_more": "另有 {n} 个根因：{others}。",
        "lost": "，并损失 {seconds} 秒的工作",
        "healthy": "未发现故障：{tasks} 个任务共等待 {total} 任务秒，全部可由配置的计时器解释。",
        "contributing": "没有根因：{tasks} 个任务共等待 {total} 任务秒；较小的问题：{others}。",
        "idle": "本次采集中没有任务等待。",
        "partly": "在已记录的数据中未发现故障，但有 {n} 个原因无法排查：缺少 {sources}。",
        "unexplained": "未能解释：{total} 任务秒的等待中有 {unknown} 找不到可以证明的原因。",
        "failures": "未能解释：本次采集中有 {n} 次任务尝试失败，且找不到可以证明的原因。",
        "no_tasks": "未评估：没有记录任务表，无法判断什么在等待。",
        "not_recorded": "未评估：没有记录 {sources}",
        "no_rule": "未评估：此版本没有针对它的分析器",
        "no_proof": "未评估：记录的数据既不能证明也不能排除",
        "c1_ok": "{n} 个任务进入队列，可运行后的中位延迟 {median} 秒",
        "c1_bad": "{causes} 使任务没有进入队列",
        "c1_none": "本次采集中没有可以排队的任务",
        "c2_ok": "记录到 {n} 次有效的指标应答，没有失败",
        "c2_bad": "{causes}",
        "c2_failed": "有 {n} 段时间没有应答",
        "c2_none": "本次采集中 HPA 没有请求过指标",
        "c3_ok": "全部 {n} 个排队任务都被触发器统计",
        "c3_bad": "{causes}",
        "c3_missed": "{n} 个排队任务没有被任何触发器统计",
        "c3_none": "没有任务排队",
        "c3_unread": "触发器的查询无法重新执行：{reason}",
    },
}


def say(lang: str, key: str, **values: Any) -> str:
    """One sentence; English where a language lacks it."""
    return _WORDS.get(lang, _WORDS["en"]).get(key, _WORDS["en"][key]).format(**values)
