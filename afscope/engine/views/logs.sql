-- Diagnostic log lines whose pattern is known.
SELECT ts, level, coalesce(pod, component, source) AS source, pattern, text, coalesce(pod, component, source, '') AS key
FROM log_lines
