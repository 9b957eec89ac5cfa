-- ---
-- id = "served_api"
-- group = "alibi"
-- component = "aggregation"
-- needs = ["apiservices"]
-- [text.en]
-- because = "APIService {name} was available all the time"
-- [text.zh]
-- because = "APIService {name} 一直可用"
-- ---
SELECT '' AS target, {'name': any_value(name)} AS params,
    [{'table': 'apiservices', 'ts': max(ts), 'key': any_value(name), 'text': 'Available=True ' || coalesce(any_value(available_reason), '')}] AS evidence
FROM apiservices WHERE name LIKE '%external.metrics.k8s.io' AND change <> 'DELETED'
HAVING count(*) > 0 AND bool_and(available_status = 'True')
