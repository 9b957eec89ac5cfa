"""API objects as far as afscope reads them, typed for msgspec: unknown fields are skipped, missing ones have defaults.

Every field that servers have been seen to send as null is optional (`containers: null` in bookmarks, `eventTime:
null` on mirrored events, conditions without times from KEDA). Shapes: Kubernetes 1.36 API reference; KEDA CRD 2.20.
"""

from typing import Annotated, Any

import msgspec

Json = dict[str, Any]
Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What a capture can hold: a longer number is as wrong as a word."""


class _Object(msgspec.Struct, rename="camel"):
    """Base: camelCase on the wire."""


class OwnerReference(_Object):
    """metadata.ownerReferences[]."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class ManagedField(_Object):
    """metadata.managedFields[]."""

    manager: str | None = None
    operation: str | None = None
    subresource: str | None = None
    time: str | None = None
    fields_v1: Json | None = msgspec.field(name="fieldsV1", default=None)


class Meta(_Object):
    """metadata."""

    name: str = ""
    namespace: str | None = None
    uid: str = ""
    resource_version: str | None = None
    generation: Int | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: Int | None = None
    labels: dict[str, str | None] | None = None
    annotations: dict[str, str | None] | None = None
    owner_references: list[OwnerReference] | None = None
    managed_fields: list[ManagedField] | None = None

    def owner(self) -> OwnerReference:
        """The controlling owner, else the first, else an empty one."""
        owners = self.owner_references or []
        return next((o for o in owners if o.controller), owners[0] if owners else OwnerReference())


class Condition(_Object):
    """status.conditions[]; KEDA's have no times."""

    type: str = ""
    status: str | None = None
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None
    last_update_time: str | None = None


class EnvVar(_Object):
    """A container's env entry."""

    name: str = ""
    value: str | None = None


class Resources(_Object):
    """resources.requests of a container or a pod."""

    requests: dict[str, str | int | float] | None = None


class Container(_Object):
    """A container of a pod spec."""

    name: str = ""
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    env: list[EnvVar] | None = None
    resources: Resources | None = None
    restart_policy: str | None = None


class PodSpec(_Object):
    """A pod's spec, also inside templates."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    resources: Resources | None = None
    overhead: dict[str, str | int | float] | None = None
    node_name: str | None = None
    termination_grace_period_seconds: Int | None = None


class ContainerPhase(_Object):
    """running, waiting or terminated of a container state."""

    reason: str | None = None
    message: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: Int | None = None


class ContainerState(_Object):
    """state and lastState of a container."""

    running: ContainerPhase | None = None
    waiting: ContainerPhase | None = None
    terminated: ContainerPhase | None = None


class ContainerStatus(_Object):
    """status.containerStatuses[]."""

    name: str = ""
    image: str | None = None
    ready: bool | None = None
    restart_count: Int | None = None
    state: ContainerState | None = None
    last_state: ContainerState | None = None


class PodStatus(_Object):
    """A pod's status."""

    phase: str | None = None
    reason: str | None = None
    message: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(_Object):
    """v1 Pod."""

    metadata: Meta
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class Template(_Object):
    """A pod template."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)


class WorkloadSpec(_Object):
    """spec of Deployment, StatefulSet and ReplicaSet."""

    replicas: Int | None = None
    selector: Json | None = None
    template: Template | None = None
    pod_management_policy: str | None = None


class WorkloadStatus(_Object):
    """status of Deployment, StatefulSet and ReplicaSet."""

    observed_generation: Int | None = None
    replicas: Int | None = None
    ready_replicas: Int | None = None
    available_replicas: Int | None = None
    updated_replicas: Int | None = None
    terminating_replicas: Int | None = None
    conditions: list[Condition] | None = None


class Workload(_Object):
    """apps/v1 Deployment, StatefulSet, ReplicaSet."""

    metadata: Meta
    spec: WorkloadSpec = msgspec.field(default_factory=WorkloadSpec)
    status: WorkloadStatus = msgspec.field(default_factory=WorkloadStatus)


class TargetRef(_Object):
    """scaleTargetRef."""

    kind: str | None = None
    name: str = ""


class HpaSpec(_Object):
    """spec of an HPA, autoscaling/v2; v1 keeps metrics and behavior in annotations."""

    scale_target_ref: TargetRef = msgspec.field(default_factory=TargetRef)
    min_replicas: Int | None = None
    max_replicas: Int | None = None
    metrics: list[Json] | None = None
    behavior: Json | None = None


class HpaStatus(_Object):
    """status of an HPA, autoscaling/v2."""

    last_scale_time: str | None = None
    current_replicas: Int | None = None
    desired_replicas: Int | None = None
    current_metrics: list[Json] | None = None
    conditions: list[Condition] | None = None


class Hpa(_Object):
    """autoscaling/v2 HorizontalPodAutoscaler."""

    metadata: Meta
    spec: HpaSpec = msgspec.field(default_factory=HpaSpec)
    status: HpaStatus = msgspec.field(default_factory=HpaStatus)


class Trigger(_Object):
    """spec.triggers[] of a ScaledObject."""

    type: str = ""
    name: str | None = None
    metadata: dict[str, Any] | None = None
    metric_type: str | None = None
    use_cached_metrics: bool | None = None
    authentication_ref: Json | None = None


class ScaledObjectSpec(_Object):
    """spec of a ScaledObject."""

    scale_target_ref: TargetRef = msgspec.field(default_factory=TargetRef)
    polling_interval: Int | None = None
    cooldown_period: Int | None = None
    initial_cooldown_period: Int | None = None
    min_replica_count: Int | None = None
    max_replica_count: Int | None = None
    idle_replica_count: Int | None = None
    fallback: Json | None = None
    advanced: Json | None = None
    triggers: list[Trigger] | None = None


class ScaledObjectStatus(_Object):
    """status of a ScaledObject."""

    hpa_name: str | None = None
    last_active_time: str | None = None
    original_replica_count: Int | None = None
    paused_replica_count: Int | None = None
    conditions: list[Condition] | None = None
    health: Json | None = None
    external_metric_names: list[str] | None = None


class ScaledObject(_Object):
    """keda.sh/v1alpha1 ScaledObject."""

    metadata: Meta
    spec: ScaledObjectSpec = msgspec.field(default_factory=ScaledObjectSpec)
    status: ScaledObjectStatus = msgspec.field(default_factory=ScaledObjectStatus)


class ObjectReference(_Object):
    """involvedObject, regarding."""

    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None
    field_path: str | None = None


class EventSource(_Object):
    """source of a core/v1 event."""

    component: str | None = None
    host: str | None = None


class EventSeries(_Object):
    """series of an event."""

    count: Int | None = None
    last_observed_time: str | None = None


class Event(_Object):
    """core/v1 and events.k8s.io/v1 events in one: the latter's regarding, note and deprecated* are the former's."""

    metadata: Meta
    type: str | None = None
    reason: str | None = None
    message: str | None = None
    note: str | None = None
    action: str | None = None
    count: Int | None = None
    deprecated_count: Int | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    deprecated_first_timestamp: str | None = None
    deprecated_last_timestamp: str | None = None
    event_time: str | None = None
    series: EventSeries | None = None
    source: EventSource | None = None
    deprecated_source: EventSource | None = None
    reporting_component: str | None = None
    reporting_controller: str | None = None
    reporting_instance: str | None = None
    involved_object: ObjectReference | None = None
    regarding: ObjectReference | None = None


class Taint(_Object):
    """spec.taints[] of a node."""

    key: str | None = None
    value: str | None = None
    effect: str | None = None


class NodeSpec(_Object):
    """spec of a node."""

    unschedulable: bool | None = None
    taints: list[Taint] | None = None


class NodeStatus(_Object):
    """status of a node."""

    allocatable: dict[str, str | int] | None = None
    conditions: list[Condition] | None = None


class Node(_Object):
    """v1 Node."""

    metadata: Meta
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class Quota(_Object):
    """v1 ResourceQuota and LimitRange."""

    metadata: Meta
    spec: Json | None = None
    status: Json | None = None


class ServiceReference(_Object):
    """spec.service of an APIService; null for local ones."""

    namespace: str | None = None
    name: str | None = None


class ApiServiceSpec(_Object):
    """spec of an APIService."""

    service: ServiceReference | None = None


class ApiServiceStatus(_Object):
    """status of an APIService."""

    conditions: list[Condition] | None = None


class ApiService(_Object):
    """apiregistration.k8s.io/v1 APIService."""

    metadata: Meta
    spec: ApiServiceSpec = msgspec.field(default_factory=ApiServiceSpec)
    status: ApiServiceStatus = msgspec.field(default_factory=ApiServiceStatus)


class LeaseSpec(_Object):
    """spec of a Lease."""

    holder_identity: str | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: Int | None = None
    lease_duration_seconds: Int | None = None


class Lease(_Object):
    """coordination.k8s.io/v1 Lease."""

    metadata: Meta
    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)
