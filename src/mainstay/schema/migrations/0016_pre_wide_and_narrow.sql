-- Who sees all of a tenant and who does not ask as two roles, so that each has policies of its own (decision 0012).
--
-- A transaction becomes mainstay_wide or mainstay_narrow with the statement that sets its scope. The policies of the
-- wide role ask one thing: does the signed scope see all? Those of the narrow one say what is shown to the others. The
-- role alone wins nothing: whoever becomes the wide one with a narrow scope sees no row. A session that becomes
-- neither, as code from before this migration does, has the policies of both, and each row that either shows.

-- The tenant of a scope that sees all of it, and no tenant where the scope does not.
CREATE FUNCTION mainstay.whole_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN keyhole.scope_is_signed()
            THEN CASE split_part(current_setting('mainstay.scope'), '.', 4)
                 WHEN 't' THEN split_part(current_setting('mainstay.scope'), '.', 2) END
            ELSE 'no signed scope: ' || left(current_setting('mainstay.scope'), 4) END::uuid;
REVOKE ALL ON FUNCTION mainstay.whole_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mainstay.whole_tenant TO mainstay_runtime;

-- What a narrow scope sees, each a set of ids that is made once for a statement. They run as mainstay_keyhole: under the
-- policies of their caller they would ask themselves, and prove the scope at every table that they look at.
GRANT SELECT (tenant_id, id, owner_id, visibility) ON mainstay.stores TO mainstay_keyhole;
GRANT SELECT (tenant_id, id, store_id) ON mainstay.index_generations TO mainstay_keyhole;
GRANT SELECT (tenant_id, store_id, document_id, principal_id, group_id) ON mainstay.shares TO mainstay_keyhole;
GRANT SELECT (tenant_id, group_id, principal_id) ON mainstay.group_members TO mainstay_keyhole;
GRANT SELECT (tenant_id, document_id) ON mainstay.restricted_documents TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.stores FOR SELECT TO mainstay_keyhole USING (true);
CREATE POLICY keyhole ON mainstay.index_generations FOR SELECT TO mainstay_keyhole USING (true);
CREATE POLICY keyhole ON mainstay.shares FOR SELECT TO mainstay_keyhole USING (true);
CREATE POLICY keyhole ON mainstay.group_members FOR SELECT TO mainstay_keyhole USING (true);
CREATE POLICY keyhole ON mainstay.restricted_documents FOR SELECT TO mainstay_keyhole USING (true);

-- Both sets of stores are read from an index alone.
DROP INDEX mainstay.stores_of_tenant, mainstay.stores_owner;
CREATE INDEX stores_of_tenant ON mainstay.stores (tenant_id, id) WHERE visibility = 'tenant';
CREATE INDEX stores_owner ON mainstay.stores (tenant_id, owner_id, id);

-- The stores that the principal of the scope sees: those of the whole tenant, its own, and those shared with it.
CREATE FUNCTION keyhole.seen_stores() RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH caller AS MATERIALIZED (
        SELECT mainstay.current_tenant() AS tenant_id,
               split_part(current_setting('mainstay.scope'), '.', 3)::uuid AS principal_id
    )
    SELECT coalesce(array_agg(seen.id), '{}')
      FROM caller CROSS JOIN LATERAL (
           SELECT s.id FROM mainstay.stores s
            WHERE s.tenant_id = caller.tenant_id AND s.visibility = 'tenant'
            UNION ALL
           SELECT s.id FROM mainstay.stores s
            WHERE s.tenant_id = caller.tenant_id AND s.owner_id = caller.principal_id
            UNION ALL
           SELECT h.store_id FROM mainstay.shares h
            WHERE h.tenant_id = caller.tenant_id AND h.document_id IS NULL AND h.principal_id = caller.principal_id
            UNION ALL
           SELECT h.store_id
             FROM mainstay.group_members m
             JOIN mainstay.shares h
               ON h.tenant_id = caller.tenant_id AND h.document_id IS NULL AND h.group_id = m.group_id
            WHERE m.tenant_id = caller.tenant_id AND m.principal_id = caller.principal_id) seen;
END;
CALL mainstay.open_keyhole('keyhole.seen_stores()');

-- The index generations of those stores.
CREATE FUNCTION keyhole.seen_generations() RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(array_agg(g.id), '{}')
      FROM mainstay.index_generations g
     WHERE g.tenant_id = (SELECT mainstay.current_tenant()) AND g.store_id = ANY ((SELECT keyhole.seen_stores())::uuid[]);
END;
CALL mainstay.open_keyhole('keyhole.seen_generations()');

-- The restricted documents that are not shared with the principal of the scope.
CREATE FUNCTION keyhole.unseen_documents() RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH caller AS MATERIALIZED (
        SELECT mainstay.current_tenant() AS tenant_id,
               split_part(current_setting('mainstay.scope'), '.', 3)::uuid AS principal_id
    )
    SELECT coalesce(array_agg(r.document_id), '{}')
      FROM caller
      JOIN mainstay.restricted_documents r ON r.tenant_id = caller.tenant_id
     WHERE NOT EXISTS (
           SELECT FROM mainstay.shares h
            WHERE h.tenant_id = r.tenant_id AND h.document_id = r.document_id
              AND (h.principal_id = caller.principal_id
                   OR h.group_id IN (SELECT m.group_id FROM mainstay.group_members m
                                      WHERE m.tenant_id = caller.tenant_id
                                        AND m.principal_id = caller.principal_id)));
END;
CALL mainstay.open_keyhole('keyhole.unseen_documents()');

-- Gives a protected table two policies: its rows are seen by whoever sees all of the tenant, and of the others by those
-- whom `rule` shows them. What may be written follows `checked`, where a new row cannot be in the set that `rule` asks.
DROP PROCEDURE mainstay.narrow(regclass, text);
CREATE PROCEDURE mainstay.narrow(relation regclass, rule text, checked text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    claimed text := 'tenant_id = mainstay.claimed_tenant()';
    proved text := claimed || ' AND tenant_id = (SELECT mainstay.current_tenant())';
    whole text := claimed || ' AND tenant_id = (SELECT mainstay.whole_tenant())';
BEGIN
    EXECUTE format('DROP POLICY IF EXISTS tenant ON %s', relation);
    EXECUTE format('DROP POLICY IF EXISTS whole ON %s', relation);
    EXECUTE format('CREATE POLICY tenant ON %s TO mainstay_narrow USING (%s AND (%s)) WITH CHECK (%s AND (%s))',
                   relation, proved, rule, proved, coalesce(checked, rule));
    EXECUTE format('CREATE POLICY whole ON %s TO mainstay_wide USING (%s) WITH CHECK (%s)', relation, whole, whole);
END $$;
REVOKE ALL ON PROCEDURE mainstay.narrow FROM PUBLIC;

CREATE OR REPLACE PROCEDURE mainstay.protect(relation regclass, rights text, owned boolean DEFAULT false)
LANGUAGE plpgsql AS $$
DECLARE
    rule text := 'tenant_id = mainstay.claimed_tenant() AND tenant_id = (SELECT mainstay.current_tenant())';
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', relation);
    EXECUTE format('DROP POLICY IF EXISTS tenant ON %s', relation);
    EXECUTE format('CREATE POLICY tenant ON %s USING (%s) WITH CHECK (%s)', relation, rule, rule);
    IF owned THEN
        CALL mainstay.narrow(relation, 'visibility = ''tenant'' OR owner_id = (SELECT mainstay.current_principal())');
    END IF;
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', relation);
    EXECUTE format('GRANT %s ON %s TO mainstay_runtime', rights, relation);
END $$;

DO $$
DECLARE
    of_owner text := 'visibility = ''tenant'' OR owner_id = (SELECT mainstay.current_principal())';
    -- As an array beside the columns of an index the set is looked into before any row, so that an id that is hidden
    -- costs what one costs that nobody has; as a sub-select it is hashed, for rows that come by the thousand.
    of_store text := '= ANY ((SELECT keyhole.seen_stores())::uuid[])';
    in_store text := 'store_id IN (SELECT unnest(keyhole.seen_stores()))';
    in_generation text := 'generation_id = ANY ((SELECT keyhole.seen_generations())::uuid[])';
    not_hidden text := 'document_id NOT IN (SELECT unnest(keyhole.unseen_documents()))';
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['conversations', 'answers', 'model_calls'] LOOP
        CALL mainstay.narrow(format('mainstay.%I', name)::regclass, of_owner);
    END LOOP;
    -- A store that is being made is in no set yet.
    CALL mainstay.narrow('mainstay.stores', 'id ' || of_store, of_owner || ' OR id ' || of_store);
    FOREACH name IN ARRAY ARRAY['chunk_counters', 'file_batches', 'index_generations'] LOOP
        CALL mainstay.narrow(format('mainstay.%I', name)::regclass, 'store_id ' || of_store);
    END LOOP;
    CALL mainstay.narrow('mainstay.documents',
        in_store || ' AND id NOT IN (SELECT unnest(keyhole.unseen_documents()))');
    FOREACH name IN ARRAY ARRAY['document_versions', 'chunks'] LOOP
        CALL mainstay.narrow(format('mainstay.%I', name)::regclass, in_store || ' AND ' || not_hidden);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['index_segments', 'posting_blocks', 'retired_chunks'] LOOP
        CALL mainstay.narrow(format('mainstay.%I', name)::regclass, in_generation);
    END LOOP;
    CALL mainstay.narrow('mainstay.embeddings', in_generation || ' AND ' || not_hidden);
    CALL mainstay.narrow('mainstay.version_texts',
        'EXISTS (SELECT FROM mainstay.document_versions v'
        ' WHERE v.tenant_id = version_texts.tenant_id AND v.id = version_texts.version_id)');
    -- Without OFFSET 0 a list of files would begin by reading every version of the tenant.
    CALL mainstay.narrow('mainstay.files', of_owner ||
        ' OR EXISTS (SELECT FROM mainstay.document_versions v'
        ' JOIN mainstay.documents d ON d.tenant_id = v.tenant_id AND d.id = v.document_id AND d.deleted_at IS NULL'
        ' WHERE v.tenant_id = files.tenant_id AND v.file_id = files.id OFFSET 0)');
    CALL mainstay.narrow('mainstay.answer_passages',
        'EXISTS (SELECT FROM mainstay.answers a'
        ' WHERE a.tenant_id = answer_passages.tenant_id AND a.id = answer_passages.answer_id) AND '
        || in_store || ' AND ' || not_hidden);
    CALL mainstay.narrow('mainstay.citations',
        'EXISTS (SELECT FROM mainstay.answer_passages p WHERE p.tenant_id = citations.tenant_id'
        ' AND p.answer_id = citations.answer_id AND p.rank = citations.rank)');
END $$;

DROP FUNCTION mainstay.visible_generations, mainstay.hidden_documents, mainstay.shared_stores, mainstay.sees_all;
