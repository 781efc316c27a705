-- The scope of a transaction is signed, so that a statement that someone smuggled in cannot change who it works for.
--
-- The setting mainstay.scope reads `<key>.<tenant>.<principal>.<t or f>.<mac>`: the key's id, two UUIDs, whether the
-- principal sees what others own, and the HMAC-SHA256 (RFC 2104) of all before it. The application signs; the database
-- proves it whenever a policy asks for the tenant. Whoever can run any SQL as the runtime role can set the setting, and
-- cannot sign: the role reads no key, and mainstay_keyhole, which does, has no login.

-- A key as HMAC uses it: padded to a block of SHA-256, with each of the two constants of RFC 2104 already mixed in.
CREATE TABLE mainstay.scope_keys (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
    inner_block bytea NOT NULL CHECK (length(inner_block) = 64),
    outer_block bytea NOT NULL CHECK (length(outer_block) = 64),
    created_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON mainstay.scope_keys FROM PUBLIC;
GRANT SELECT (id, inner_block, outer_block) ON mainstay.scope_keys TO mainstay_keyhole;
ALTER TABLE mainstay.scope_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY keyhole ON mainstay.scope_keys FOR SELECT TO mainstay_keyhole USING (true);

-- Whether the scope of this transaction was signed by the application, with a key of ours.
CREATE FUNCTION keyhole.scope_is_signed() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT encode(sha256(k.outer_block || sha256(k.inner_block
                  || convert_to(left(current_setting('mainstay.scope'), -65), 'UTF8'))), 'hex')
           = right(current_setting('mainstay.scope'), 64)
      FROM mainstay.scope_keys k
     WHERE k.id = left(current_setting('mainstay.scope'), 16);
END;
CALL mainstay.open_keyhole('keyhole.scope_is_signed()');

-- The parts of the scope. One that is unset, forged or cut is an error, never fewer rows: it is cast to what it is not,
-- since SQL has no other way to raise one. Each is one expression, so that the planner puts it in place of the call.
CREATE OR REPLACE FUNCTION mainstay.current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN keyhole.scope_is_signed() THEN split_part(current_setting('mainstay.scope'), '.', 2)
            ELSE 'no signed scope: ' || left(current_setting('mainstay.scope'), 4) END::uuid;
CREATE OR REPLACE FUNCTION mainstay.current_principal() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN keyhole.scope_is_signed() THEN split_part(current_setting('mainstay.scope'), '.', 3)
            ELSE 'no signed scope: ' || left(current_setting('mainstay.scope'), 4) END::uuid;
CREATE OR REPLACE FUNCTION mainstay.sees_all() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN keyhole.scope_is_signed() THEN split_part(current_setting('mainstay.scope'), '.', 4)
            ELSE 'no signed scope: ' || left(current_setting('mainstay.scope'), 4) END::boolean;

-- The tenant of a scope whose signature is not proved. An unset one, or what a transaction leaves of it, is an error.
CREATE FUNCTION mainstay.claimed_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN split_part(current_setting('mainstay.scope'), '.', 2)::uuid;
REVOKE ALL ON FUNCTION mainstay.claimed_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mainstay.claimed_tenant TO mainstay_runtime, mainstay_keyhole;

-- As before, but the functions that prove a signature, which takes some ten microseconds, stand in sub-selects: they
-- are asked once for a statement, and not once for a row or a turn of a loop. The planner does not look into these,
-- so the claimed tenant stands beside them: to estimate how many rows have it, the planner asks for it, and a statement
-- without a scope fails also where it would look at no row.
CREATE OR REPLACE PROCEDURE mainstay.protect(relation regclass, rights text, owned boolean DEFAULT false)
LANGUAGE plpgsql AS $$
DECLARE
    rule text := 'tenant_id = mainstay.claimed_tenant() AND tenant_id = (SELECT mainstay.current_tenant())';
BEGIN
    IF owned THEN
        rule := rule || ' AND (visibility = ''tenant'' OR owner_id = (SELECT mainstay.current_principal())'
                     || ' OR (SELECT mainstay.sees_all()))';
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', relation);
    EXECUTE format('DROP POLICY IF EXISTS tenant ON %s', relation);
    EXECUTE format('CREATE POLICY tenant ON %s USING (%s) WITH CHECK (%s)', relation, rule, rule);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', relation);
    EXECUTE format('GRANT %s ON %s TO mainstay_runtime', rights, relation);
END $$;

-- Every table that was protected before; to grant SELECT again changes nothing.
DO $$
DECLARE
    protected record;
BEGIN
    FOR protected IN
        SELECT p.polrelid::regclass AS relation,
               EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = p.polrelid AND a.attname = 'visibility') AS owned
          FROM pg_policy p WHERE p.polname = 'tenant'
    LOOP
        CALL mainstay.protect(protected.relation, 'select', protected.owned);
    END LOOP;
END $$;
