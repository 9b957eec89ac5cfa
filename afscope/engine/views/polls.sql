-- Each poll of the metadata database that the recorder made.
SELECT ts, source, outcome, round(duration_ms, 1) AS ms, rows, error, source AS key
FROM polls
