-- Conversations, the answers in them, and the receipt of each: what it was made from and what it took.

CREATE TABLE mainstay.conversations (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    visibility text NOT NULL CHECK (visibility IN ('tenant', 'private')),
    -- What the product calls it (metadata.conversation_id); unique for one owner, so that nobody learns another's.
    external_id text COLLATE "C" CHECK (length(external_id) BETWEEN 1 AND 256),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, owner_id, external_id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES mainstay.principals (tenant_id, id)
);
CALL mainstay.protect('mainstay.conversations', 'select, insert', owned => true);

CREATE TABLE mainstay.answers (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    visibility text NOT NULL CHECK (visibility IN ('tenant', 'private')),
    conversation_id uuid NOT NULL,
    previous_id uuid,
    store_ids uuid[] NOT NULL CHECK (cardinality(store_ids) <= 8),
    request_id text NOT NULL,
    assistant text NOT NULL,
    question text NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'completed', 'failed', 'cancelled')),
    answer text,
    refused boolean,
    failure_code text,
    prompt_name text,
    prompt_version text,
    provider text,
    model text,
    input_tokens bigint,
    output_tokens bigint,
    cost_usd_nanos bigint,
    stages_ms jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    deadline_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES mainstay.principals (tenant_id, id),
    FOREIGN KEY (tenant_id, conversation_id) REFERENCES mainstay.conversations (tenant_id, id),
    FOREIGN KEY (tenant_id, previous_id) REFERENCES mainstay.answers (tenant_id, id),
    CHECK ((state = 'running') = (finished_at IS NULL)),
    CHECK (state <> 'completed' OR answer IS NOT NULL)
);
CREATE INDEX answers_conversation ON mainstay.answers (tenant_id, conversation_id, id);
CREATE INDEX answers_running ON mainstay.answers (deadline_at) WHERE state = 'running';
CALL mainstay.protect('mainstay.answers', 'select, insert, update', owned => true);

-- The passages an answer was made from, and those that were cut; both can be explained later.
CREATE TABLE mainstay.answer_passages (
    tenant_id uuid NOT NULL,
    answer_id uuid NOT NULL,
    rank int NOT NULL CHECK (rank >= 1),
    -- The number by which the answer cites the passage; none where it was cut.
    number int,
    cut_reason text CHECK (length(cut_reason) <= 64),
    store_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version_id uuid NOT NULL,
    version_number int NOT NULL,
    file_id uuid NOT NULL,
    filename text NOT NULL,
    chunk_id uuid NOT NULL,
    chunk_sha256 bytea NOT NULL,
    passage text NOT NULL,
    start_char int NOT NULL,
    end_char int NOT NULL,
    page_first int,
    page_last int,
    heading_path text[] NOT NULL,
    lexical_score double precision,
    lexical_rank int,
    vector_score double precision,
    vector_rank int,
    fused_score double precision NOT NULL,
    PRIMARY KEY (tenant_id, answer_id, rank),
    FOREIGN KEY (tenant_id, answer_id) REFERENCES mainstay.answers (tenant_id, id),
    CHECK ((number IS NULL) = (cut_reason IS NOT NULL))
);
-- Finds the answers that used a version, when it changes.
CREATE INDEX answer_passages_version ON mainstay.answer_passages (tenant_id, version_id);
CALL mainstay.protect('mainstay.answer_passages', 'select, insert');

-- The quotes, each found at its offsets in that version before it was shown.
CREATE TABLE mainstay.citations (
    tenant_id uuid NOT NULL,
    answer_id uuid NOT NULL,
    ordinal int NOT NULL CHECK (ordinal >= 1),
    rank int NOT NULL,
    quote text NOT NULL CHECK (quote <> ''),
    start_char int NOT NULL CHECK (start_char >= 0),
    end_char int NOT NULL,
    page int,
    answer_index int NOT NULL CHECK (answer_index >= 0),
    PRIMARY KEY (tenant_id, answer_id, ordinal),
    FOREIGN KEY (tenant_id, answer_id, rank) REFERENCES mainstay.answer_passages (tenant_id, answer_id, rank),
    CHECK (end_char - start_char = length(quote))
);
CALL mainstay.protect('mainstay.citations', 'select, insert');

-- Answers that a crash left running, for the sweeper to end.
GRANT SELECT (tenant_id, id, owner_id, state, deadline_at) ON mainstay.answers TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.answers FOR SELECT TO mainstay_keyhole USING (true);
CREATE FUNCTION keyhole.overdue_answers(count_max int)
RETURNS TABLE (tenant_id uuid, answer_id uuid, owner_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.tenant_id, a.id, a.owner_id FROM mainstay.answers a
     WHERE a.state = 'running' AND a.deadline_at < now()
     ORDER BY a.deadline_at LIMIT overdue_answers.count_max;
END;
CALL mainstay.open_keyhole('keyhole.overdue_answers(int)');
