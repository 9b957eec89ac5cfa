"""Why an HPA got no metric: the nested text of its events and conditions, peeled from the outside in.

HPA event <- replica calculator <- metrics client <- API server or <- gRPC <- KEDA operator <- driver. Each layer quotes
the one inside it, so the innermost known text names the failure and the hop that it points at.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from afscope.control.sql_errors import SqlError, sql_error


class FailureKind(StrEnum):
    """What the innermost known layer said."""

    UNAVAILABLE = "unavailable_503"
    NOT_FOUND = "not_found_404"
    TIMEOUT = "timeout"
    FORBIDDEN = "forbidden"
    OVERLOAD = "overload_429"
    TLS = "tls"
    GRPC_TIMEOUT = "grpc_not_connected"
    GRPC_UNAVAILABLE = "grpc_unavailable"
    GRPC_SHUTDOWN = "grpc_shutdown"
    GRPC_OTHER = "grpc_other"
    KEDA_BUILD = "keda_error_build"
    KEDA_ENCOUNTERED = "keda_error_encountered"
    KEDA_NO_MATCH = "keda_error_no_match"
    KEDA_NO_CACHE = "keda_error_no_cache"
    CONVERSION = "conversion"
    NO_METRICS = "no_metrics"
    NO_PODS = "no_pods"
    SELECTOR = "selector"
    OTHER = "other"


_ADAPTER, _OPERATOR, _TRIGGER, _DATABASE = "keda-metrics-apiserver", "keda-operator", "trigger", "metadata-db"
_SUSPECTS: dict[FailureKind, tuple[str, ...]] = {
    FailureKind.UNAVAILABLE: (_ADAPTER, "aggregation"),
    FailureKind.NOT_FOUND: ("aggregation",),
    # Whoever hangs, the API server gives up first: its text alone cannot tell the hops apart.
    FailureKind.TIMEOUT: (_ADAPTER, _OPERATOR, _DATABASE),
    FailureKind.FORBIDDEN: ("aggregation",),
    FailureKind.OVERLOAD: (_ADAPTER,),
    FailureKind.TLS: ("aggregation", _ADAPTER, _OPERATOR),
    FailureKind.GRPC_TIMEOUT: (_OPERATOR,),
    FailureKind.GRPC_UNAVAILABLE: (_OPERATOR,),
    FailureKind.GRPC_SHUTDOWN: (_ADAPTER,),
    FailureKind.GRPC_OTHER: (_OPERATOR,),
    FailureKind.KEDA_BUILD: (_TRIGGER, _DATABASE),
    FailureKind.KEDA_ENCOUNTERED: (_TRIGGER, _DATABASE),
    FailureKind.KEDA_NO_MATCH: (_TRIGGER, _OPERATOR),
    FailureKind.KEDA_NO_CACHE: (_OPERATOR,),
    FailureKind.CONVERSION: (_ADAPTER, _OPERATOR),
    FailureKind.NO_METRICS: (_OPERATOR,),
    FailureKind.NO_PODS: ("workload",),
    FailureKind.SELECTOR: ("workload", "autoscaler-settings"),
    FailureKind.OTHER: (),
}


@dataclass(frozen=True, slots=True)
class MetricFailure:
    """One failed metric as an HPA told it.

    `suspects` are components of the chain that the text points at, likeliest first; an empty tuple means that it
    points nowhere. `cause` is the innermost text; `invalid` of `total` metrics failed (0 where the text does not say).
    """

    kind: FailureKind
    suspects: tuple[str, ...]
    cause: str
    namespace: str = ""
    metric: str = ""
    scaledobject: str = ""
    invalid: int = 0
    total: int = 0
    grpc_code: str = ""
    sql: SqlError | None = None


_COMBINED = "(combined from similar events): "
_CONDITION = re.compile(r"the HPA was unable to compute the replica count: (?P<inner>.*)", re.DOTALL)
_COMPUTE = re.compile(
    r"invalid metrics \((?P<bad>\d+) invalid out of (?P<total>\d+)\), first error is: (?P<inner>.*)", re.DOTALL
)
_WRAPPED = re.compile(
    r"(?:failed to get (?P<m1>\S+) external metric(?: value)?|failed to get external metric (?P<m2>\S+)): "
    r"(?P<inner>.*)",
    re.DOTALL,
)
_EXTERNAL = re.compile(
    r"unable to get external metric (?P<ns>[^/\s]+)/(?P<metric>[^/]+?)/"
    r"(?P<selector>nil|<nil>|&LabelSelector\{.*?MatchExpressions:\[\]LabelSelectorRequirement\{.*?\},\}): "
    r"(?P<inner>.*)",
    re.DOTALL,
)
_SCALEDOBJECT = re.compile(r"scaledobject\.keda\.sh/name: ([^,}\s]+)")
_FETCH = re.compile(r"unable to fetch metrics from external metrics API: (?P<inner>.*)", re.DOTALL)
_RPC = re.compile(r"rpc error: code = (?P<code>\w+) desc = (?P<inner>.*)", re.DOTALL)
_READY_PODS = re.compile(r"unable to calculate ready pods: .*", re.DOTALL)
_KEDA = re.compile(
    r"error when getting metric values (?:metric:(?P<encountered>\S+) encountered error"
    r"|error (?:when )?getting scalers (?P<build>.*)"
    r"|no matching metrics found for (?P<no_match>\S+)"
    r"|(?P<no_cache>scaledObject not found in the cache))",
    re.DOTALL,
)
_TEXTS: tuple[tuple[FailureKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.DOTALL | re.IGNORECASE))
    for kind, pattern in (
        (FailureKind.GRPC_TIMEOUT, r"timeout while waiting to establish gRPC connection"),
        (FailureKind.GRPC_SHUTDOWN, r"gRPC connection is shut down"),
        (FailureKind.TLS, r"x509: |tls: |authentication handshake failed"),
        (FailureKind.NO_METRICS, r"no metrics returned from external metrics API"),
        (FailureKind.NOT_FOUND, r"the server could not find the requested resource"),
        (FailureKind.OVERLOAD, r"too many requests|server has received too many requests|priority.and.fairness"),
        (FailureKind.FORBIDDEN, r"is forbidden: User \""),
        (
            FailureKind.TIMEOUT,
            r"request did not complete within|unable to return a response in the time allotted"
            r"|context deadline exceeded|http: Handler timeout|i/o timeout|Client\.Timeout",
        ),
        (FailureKind.UNAVAILABLE, r"the server is currently unable to handle the request"),
        (FailureKind.CONVERSION, r"error when converting metric values"),
        (FailureKind.SELECTOR, r"selector is required|pods by selector .* are controlled by multiple HPAs"),
    )
)
_PEELS = (_CONDITION, _COMPUTE, _WRAPPED, _EXTERNAL, _FETCH)


def metric_failure(text: str) -> MetricFailure | None:
    """The failure told by the message of an HPA's event or condition; None when it is about something else.

    Understands FailedComputeMetricsReplicas, FailedGetExternalMetric, the ScalingActive condition, and a bare inner
    text such as `rpc error: …`.
    """
    facts, inner, layers = _peel(text.removeprefix(_COMBINED).strip())
    rpc = _RPC.match(inner)
    innermost = rpc["inner"] if rpc else inner
    kind, cause, metric = _innermost(innermost, rpc["code"] if rpc else "")
    if kind is FailureKind.OTHER and not layers and rpc is None:
        return None
    built_or_queried = kind in (FailureKind.KEDA_BUILD, FailureKind.KEDA_ENCOUNTERED)
    selector = facts.get("selector") or ""
    found = _SCALEDOBJECT.search(selector)
    return MetricFailure(
        kind,
        _SUSPECTS[kind],
        cause,
        facts.get("ns", ""),
        facts.get("metric") or facts.get("m1") or facts.get("m2") or metric,
        found[1] if found else "",
        int(facts.get("bad", 0)),
        int(facts.get("total", 0)),
        rpc["code"] if rpc else "",
        sql_error(cause) if built_or_queried else None,
    )


def _peel(text: str) -> tuple[dict[str, str], str, int]:
    """What the outer layers say, the text inside them, and how many there were."""
    facts: dict[str, str] = {}
    layers = 0
    while match := next((found for layer in _PEELS if (found := layer.match(text))), None):
        facts.update({name: value for name, value in match.groupdict().items() if value and name != "inner"})
        text, layers = match["inner"], layers + 1
    return facts, text, layers


def _innermost(text: str, grpc_code: str) -> tuple[FailureKind, str, str]:
    """Kind, cause and, where KEDA names it, the metric."""
    if keda := _KEDA.match(text):
        return _from_keda(keda)
    if _READY_PODS.match(text):
        return FailureKind.NO_PODS, text, ""
    known = next((kind for kind, pattern in _TEXTS if pattern.search(text)), None)
    if grpc_code == "Unavailable":
        return (FailureKind.TLS if known is FailureKind.TLS else FailureKind.GRPC_UNAVAILABLE), text, ""
    if grpc_code in ("DeadlineExceeded", "Canceled"):
        return FailureKind.TIMEOUT, text, ""
    if known is not None:
        return known, text, ""
    return (FailureKind.GRPC_OTHER if grpc_code else FailureKind.OTHER), text, ""


def _from_keda(match: re.Match[str]) -> tuple[FailureKind, str, str]:
    if match["build"] is not None:
        return FailureKind.KEDA_BUILD, match["build"], ""
    if match["encountered"]:
        return FailureKind.KEDA_ENCOUNTERED, match[0], match["encountered"]
    if match["no_match"]:
        return FailureKind.KEDA_NO_MATCH, match[0], match["no_match"]
    return FailureKind.KEDA_NO_CACHE, match[0], ""
