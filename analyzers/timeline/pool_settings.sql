-- ---
-- id = "pool_settings"
-- group = "timeline"
-- doc = "Slots of each pool and since when: what was found at first held before, unless it was seen to be made."
-- needs = ["pools"]
-- ---
SELECT pool, slots, include_deferred, ts, seen_at,
    CASE WHEN row_number() OVER (PARTITION BY pool ORDER BY seen_at) = 1 AND change <> 'ADDED'
        THEN '-infinity'::TIMESTAMP ELSE seen_at END AS since
FROM pools WHERE change <> 'DELETED'
