-- Chunks of document versions, and the index generations over them: embeddings, and BM25 in packed posting blocks.

-- A chunk stays as long as its version, retired or not: receipts quote it. Its number is what the index calls it,
-- a small integer of its store, because half of a posting is the number of a chunk.
CREATE TABLE mainstay.chunks (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    store_id uuid NOT NULL,
    document_id uuid NOT NULL,
    version_id uuid NOT NULL,
    chunk_no int NOT NULL CHECK (chunk_no > 0),
    ordinal int NOT NULL CHECK (ordinal >= 0),
    text text NOT NULL,
    start_char int NOT NULL,
    end_char int NOT NULL,
    page_first int,
    page_last int,
    heading_path text[] NOT NULL,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    term_count int NOT NULL CHECK (term_count >= 0),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, store_id, chunk_no),
    UNIQUE (tenant_id, version_id, ordinal),
    FOREIGN KEY (tenant_id, version_id) REFERENCES mainstay.document_versions (tenant_id, id),
    CHECK (0 <= start_char AND start_char < end_char)
);
CALL mainstay.protect('mainstay.chunks', 'select, insert');

-- Whoever adds chunks to a store locks its row first: numbers are given in the order of commits.
CREATE TABLE mainstay.chunk_counters (
    tenant_id uuid NOT NULL,
    store_id uuid NOT NULL,
    chunk_no_last int NOT NULL CHECK (chunk_no_last >= 0),
    PRIMARY KEY (tenant_id, store_id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES mainstay.stores (tenant_id, id)
);
CALL mainstay.protect('mainstay.chunk_counters', 'select, insert, update');

-- One way of indexing one store: an embedding model, and the statistics that BM25 and the weighing of its legs need.
-- They count what is live in this store and nothing else, so that no score depends on another tenant.
CREATE TABLE mainstay.index_generations (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    store_id uuid NOT NULL,
    number int NOT NULL CHECK (number >= 1),
    live boolean NOT NULL,
    embedding_model text NOT NULL CHECK (length(embedding_model) BETWEEN 1 AND 200),
    dimensions int NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),
    chunk_count int NOT NULL DEFAULT 0 CHECK (chunk_count >= 0),
    term_count_total bigint NOT NULL DEFAULT 0 CHECK (term_count_total >= 0),
    -- The languages of its chunks: a query is put into each of them.
    languages text[] NOT NULL DEFAULT '{}',
    -- The sum of all embeddings: with it a query knows how alike to it chunks are on average.
    embedding_sum vector,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, store_id, number),
    FOREIGN KEY (tenant_id, store_id) REFERENCES mainstay.stores (tenant_id, id)
);
CREATE UNIQUE INDEX index_generations_live ON mainstay.index_generations (tenant_id, store_id) WHERE live;
CALL mainstay.protect('mainstay.index_generations', 'select, insert');
GRANT UPDATE (live, chunk_count, term_count_total, languages, embedding_sum)
   ON mainstay.index_generations TO mainstay_runtime;

-- Rows of the next two tables come by the thousand, so no foreign key looks up their parents one by one:
-- row security ties them to the tenant, and retrieval alone writes them, in the transaction that writes the chunks.
CREATE TABLE mainstay.embeddings (
    tenant_id uuid NOT NULL,
    generation_id uuid NOT NULL,
    chunk_no int NOT NULL,
    -- The digest of what was embedded: the same text is not embedded twice.
    input_sha256 bytea NOT NULL,
    embedding halfvec NOT NULL,
    PRIMARY KEY (tenant_id, generation_id, chunk_no)
);
-- Out of line, each distance of an exact search would cost a look-up of its own.
ALTER TABLE mainstay.embeddings ALTER embedding SET STORAGE PLAIN;
CREATE INDEX embeddings_input ON mainstay.embeddings (tenant_id, generation_id, input_sha256);
CALL mainstay.protect('mainstay.embeddings', 'select, insert, delete');

-- A segment is what one version added to the lexical index, or what several such became when merged.
CREATE TABLE mainstay.index_segments (
    tenant_id uuid NOT NULL,
    generation_id uuid NOT NULL,
    -- The numbers of its chunks, which no other segment of the generation overlaps; the first names the segment.
    chunk_no_first int NOT NULL,
    chunk_no_last int NOT NULL CHECK (chunk_no_last >= chunk_no_first),
    chunk_count int NOT NULL CHECK (chunk_count >= 0),
    -- Its terms are spread over 2 to the power of this many buckets, by the first bits of their keys.
    bucket_bits int NOT NULL CHECK (bucket_bits BETWEEN 0 AND 30),
    PRIMARY KEY (tenant_id, generation_id, chunk_no_first),
    FOREIGN KEY (tenant_id, generation_id) REFERENCES mainstay.index_generations (tenant_id, id)
);
CALL mainstay.protect('mainstay.index_segments', 'select, insert, update, delete');

-- The postings of the terms of one bucket of a segment, in as many blocks as they fill. A term is known by its key, a
-- digest of 63 bits: the postings of keys[i] are postings[bounds[i] : bounds[i + 1] - 1]. A posting is the number of
-- the chunk, then 16 bits each of how often the term stands in it and how many terms the chunk has.
CREATE TABLE mainstay.posting_blocks (
    tenant_id uuid NOT NULL,
    generation_id uuid NOT NULL,
    segment_no int NOT NULL,
    bucket_no int NOT NULL,
    block_no int NOT NULL,
    keys bigint[] NOT NULL,
    bounds int[] NOT NULL,
    postings bigint[] NOT NULL,
    PRIMARY KEY (tenant_id, generation_id, segment_no, bucket_no, block_no)
-- A block may fill a page; out of line, each would cost another look-up.
) WITH (toast_tuple_target = 8160);
ALTER TABLE mainstay.posting_blocks
    ALTER keys SET STORAGE MAIN, ALTER bounds SET STORAGE MAIN, ALTER postings SET STORAGE MAIN;
CALL mainstay.protect('mainstay.posting_blocks', 'select, insert, delete');

-- Chunks that are no longer retrieved but whose postings no merge has dropped yet.
CREATE TABLE mainstay.retired_chunks (
    tenant_id uuid NOT NULL,
    generation_id uuid NOT NULL,
    chunk_no int NOT NULL,
    PRIMARY KEY (tenant_id, generation_id, chunk_no)
);
CALL mainstay.protect('mainstay.retired_chunks', 'select, insert, delete');
