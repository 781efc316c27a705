-- Files as uploaded, stores that are searched, and the documents in them with their versions.

CREATE TABLE mainstay.files (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    visibility text NOT NULL CHECK (visibility IN ('tenant', 'private')),
    filename text NOT NULL CHECK (length(filename) BETWEEN 1 AND 1024),
    purpose text NOT NULL CHECK (length(purpose) <= 64),
    content_type text CHECK (length(content_type) <= 200),
    bytes bigint NOT NULL CHECK (bytes >= 0),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES mainstay.principals (tenant_id, id)
);
CALL mainstay.protect('mainstay.files', 'select, insert', owned => true);
GRANT UPDATE (deleted_at) ON mainstay.files TO mainstay_runtime;

CREATE TABLE mainstay.stores (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    visibility text NOT NULL CHECK (visibility IN ('tenant', 'private')),
    name text NOT NULL CHECK (length(name) <= 256),
    metadata jsonb NOT NULL DEFAULT '{}' CHECK (pg_column_size(metadata) <= 16384),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_active_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, owner_id) REFERENCES mainstay.principals (tenant_id, id)
);
CREATE INDEX stores_name ON mainstay.stores (tenant_id, name);
CALL mainstay.protect('mainstay.stores', 'select, insert', owned => true);
GRANT UPDATE (name, metadata, last_active_at, deleted_at) ON mainstay.stores TO mainstay_runtime;

-- A document is (store, external_id). It is never overwritten: content that changes becomes a version.
CREATE TABLE mainstay.documents (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    store_id uuid NOT NULL,
    external_id text COLLATE "C" NOT NULL CHECK (length(external_id) BETWEEN 1 AND 1024),
    version_current_id uuid,
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (pg_column_size(attributes) <= 16384),
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES mainstay.stores (tenant_id, id)
);
CREATE UNIQUE INDEX documents_external_id ON mainstay.documents (tenant_id, store_id, external_id) WHERE deleted_at IS NULL;

-- queued → working → ready → retired, or failed with a reason, or cancelled when a newer one overtook it.
CREATE TABLE mainstay.document_versions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    store_id uuid NOT NULL,
    document_id uuid NOT NULL,
    file_id uuid NOT NULL,
    number int NOT NULL CHECK (number >= 1),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    state text COLLATE "C" NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'working', 'ready', 'retired', 'failed', 'cancelled')),
    reason_code text CHECK (length(reason_code) <= 64),
    reason text CHECK (length(reason) <= 1000),
    content_type text,
    title text CHECK (length(title) <= 1000),
    page_count int,
    char_count int,
    chunk_count int,
    created_at timestamptz NOT NULL DEFAULT now(),
    ready_at timestamptz,
    retired_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, document_id, number),
    FOREIGN KEY (tenant_id, document_id) REFERENCES mainstay.documents (tenant_id, id),
    FOREIGN KEY (tenant_id, file_id) REFERENCES mainstay.files (tenant_id, id),
    -- A failure says why, and nothing is ready with nothing in it.
    CHECK ((state = 'failed') = (reason IS NOT NULL)),
    CHECK (state NOT IN ('ready', 'retired') OR (chunk_count > 0 AND char_count > 0 AND ready_at IS NOT NULL)),
    CHECK ((state = 'retired') = (retired_at IS NOT NULL))
);
CREATE INDEX document_versions_store ON mainstay.document_versions (tenant_id, store_id, created_at, id);
CREATE INDEX document_versions_file ON mainstay.document_versions (tenant_id, file_id);
-- Added before the tables are protected: to validate a key is a read, and a read needs a tenant.
ALTER TABLE mainstay.documents ADD FOREIGN KEY (tenant_id, version_current_id)
    REFERENCES mainstay.document_versions (tenant_id, id);
CALL mainstay.protect('mainstay.documents', 'select, insert');
GRANT UPDATE (version_current_id, attributes, deleted_at) ON mainstay.documents TO mainstay_runtime;
CALL mainstay.protect('mainstay.document_versions', 'select, insert, update');

-- The text of a version as it was parsed; every quote is checked against it.
CREATE TABLE mainstay.version_texts (
    tenant_id uuid NOT NULL,
    version_id uuid NOT NULL,
    text text NOT NULL,
    -- Where each page begins, so that a quote is shown with the page on which it stands.
    page_numbers int[] NOT NULL DEFAULT '{}',
    page_starts int[] NOT NULL DEFAULT '{}' CHECK (cardinality(page_starts) = cardinality(page_numbers)),
    PRIMARY KEY (tenant_id, version_id),
    FOREIGN KEY (tenant_id, version_id) REFERENCES mainstay.document_versions (tenant_id, id)
);
CALL mainstay.protect('mainstay.version_texts', 'select, insert');
