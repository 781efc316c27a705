-- Tenants, principals and keys, and the rules by which every later table is protected.

CREATE SCHEMA keyhole;
GRANT USAGE ON SCHEMA mainstay TO mainstay_runtime, mainstay_keyhole;
GRANT USAGE ON SCHEMA keyhole TO mainstay_runtime;
GRANT CREATE, USAGE ON SCHEMA keyhole TO mainstay_keyhole;
REVOKE ALL ON mainstay.migrations FROM PUBLIC;
GRANT SELECT ON mainstay.migrations TO mainstay_runtime;

-- An unset tenant is an error, never fewer rows: without the setting current_setting raises, and after a
-- transaction in which it was LOCAL it is the empty string, which is no uuid.
CREATE FUNCTION mainstay.current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN current_setting('mainstay.tenant_id')::uuid;

CREATE FUNCTION mainstay.current_principal() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN current_setting('mainstay.principal_id')::uuid;

CREATE FUNCTION mainstay.sees_all() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
RETURN current_setting('mainstay.sees_all')::boolean;

REVOKE ALL ON FUNCTION mainstay.current_tenant, mainstay.current_principal, mainstay.sees_all FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mainstay.current_tenant, mainstay.current_principal, mainstay.sees_all
   TO mainstay_runtime, mainstay_keyhole;

-- Puts a table under row security. Every tenant table of every migration passes through here.
-- rights: what the runtime role may do, for example 'select, insert'.
-- owned: whether rows have owner_id and visibility, which hide them from others inside the tenant.
CREATE PROCEDURE mainstay.protect(relation regclass, rights text, owned boolean DEFAULT false)
LANGUAGE plpgsql AS $$
DECLARE
    rule text := 'tenant_id = mainstay.current_tenant()';
BEGIN
    IF owned THEN
        rule := rule || ' AND (visibility = ''tenant'' OR owner_id = mainstay.current_principal() OR mainstay.sees_all())';
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', relation);
    EXECUTE format('CREATE POLICY tenant ON %s USING (%s) WITH CHECK (%s)', relation, rule, rule);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', relation);
    EXECUTE format('GRANT %s ON %s TO mainstay_runtime', rights, relation);
END $$;
REVOKE ALL ON PROCEDURE mainstay.protect FROM PUBLIC;

CREATE TABLE mainstay.tenants (
    tenant_id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);
CALL mainstay.protect('mainstay.tenants', 'select');

CREATE TABLE mainstay.principals (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'reviewer', 'engineer', 'product', 'customer', 'service')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
CALL mainstay.protect('mainstay.principals', 'select, insert');

-- Of a key only the SHA-256 is kept; it holds 256 random bits, so a slow hash would add nothing.
-- The prefix is random too, so that its being unique everywhere tells nobody anything.
CREATE TABLE mainstay.api_keys (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    principal_id uuid NOT NULL,
    prefix text COLLATE "C" NOT NULL UNIQUE CHECK (length(prefix) = 12),
    secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'reviewer', 'engineer', 'product', 'customer', 'service')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES mainstay.principals (tenant_id, id)
);
CREATE INDEX api_keys_principal ON mainstay.api_keys (tenant_id, principal_id);
CALL mainstay.protect('mainstay.api_keys', 'select, insert');
GRANT UPDATE (revoked_at) ON mainstay.api_keys TO mainstay_runtime;

-- The functions of keyhole run as mainstay_keyhole, which has no login and sees only the columns granted to it.
GRANT SELECT (tenant_id, id, principal_id, prefix, secret_sha256, role, expires_at, revoked_at)
    ON mainstay.api_keys TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.api_keys FOR SELECT TO mainstay_keyhole USING (true);

CREATE FUNCTION keyhole.find_key(prefix text, secret_sha256 bytea)
RETURNS TABLE (tenant_id uuid, key_id uuid, principal_id uuid, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT k.tenant_id, k.id, k.principal_id, k.role
      FROM mainstay.api_keys k
     WHERE k.prefix = find_key.prefix AND k.secret_sha256 = find_key.secret_sha256
       AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now());
END;

-- Hands a function over to mainstay_keyhole and opens it to the runtime role alone.
CREATE PROCEDURE mainstay.open_keyhole(signature regprocedure) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER FUNCTION %s OWNER TO mainstay_keyhole', signature);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO mainstay_runtime', signature);
END $$;
REVOKE ALL ON PROCEDURE mainstay.open_keyhole FROM PUBLIC;
CALL mainstay.open_keyhole('keyhole.find_key(text, bytea)');

-- Rows of the audit hold ids, codes and digests, never free text: nothing personal enters what is never deleted.
CREATE TABLE mainstay.audit_entries (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    principal_id uuid NOT NULL,
    request_id text NOT NULL CHECK (length(request_id) BETWEEN 1 AND 64),
    action text NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    outcome text NOT NULL CHECK (outcome IN ('done', 'answered', 'denied', 'failed')),
    target_id text CHECK (length(target_id) <= 100),
    facts jsonb NOT NULL DEFAULT '{}' CHECK (pg_column_size(facts) <= 2000),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (tenant_id, id)
);
CALL mainstay.protect('mainstay.audit_entries', 'select, insert');

CREATE FUNCTION mainstay.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: its rows are only ever added', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
REVOKE ALL ON FUNCTION mainstay.refuse_change FROM PUBLIC;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mainstay.audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION mainstay.refuse_change();
-- Also where changes are applied as a replica's, which skip ordinary triggers.
ALTER TABLE mainstay.audit_entries ENABLE ALWAYS TRIGGER append_only;

-- Finds a tenant by name for maintenance on the command line; the runtime role may not call it.
GRANT SELECT (tenant_id, name) ON mainstay.tenants TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.tenants FOR SELECT TO mainstay_keyhole USING (true);
CREATE FUNCTION keyhole.find_tenant(name text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.tenant_id FROM mainstay.tenants t WHERE t.name = find_tenant.name;
END;
ALTER FUNCTION keyhole.find_tenant(text) OWNER TO mainstay_keyhole;
REVOKE ALL ON FUNCTION keyhole.find_tenant(text) FROM PUBLIC;
DO $$ BEGIN EXECUTE format('GRANT EXECUTE ON FUNCTION keyhole.find_tenant(text) TO %I', current_user); END $$;
