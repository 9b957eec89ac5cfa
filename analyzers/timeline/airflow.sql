-- ---
-- id = "airflow"
-- group = "timeline"
-- doc = "One row: major version and release of Airflow (210 is 2.10, NULL unknown), executor slots of one scheduler, and what its loop takes."
-- needs = ["task_instances"]
-- uses = ["airflow_config"]
-- ---
WITH heads(head, release) AS (
    -- the alembic head stands for all releases up to the next one (airflow/utils/db.py _REVISION_HEADS_MAP)
    VALUES ('7b2661a43ba3', 202), ('be2bfac3da23', 202), ('587bdf053233', 202), ('b1b348e02d07', 203), ('1de7bc13c950', 203), ('3c94c427fdf6', 203),
        ('f5fcbda3e651', 203), ('ecb43d2a1842', 204), ('b0d31815b5a6', 204), ('e07f49787c9d', 204), ('290244fb8b83', 205), ('98ae134e6fff', 206),
        ('c804e5c76e3e', 206), ('405de8318b3a', 207), ('10b52ebd31f7', 208), ('88344c1d9134', 208), ('1949afb29106', 209), ('686269002441', 209),
        ('22ed7efa9da2', 210), ('5f2621c13b39', 210), ('29ce7909c52b', 300), ('fe199e1abd77', 300), ('cc92b33c6709', 301), ('509b94a1042d', 301),
        ('1d6611b6ab7c', 302), ('d2f4e1b3c5a7', 303)
),
told AS (
    -- the environment beats airflow.cfg (configuration.py: the order of lookups)
    SELECT key, coalesce(max(try_cast(value AS INTEGER)) FILTER (WHERE component IS DISTINCT FROM 'airflow.cfg'), max(try_cast(value AS INTEGER))) AS number
    FROM airflow_config WHERE key IN ('core.parallelism', 'scheduler.max_tis_per_query', 'scheduler.max_dagruns_per_loop_to_schedule') GROUP BY key
),
known AS (
    SELECT (SELECT max(h.release) FROM airflow_config c JOIN heads h ON h.head = c.value WHERE c.key = 'alembic_version') AS release,
        EXISTS (FROM task_instances WHERE ti_id IS NOT NULL) AS with_ids,
        (SELECT number FROM told WHERE key = 'core.parallelism') AS parallelism,
        (SELECT number FROM told WHERE key = 'scheduler.max_tis_per_query') AS max_tis,
        (SELECT number FROM told WHERE key = 'scheduler.max_dagruns_per_loop_to_schedule') AS runs_per_loop
)
-- defaults: parallelism 32 in every version since 1.10, max_tis_per_query 16 since 2.7 and 512 before, 20 runs per loop
SELECT CASE WHEN with_ids OR release >= 300 THEN 3 ELSE 2 END AS major, release,
    coalesce(parallelism, 32) AS parallelism, parallelism IS NOT NULL AS parallelism_known,
    -- 0 means as many as there are slots
    coalesce(nullif(max_tis, 0), CASE WHEN max_tis = 0 THEN coalesce(parallelism, 32) WHEN release < 207 THEN 512 ELSE 16 END) AS max_tis,
    coalesce(runs_per_loop, 20) AS runs_per_loop
FROM known
