-- Kubernetes events; what happened before the recording is left out by its range.
SELECT ts, type, reason, object_kind || '/' || object_name AS object, count_delta AS n, message,
    coalesce(object_namespace, '') || '/' || coalesce(object_name, '') AS key
FROM events
