-- ---
-- id = "airflow"
-- group = "timeline"
-- doc = "One row: the major version of Airflow and the executor slots of one scheduler (with what says so)."
-- needs = ["task_instances"]
-- uses = ["airflow_config"]
-- ---
SELECT
    CASE WHEN EXISTS (FROM task_instances WHERE ti_id IS NOT NULL) THEN 3 ELSE 2 END AS major,
    -- [core] parallelism has been 32 in every version since 1.10 (domain: airflow_config_matrix)
    coalesce(max(try_cast(value AS INTEGER)) FILTER (WHERE key = 'core.parallelism'), 32) AS parallelism,
    count(*) FILTER (WHERE key = 'core.parallelism') > 0 AS parallelism_known
FROM airflow_config
