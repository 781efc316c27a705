-- Every call of a model, chat or embedding, with what it took and what it cost.

CREATE TABLE mainstay.model_calls (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    visibility text NOT NULL DEFAULT 'private' CHECK (visibility IN ('tenant', 'private')),
    at timestamptz NOT NULL DEFAULT now(),
    request_id text NOT NULL CHECK (length(request_id) BETWEEN 1 AND 64),
    kind text NOT NULL CHECK (kind IN ('chat', 'embedding')),
    feature text NOT NULL CHECK (length(feature) BETWEEN 1 AND 64),
    provider text NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    model text NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
    input_tokens bigint NOT NULL CHECK (input_tokens >= 0),
    output_tokens bigint NOT NULL CHECK (output_tokens >= 0),
    latency_ms double precision NOT NULL CHECK (latency_ms >= 0),
    cost_usd_nanos bigint NOT NULL CHECK (cost_usd_nanos >= 0),
    -- False where no price is known for the model: the cost is then 0 and must not be read as free.
    priced boolean NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('completed', 'failed', 'cancelled')),
    conversation_id uuid,
    answer_id uuid,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES mainstay.principals (tenant_id, id)
);
CREATE INDEX model_calls_at ON mainstay.model_calls (tenant_id, at DESC, id DESC);
CREATE INDEX model_calls_request ON mainstay.model_calls (tenant_id, request_id);
CREATE INDEX model_calls_conversation ON mainstay.model_calls (tenant_id, conversation_id) WHERE conversation_id IS NOT NULL;
CALL mainstay.protect('mainstay.model_calls', 'select, insert', owned => true);
