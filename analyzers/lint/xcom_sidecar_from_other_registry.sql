-- ---
-- id = "xcom_sidecar_from_other_registry"
-- group = "lint"
-- stage = "image"
-- component = "kubernetes-pod-operator"
-- severity = "low"
-- needs = ["pods"]
-- [text.en]
-- title = "The XCom sidecar comes from {registry}, which no other image of these pods does"
-- detail = "Pods of KubernetesPodOperator with do_xcom_push carry {image} besides their own {base}. Nodes that can only pull from the registry of the others leave it waiting{failed}, and the pod stays Pending although its work runs."
-- remedy = "Mirror the image and name it for all tasks: extra xcom_sidecar_container_image of the Kubernetes connection (kubernetes_default), or in airflow_local_settings.py a pod_mutation_hook(pod) that sets the image of the container airflow-xcom-sidecar (any provider). do_xcom_push=False where nothing is returned."
-- variants.pull_failed = " (it does: {reason})"
-- variants.pull_unknown = ""
-- [text.zh]
-- name = "XCom sidecar 来自另一个镜像仓库"
-- title = "XCom sidecar 来自 {registry}，而这些 Pod 的其他镜像都不来自那里"
-- detail = "启用 do_xcom_push 的 KubernetesPodOperator Pod 除自身的 {base} 外还带有 {image}。只能从其他镜像所在仓库拉取的节点会让它一直等待{failed}，Pod 虽在干活却停留在 Pending。"
-- remedy = "镜像该镜像并为所有任务指定：Kubernetes 连接（kubernetes_default）的 extra xcom_sidecar_container_image，或在 airflow_local_settings.py 中用 pod_mutation_hook(pod) 设置容器 airflow-xcom-sidecar 的镜像（任何版本）。无返回值的任务设 do_xcom_push=False。"
-- variants.pull_failed = "（确实如此：{reason}）"
-- variants.pull_unknown = ""
-- ---
WITH images AS (
    SELECT DISTINCT p.uid, p.namespace || '/' || p.name AS key, p.ts, c.name, c.image,
        -- an image without a host before its first slash is Docker Hub's
        CASE WHEN contains(c.image, '/') AND regexp_matches(split_part(c.image, '/', 1), '[.:]|^localhost$') THEN split_part(c.image, '/', 1) ELSE 'docker.io' END AS registry,
        p.waiting_container, p.waiting_reason
    FROM (SELECT *, unnest(from_json(containers, '[{"name":"VARCHAR","image":"VARCHAR"}]')) AS c FROM pods WHERE containers IS NOT NULL) p WHERE c.image <> ''
),
sidecars AS (SELECT * FROM images WHERE name = 'airflow-xcom-sidecar'),
-- every other image in the same namespace: what the nodes are known to pull
others AS (SELECT DISTINCT split_part(key, '/', 1) AS namespace, registry FROM images WHERE name <> 'airflow-xcom-sidecar')
SELECT min(s.ts) AS started_at, max(s.ts) AS ended_at, '' AS target, s.image AS subject,
    {'image': s.image, 'registry': s.registry, 'base': coalesce(min(b.image), '?'), 'reason': max(s.waiting_reason) FILTER (WHERE s.waiting_container = s.name AND s.waiting_reason LIKE '%Image%'),
     'failed': CASE WHEN count(*) FILTER (WHERE s.waiting_container = s.name AND s.waiting_reason LIKE '%Image%') > 0 THEN 'pull_failed' ELSE 'pull_unknown' END} AS params, 0.85 AS confidence,
    list_distinct(list({'table': 'pods', 'ts': s.ts, 'key': s.key, 'text': 'airflow-xcom-sidecar ' || s.image || coalesce(', base ' || b.image, '')} ORDER BY s.ts))[1:3] AS evidence
FROM sidecars s LEFT JOIN images b ON b.uid = s.uid AND b.name <> s.name
WHERE EXISTS (FROM others o WHERE o.namespace = split_part(s.key, '/', 1))
    AND NOT EXISTS (FROM others o WHERE o.namespace = split_part(s.key, '/', 1) AND o.registry = s.registry)
GROUP BY s.image, s.registry
