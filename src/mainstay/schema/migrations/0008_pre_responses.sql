-- What a client said with a question, why an answer was cut, and answers that were deleted.

ALTER TABLE mainstay.answers
    ADD metadata jsonb NOT NULL DEFAULT '{}' CHECK (pg_column_size(metadata) <= 40000),
    ADD instructions text,
    ADD temperature double precision,
    ADD top_p double precision,
    ADD output_tokens_max int,
    -- Which documents were searched, in OpenAI's form of a filter.
    ADD filters jsonb,
    ADD incomplete_reason text COLLATE "C" CHECK (incomplete_reason IN ('max_output_tokens', 'content_filter')),
    -- The row stays, without its words: answers after it, usage and audit name it.
    ADD deleted_at timestamptz,
    ADD CONSTRAINT answers_deleted_without_words CHECK (deleted_at IS NULL
        OR (question = '' AND coalesce(answer, '') = '' AND instructions IS NULL AND metadata = '{}' AND filters IS NULL));
GRANT DELETE ON mainstay.answer_passages, mainstay.citations TO mainstay_runtime;
