-- Who may see what inside a tenant: groups, shares, and rules by which a row is seen only where its parent is.
--
-- A store is seen by the whole tenant, or by its owner and those with whom it is shared. A document is seen by whoever
-- sees its store or, once it is restricted, by those alone with whom it is shared itself. All that is made from a
-- document follows it: versions, texts, chunks, embeddings, files, and the passages and quotes of answers. Whoever
-- sees all of a tenant (mainstay.sees_all) is asked for nothing else.

CREATE TABLE mainstay.groups (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
CALL mainstay.protect('mainstay.groups', 'select, insert, delete');

CREATE TABLE mainstay.group_members (
    tenant_id uuid NOT NULL,
    group_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, principal_id, group_id),
    FOREIGN KEY (tenant_id, group_id) REFERENCES mainstay.groups (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, principal_id) REFERENCES mainstay.principals (tenant_id, id)
);
CREATE INDEX group_members_group ON mainstay.group_members (tenant_id, group_id);
CALL mainstay.protect('mainstay.group_members', 'select, insert, delete');

-- With whom a store is shared or, where document_id is set, a restricted document of it.
CREATE TABLE mainstay.shares (
    tenant_id uuid NOT NULL,
    store_id uuid NOT NULL,
    document_id uuid,
    principal_id uuid,
    group_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    id uuid NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE NULLS NOT DISTINCT (tenant_id, store_id, document_id, principal_id, group_id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES mainstay.stores (tenant_id, id),
    FOREIGN KEY (tenant_id, document_id) REFERENCES mainstay.documents (tenant_id, id),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES mainstay.principals (tenant_id, id),
    FOREIGN KEY (tenant_id, group_id) REFERENCES mainstay.groups (tenant_id, id) ON DELETE CASCADE,
    CHECK (num_nonnulls(principal_id, group_id) = 1)
);
CREATE INDEX shares_principal ON mainstay.shares (tenant_id, principal_id) WHERE principal_id IS NOT NULL;
CREATE INDEX shares_group ON mainstay.shares (tenant_id, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX shares_document ON mainstay.shares (tenant_id, document_id) WHERE document_id IS NOT NULL;

-- A document that stands here is seen by those alone with whom it is shared itself; when its last share goes, and be
-- it with a deleted group, nobody is left but whoever sees all. It is a row and not the absence of shares, so that
-- taking one away never opens a document.
CREATE TABLE mainstay.restricted_documents (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, document_id),
    FOREIGN KEY (tenant_id, document_id) REFERENCES mainstay.documents (tenant_id, id)
);

-- These two hold ids alone, and the rules of all other tables ask them: a rule of their own that asked for the store
-- would ask itself.
CALL mainstay.protect('mainstay.shares', 'select, insert, delete');
CALL mainstay.protect('mainstay.restricted_documents', 'select, insert, delete');

-- What follows takes no argument, so that one call serves a statement and its plan a session.
CREATE FUNCTION mainstay.shared_stores() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(array_agg(s.store_id), '{}')
      FROM mainstay.shares s
     WHERE s.tenant_id = mainstay.current_tenant() AND s.document_id IS NULL
       AND (s.principal_id = mainstay.current_principal()
            OR s.group_id IN (SELECT m.group_id FROM mainstay.group_members m
                               WHERE m.tenant_id = mainstay.current_tenant()
                                 AND m.principal_id = mainstay.current_principal()));
END;

CREATE FUNCTION mainstay.hidden_documents() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(array_agg(r.document_id), '{}')
      FROM mainstay.restricted_documents r
     WHERE r.tenant_id = mainstay.current_tenant() AND NOT mainstay.sees_all()
       AND NOT EXISTS (
           SELECT FROM mainstay.shares s
            WHERE s.tenant_id = r.tenant_id AND s.document_id = r.document_id
              AND (s.principal_id = mainstay.current_principal()
                   OR s.group_id IN (SELECT m.group_id FROM mainstay.group_members m
                                      WHERE m.tenant_id = mainstay.current_tenant()
                                        AND m.principal_id = mainstay.current_principal())));
END;
-- The index generations of the stores that the caller sees. Each arm finds its stores by an index; the rules of both
-- tables hold besides.
CREATE INDEX stores_of_tenant ON mainstay.stores (tenant_id) WHERE visibility = 'tenant';
CREATE INDEX stores_owner ON mainstay.stores (tenant_id, owner_id);
CREATE FUNCTION mainstay.visible_generations() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(array_agg(g.id), '{}')
      FROM (SELECT s.id FROM mainstay.stores s
             WHERE s.tenant_id = mainstay.current_tenant() AND s.visibility = 'tenant'
             UNION
            SELECT s.id FROM mainstay.stores s
             WHERE s.tenant_id = mainstay.current_tenant() AND s.owner_id = mainstay.current_principal()
             UNION
            SELECT unnest(mainstay.shared_stores())) AS seen
      JOIN mainstay.index_generations g ON g.tenant_id = mainstay.current_tenant() AND g.store_id = seen.id;
END;
REVOKE ALL ON FUNCTION mainstay.shared_stores, mainstay.hidden_documents, mainstay.visible_generations FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mainstay.shared_stores, mainstay.hidden_documents, mainstay.visible_generations
   TO mainstay_runtime;

-- Hides the rows of a protected table from whoever does not see all of the tenant, but for those that `rule` shows.
-- Its functions stand in sub-selects, so that they are called once a statement and not once a row.
CREATE PROCEDURE mainstay.narrow(relation regclass, rule text) LANGUAGE plpgsql AS $$
DECLARE
    whole text := format('tenant_id = mainstay.claimed_tenant() AND tenant_id = (SELECT mainstay.current_tenant())'
                         ' AND ((SELECT mainstay.sees_all()) OR %s)', rule);
BEGIN
    EXECUTE format('ALTER POLICY tenant ON %s USING (%s) WITH CHECK (%s)', relation, whole, whole);
END $$;
REVOKE ALL ON PROCEDURE mainstay.narrow FROM PUBLIC;

-- Which document an embedding is of. Where an older writer left it out, the embedding is hidden from everyone from
-- whom anything is hidden: nothing that is unknown is shown.
ALTER TABLE mainstay.embeddings ADD document_id uuid;

-- The owner is bound by row security like everyone; for this one statement over all tenants it is not, and no
-- other transaction sees it, because the tables are locked until the commit.
ALTER TABLE mainstay.embeddings NO FORCE ROW LEVEL SECURITY;
ALTER TABLE mainstay.index_generations NO FORCE ROW LEVEL SECURITY;
ALTER TABLE mainstay.chunks NO FORCE ROW LEVEL SECURITY;
UPDATE mainstay.embeddings e SET document_id = c.document_id
  FROM mainstay.index_generations g
  JOIN mainstay.chunks c ON c.tenant_id = g.tenant_id AND c.store_id = g.store_id
 WHERE g.tenant_id = e.tenant_id AND g.id = e.generation_id AND c.chunk_no = e.chunk_no;
DO $$ BEGIN
    IF EXISTS (SELECT FROM mainstay.embeddings WHERE document_id IS NULL) THEN
        RAISE EXCEPTION 'an embedding has no chunk, so nobody can say which document it is of';
    END IF;
END $$;
ALTER TABLE mainstay.embeddings FORCE ROW LEVEL SECURITY;
ALTER TABLE mainstay.index_generations FORCE ROW LEVEL SECURITY;
ALTER TABLE mainstay.chunks FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
    of_owner text := 'visibility = ''tenant'' OR owner_id = (SELECT mainstay.current_principal())';
    in_store text := 'EXISTS (SELECT FROM mainstay.stores s WHERE s.tenant_id = %1$I.tenant_id AND s.id = %1$I.store_id)';
    -- OFFSET 0: the parent is looked up row by row. Where a statement sees a handful of rows the planner would
    -- otherwise weigh a second plan at each level, and planning a search took five times as long.
    single_store text := replace(in_store, '.store_id)', '.store_id OFFSET 0)');
    in_generation text := 'EXISTS (SELECT FROM mainstay.index_generations g'
                          ' WHERE g.tenant_id = %1$I.tenant_id AND g.id = %1$I.generation_id OFFSET 0)';
    not_hidden text := 'document_id NOT IN (SELECT unnest(mainstay.hidden_documents()))';
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['conversations', 'answers', 'model_calls'] LOOP
        CALL mainstay.narrow(format('mainstay.%I', name)::regclass, of_owner);
    END LOOP;
    CALL mainstay.narrow('mainstay.stores', of_owner || ' OR id = ANY ((SELECT mainstay.shared_stores())::uuid[])');
    CALL mainstay.narrow('mainstay.documents',
        '(' || format(in_store, 'documents') || ' AND id NOT IN (SELECT unnest(mainstay.hidden_documents())))');
    CALL mainstay.narrow('mainstay.document_versions',
        format('(%s AND %s)', format(in_store, 'document_versions'), not_hidden));
    CALL mainstay.narrow('mainstay.chunks', format('(%s AND %s)', format(single_store, 'chunks'), not_hidden));
    FOREACH name IN ARRAY ARRAY['chunk_counters', 'index_generations', 'file_batches'] LOOP
        CALL mainstay.narrow(format('mainstay.%I', name)::regclass, format(single_store, name));
    END LOOP;
    FOREACH name IN ARRAY ARRAY['index_segments', 'posting_blocks', 'retired_chunks'] LOOP
        CALL mainstay.narrow(format('mainstay.%I', name)::regclass, format(in_generation, name));
    END LOOP;
    -- A search reads every embedding of a store, so here the set of what is seen is made once and hashed.
    CALL mainstay.narrow('mainstay.embeddings',
        format('(generation_id IN (SELECT unnest(mainstay.visible_generations())) AND %s)', not_hidden));
    CALL mainstay.narrow('mainstay.version_texts',
        'EXISTS (SELECT FROM mainstay.document_versions v'
        ' WHERE v.tenant_id = version_texts.tenant_id AND v.id = version_texts.version_id)');
    -- A file is seen by whoever sees a document that was made from it. Without OFFSET 0 a list of files would begin by
    -- reading every version of the tenant.
    CALL mainstay.narrow('mainstay.files', of_owner ||
        ' OR EXISTS (SELECT FROM mainstay.document_versions v'
        ' JOIN mainstay.documents d ON d.tenant_id = v.tenant_id AND d.id = v.document_id AND d.deleted_at IS NULL'
        ' WHERE v.tenant_id = files.tenant_id AND v.file_id = files.id OFFSET 0)');
    CALL mainstay.narrow('mainstay.answer_passages',
        '(EXISTS (SELECT FROM mainstay.answers a'
        ' WHERE a.tenant_id = answer_passages.tenant_id AND a.id = answer_passages.answer_id) AND '
        || format(in_store, 'answer_passages') || ' AND ' || not_hidden || ')');
    CALL mainstay.narrow('mainstay.citations',
        'EXISTS (SELECT FROM mainstay.answer_passages p WHERE p.tenant_id = citations.tenant_id'
        ' AND p.answer_id = citations.answer_id AND p.rank = citations.rank)');
END $$;

-- What is shared more widely or less from now on.
GRANT UPDATE (visibility) ON mainstay.stores, mainstay.files TO mainstay_runtime;
