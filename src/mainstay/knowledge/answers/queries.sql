-- name: find_conversation
-- Reads one visible conversation.
SELECT id FROM mainstay.conversations WHERE tenant_id = :tenant_id AND id = :id;

-- name: claim_conversation
-- Finds the caller's conversation by the product's own name for it, or makes it.
INSERT INTO mainstay.conversations (tenant_id, id, owner_id, visibility, external_id)
VALUES (:tenant_id, :id, :principal_id, :visibility, :external_id)
    ON CONFLICT (tenant_id, owner_id, external_id) DO NOTHING;

-- name: find_conversation_named
-- The caller's conversation by the product's own name for it.
SELECT id FROM mainstay.conversations
 WHERE tenant_id = :tenant_id AND owner_id = :principal_id AND external_id = :external_id;

-- name: insert_answer
-- Notes that an answer has begun.
INSERT INTO mainstay.answers
       (tenant_id, id, owner_id, visibility, conversation_id, previous_id, store_ids, request_id, assistant, question,
        metadata, instructions, temperature, top_p, output_tokens_max, filters, deadline_at)
VALUES (:tenant_id, :id, :principal_id, :visibility, :conversation_id, :previous_id, :store_ids, :request_id, :assistant,
        :question, :metadata, :instructions, :temperature, :top_p, :output_tokens_max, :filters,
        now() + make_interval(secs => :deadline_s))
RETURNING created_at;

-- name: find_answer
-- Reads one visible answer that was not deleted.
SELECT id, owner_id, conversation_id, previous_id, request_id, assistant, question, state, created_at, store_ids, answer,
       incomplete_reason, refused, failure_code, prompt_name, prompt_version, provider, model, input_tokens, output_tokens,
       cost_usd_nanos, stages_ms, finished_at, metadata, instructions, temperature, top_p, output_tokens_max, filters
  FROM mainstay.answers
 WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL;

-- name: list_turns
-- The completed turns that a new answer goes on from, newest first: the answer it names or else the newest of its
-- conversation, and in the same way what each of them went on from. What failed or was deleted is passed over.
WITH RECURSIVE line AS (
    (SELECT id, previous_id, 1 AS depth FROM mainstay.answers
      WHERE tenant_id = :tenant_id AND conversation_id = :conversation_id
        AND (:previous_id::uuid IS NULL OR id = :previous_id)
      ORDER BY id DESC LIMIT 1)
    UNION ALL
    SELECT parent.id, parent.previous_id, line.depth + 1
      FROM line
     CROSS JOIN LATERAL (SELECT a.id, a.previous_id FROM mainstay.answers a
                          WHERE a.tenant_id = :tenant_id AND a.conversation_id = :conversation_id
                            AND CASE WHEN line.previous_id IS NULL THEN a.id < line.id ELSE a.id = line.previous_id END
                          ORDER BY a.id DESC LIMIT 1) parent
     WHERE line.depth < :depth_max
)
SELECT a.question, a.answer
  FROM line JOIN mainstay.answers a ON a.tenant_id = :tenant_id AND a.id = line.id
 WHERE a.state = 'completed' AND a.deleted_at IS NULL
 ORDER BY line.depth
 LIMIT :limit;

-- name: finish_answer
-- Ends a running answer; one that the sweeper ended first stays as it is.
UPDATE mainstay.answers
   SET state = :state, answer = :answer, incomplete_reason = :incomplete_reason, refused = :refused, failure_code = :failure_code, prompt_name = :prompt_name,
       prompt_version = :prompt_version, provider = :provider, model = :model, input_tokens = :input_tokens,
       output_tokens = :output_tokens, cost_usd_nanos = :cost_usd_nanos, stages_ms = :stages_ms, finished_at = now()
 WHERE tenant_id = :tenant_id AND id = :id AND state = 'running'
RETURNING finished_at;

-- name: delete_answer
-- Deletes an answer: its row stays, without its words, for those that name it. One that is being written ends here.
UPDATE mainstay.answers
   SET deleted_at = now(), question = '', answer = CASE WHEN answer IS NOT NULL THEN '' END, instructions = NULL,
       metadata = '{}', filters = NULL, state = CASE state WHEN 'running' THEN 'cancelled' ELSE state END,
       finished_at = coalesce(finished_at, now())
 WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL;

-- name: delete_citations
-- Removes the quotes of an answer that is deleted.
DELETE FROM mainstay.citations WHERE tenant_id = :tenant_id AND answer_id = :answer_id;

-- name: delete_passages
-- Removes the passages of an answer that is deleted.
DELETE FROM mainstay.answer_passages WHERE tenant_id = :tenant_id AND answer_id = :answer_id;

-- name: insert_passage
-- Keeps a passage of the receipt.
INSERT INTO mainstay.answer_passages
       (tenant_id, answer_id, rank, number, cut_reason, store_id, document_id, version_id, version_number, file_id, filename,
        chunk_id, chunk_sha256, passage, start_char, end_char, page_first, page_last, heading_path, lexical_score,
        lexical_rank, vector_score, vector_rank, fused_score)
VALUES (:tenant_id, :answer_id, :rank, :number, :cut_reason, :store_id, :document_id, :version_id, :version_number, :file_id,
        :filename, :chunk_id, :chunk_sha256, :passage, :start_char, :end_char, :page_first, :page_last, :heading_path,
        :lexical_score, :lexical_rank, :vector_score, :vector_rank, :fused_score);

-- name: insert_citation
-- Keeps a quote.
INSERT INTO mainstay.citations (tenant_id, answer_id, ordinal, rank, quote, start_char, end_char, page, answer_index)
VALUES (:tenant_id, :answer_id, :ordinal, :rank, :quote, :start_char, :end_char, :page, :answer_index);

-- name: list_passages
-- The passages of an answer's receipt.
SELECT rank, number, cut_reason, store_id, document_id, version_id, version_number, file_id, filename, chunk_id,
       chunk_sha256, passage, start_char, end_char, page_first, page_last, heading_path, lexical_score, lexical_rank,
       vector_score, vector_rank, fused_score
  FROM mainstay.answer_passages
 WHERE tenant_id = :tenant_id AND answer_id = :answer_id
 ORDER BY rank;

-- name: list_citations
-- The quotes of an answer.
SELECT ordinal, rank, quote, start_char, end_char, page, answer_index FROM mainstay.citations
 WHERE tenant_id = :tenant_id AND answer_id = :answer_id
 ORDER BY ordinal;

-- name: overdue_answers
-- Answers of any tenant that a crash left running.
SELECT tenant_id, answer_id, owner_id FROM keyhole.overdue_answers(:limit);
