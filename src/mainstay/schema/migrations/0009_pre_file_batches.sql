-- Files that were put into a store together. What becomes of them stands in their versions.

CREATE TABLE mainstay.file_batches (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    store_id uuid NOT NULL,
    -- The newest version of each document when the batch was made: its own, or one that had the content before.
    version_ids uuid[] NOT NULL CHECK (cardinality(version_ids) BETWEEN 1 AND 2000),
    created_at timestamptz NOT NULL DEFAULT now(),
    cancelled_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES mainstay.stores (tenant_id, id)
);
CALL mainstay.protect('mainstay.file_batches', 'select, insert');
GRANT UPDATE (cancelled_at) ON mainstay.file_batches TO mainstay_runtime;
