"""The words that the screen puts around the texts of an analysis, English and Chinese side by side."""

from afscope.tui.words_keys import KEYS
from afscope.tui.words_screens import SCREENS

_WORDS: dict[str, tuple[str, str]] = {
    # the verdict
    "healthy": ("HEALTHY", "健康"),
    "unhealthy": ("NOT HEALTHY", "不健康"),
    "unknown": ("CANNOT TELL", "无法判断"),
    "analyzing": ("ANALYZING", "分析中"),
    "everything": ("(the whole capture)", "（整个记录）"),
    "verdict": ("Verdict", "结论"),
    "reading": ("reading {name} …", "正在读取 {name} …"),
    "waiting_rows": ("{name}: waiting for the first rows …", "{name}：等待第一批数据 …"),
    "live": ("LIVE", "实时"),
    "paused": ("PAUSED", "已暂停"),
    "verdict_age": ("verdict {age} old", "结论 {age} 前"),
    "recorder_ended": ("recorder ended: {why}", "记录已结束：{why}"),
    "gone": ("what was open here is no longer found", "此前打开的内容已不再出现"),
    # panes
    "timeline": ("Timeline", "时间线"),
    "findings": ("Findings", "发现"),
    "no_findings": ("nothing found", "没有发现"),
    "no_charts": ("no scaled workers on record", "没有记录到可伸缩的 worker"),
    "unserved": ("(tasks of no target)", "（无归属的任务）"),
    "components": ("Components", "组件"),
    "conditions": ("Conditions of a healthy chain", "健康链路的条件"),
    "not_assessed_causes": ("Could not be assessed", "无法评估"),
    "needs": ("needs {tables}: {causes}", "需要 {tables}：{causes}"),
    "gaps": ("Gaps in the recording", "记录中的缺口"),
    "evidence": ("Evidence (Enter shows the rows)", "证据（Enter 显示数据行）"),
    "counter_evidence": ("Against it", "反证"),
    "explained_by": ("Explained by", "由此解释"),
    "remedy": ("What to do", "怎么办"),
    "rows_of": ("{table}: row {row} of {count}", "{table}：第 {row} 行，共 {count} 行"),
    "no_rows": ("no row of {table} on record", "没有 {table} 的记录"),
    "no_answer": ("could not read the rows: {why}", "无法读取数据行：{why}"),
    # findings
    "root_cause": ("root cause", "根本原因"),
    "contributing": ("contributing", "次要原因"),
    "symptom": ("symptom", "症状"),
    "observation": ("observation", "观察"),
    "critical": ("critical", "严重"),
    "high": ("high", "高"),
    "medium": ("medium", "中"),
    "low": ("low", "低"),
    "info": ("info", "提示"),
    "since": ("since {since} for {span}", "自 {since} 起 {span}"),
    "waiting_cost": ("{n} task-seconds waiting", "等待 {n} 任务·秒"),
    "lost_cost": ("{n} task-seconds of work lost", "丢失 {n} 任务·秒的工作"),
    "idle_cost": ("{n} pod-seconds idle", "空闲 {n} Pod·秒"),
    "confidence": ("confidence {percent} %", "置信度 {percent} %"),
    "guilty": ("guilty", "有责"),
    "not_guilty": ("not guilty", "无责"),
    "not_assessed": ("not assessed", "未评估"),
    "yes": ("yes", "是"),
    "no": ("NO", "否"),
    "perhaps": ("?", "？"),
    "scheduler_fills_table": ("the scheduler puts work into the table", "调度器把任务写入表中"),
    "metric_path_answers": (
        "HPA, metrics apiserver, operator and database answer",
        "HPA、指标 API、operator 与数据库均有应答",
    ),
    "query_matches_tasks": ("the trigger's query matches the tasks", "触发器的查询与任务相符"),
    # lanes, at most nine cells
    "lane_waiting": ("waiting", "未入队"),
    "lane_queued": ("queued", "排队"),
    "lane_running": ("running", "运行"),
    "lane_metric": ("metric", "指标"),
    "lane_desired": ("desired", "期望"),
    "lane_current": ("current", "当前"),
    "lane_ready": ("ready", "就绪"),
    "lane_slots": ("slots", "槽位"),
    "lane_slots_used": ("in use", "占用"),
    "strip_finding": ("finding", "发现"),
    "strip_ticks": ("events", "事件"),
    "strip_health": ("HPA asks", "HPA询问"),
    "strip_constraint": ("wait for", "等待于"),
    # what the HPA asked for and got
    "ok": ("answered", "有应答"),
    "failing": ("no answer", "无应答"),
    "silent": ("nobody asks", "无人询问"),
    "nothing_waits": ("nothing waits", "无等待"),
    "waits_for": ("tasks wait for: {cause}", "任务等待于：{cause}"),
    "metric_is": ("HPA's metric: {state}", "HPA 指标：{state}"),
    "free": ("free", "空闲"),
    "after_start": ("+{span}", "+{span}"),
    "not_recorded": ("NOT RECORDED", "未记录"),
    # jump, copy, help
    "jump_to": ("go to", "跳转到"),
    "jump_forms": (
        "20:10:39   2026-11-22T20:10:39Z   3m ago (before the end)   +5m   -30s",
        "20:10:39   2026-11-22T20:10:39Z   3m ago（距结尾）   +5m   -30s",
    ),
    "jump_bad": ("not a time in {range}", "不是 {range} 内的时间"),
    "copied": ("copied", "已复制"),
    "help": ("Keys", "按键"),
    "help_close": ("Esc closes", "Esc 关闭"),
    "legend": ("Reading the lanes", "如何阅读"),
    "legend_range": ("values between low and high within one column", "一列之内的取值范围"),
    "legend_hole": ("a hole: nobody was told a value", "空洞：没有取到值"),
    "legend_gap": ("a gap: not recorded", "缺口：未记录"),
    "legend_tick": ("a decision (change of spec.replicas)", "一次决策（spec.replicas 改变）"),
    "legend_warning": ("a warning event", "一个警告事件"),
    "legend_mouse": ("drag: cursor; Shift-drag: range; wheel: zoom", "拖动：光标；Shift 拖动：范围；滚轮：缩放"),
    "group_time": ("Time", "时间"),
    "group_place": ("Panes", "面板"),
    "group_other": ("Other", "其他"),
    "group_find": ("Tables", "表格"),
    "group_sql": ("SQL and what-if", "SQL 与假设"),
}  # fmt: skip
_WORDS |= SCREENS | KEYS
LANGUAGES = ("en", "zh")


def word(lang: str, key: str, **values: object) -> str:
    """The text for `key` in `lang`, filled in. Unknown languages read English; unknown keys are a bug (KeyError)."""
    text = _WORDS[key][LANGUAGES.index(lang) if lang in LANGUAGES else 0]
    return text.format(**values) if values else text


def known(key: str) -> bool:
    """Whether there is a text for `key`: ids that come out of a capture may be newer than this table."""
    return key in _WORDS
