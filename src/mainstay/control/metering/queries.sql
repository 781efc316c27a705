-- name: insert_call
-- Records one model call.
INSERT INTO mainstay.model_calls
       (tenant_id, id, owner_id, request_id, kind, feature, provider, model, input_tokens, output_tokens,
        latency_ms, cost_usd_nanos, priced, outcome, conversation_id, answer_id)
VALUES (:tenant_id, :id, :principal_id, :request_id, :kind, :feature, :provider, :model, :input_tokens, :output_tokens,
        :latency_ms, :cost_usd_nanos, :priced, :outcome, :conversation_id, :answer_id);

-- name: list_calls
-- A page of calls.
SELECT id, at, request_id, feature, conversation_id, answer_id, kind, provider, model, input_tokens, output_tokens,
       latency_ms, cost_usd_nanos, priced, outcome
  FROM mainstay.model_calls
 WHERE tenant_id = :tenant_id
   AND (:newer_than::uuid IS NULL OR id > :newer_than) AND (:older_than::uuid IS NULL OR id < :older_than)
   AND (:request_id::text IS NULL OR request_id = :request_id)
 ORDER BY CASE WHEN :oldest_first::boolean THEN id END, CASE WHEN NOT :oldest_first::boolean THEN id END DESC
 LIMIT :limit;

-- name: find_call_key
-- Where a page goes on from: the key of a visible call.
SELECT id FROM mainstay.model_calls WHERE tenant_id = :tenant_id AND id = :id;

-- name: sum_calls
-- Adds up the calls since a moment: one row for all of them (key_no 1), and one for each group (key_no 0).
SELECT grouping(key) AS key_no, key, count(*) AS calls,
       sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
       sum(cost_usd_nanos)::bigint AS cost_usd_nanos, count(*) FILTER (WHERE NOT priced) AS unpriced_calls,
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency_ms) AS latency_ms
  FROM (SELECT CASE :grouping::text
                    WHEN 'feature' THEN feature
                    WHEN 'model' THEN provider || '/' || model
                    WHEN 'conversation' THEN conversation_id::text
               END AS key,
               input_tokens, output_tokens, cost_usd_nanos, priced, latency_ms
          FROM mainstay.model_calls
         WHERE tenant_id = :tenant_id AND at >= :since) AS calls
 GROUP BY GROUPING SETS ((), (key))
 ORDER BY grouping(key) DESC, cost_usd_nanos DESC, calls DESC, key
 LIMIT :limit;

-- name: conversation_costs
-- The percentiles of what a conversation cost since a moment: "what is my P95 cost per conversation?"
SELECT count(*) AS conversations,
       percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY cost_usd_nanos) AS cost_usd_nanos
  FROM (SELECT sum(cost_usd_nanos)::bigint AS cost_usd_nanos
          FROM mainstay.model_calls
         WHERE tenant_id = :tenant_id AND at >= :since AND conversation_id IS NOT NULL
         GROUP BY conversation_id) AS conversations;
