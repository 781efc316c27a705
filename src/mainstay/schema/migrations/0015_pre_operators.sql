-- Operators: principals above the tenants. They belong to none, so their rows are the system's; the runtime role reads
-- none of them and asks the keyhole who holds a key.

CREATE TABLE mainstay.operators (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    prefix text COLLATE "C" NOT NULL UNIQUE CHECK (length(prefix) = 12),
    secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
ALTER TABLE mainstay.operators ENABLE ROW LEVEL SECURITY;
ALTER TABLE mainstay.operators FORCE ROW LEVEL SECURITY;
REVOKE ALL ON mainstay.operators FROM PUBLIC;
GRANT SELECT (id, prefix, secret_sha256, expires_at, revoked_at),
      INSERT (id, name, prefix, secret_sha256, expires_at)
   ON mainstay.operators TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.operators TO mainstay_keyhole USING (true) WITH CHECK (true);

-- Who holds a living operator's key, and the tenant that is named, where there is one.
CREATE FUNCTION keyhole.find_operator(prefix text, secret_sha256 bytea, tenant_id uuid)
RETURNS TABLE (operator_id uuid, found_tenant_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT o.id, t.tenant_id
      FROM mainstay.operators o
      LEFT JOIN mainstay.tenants t ON t.tenant_id = find_operator.tenant_id
     WHERE o.prefix = find_operator.prefix AND o.secret_sha256 = find_operator.secret_sha256
       AND o.revoked_at IS NULL AND o.expires_at > now();
END;
CALL mainstay.open_keyhole('keyhole.find_operator(text, bytea, uuid)');

-- Makes an operator; maintenance on the command line alone may call it.
CREATE FUNCTION keyhole.add_operator(id uuid, name text, prefix text, secret_sha256 bytea, lifetime interval)
RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO mainstay.operators AS o (id, name, prefix, secret_sha256, expires_at)
    VALUES (add_operator.id, add_operator.name, add_operator.prefix, add_operator.secret_sha256,
            now() + add_operator.lifetime)
    RETURNING o.id;
END;
ALTER FUNCTION keyhole.add_operator(uuid, text, text, bytea, interval) OWNER TO mainstay_keyhole;
REVOKE ALL ON FUNCTION keyhole.add_operator(uuid, text, text, bytea, interval) FROM PUBLIC;
DO $$ BEGIN
    EXECUTE format('GRANT EXECUTE ON FUNCTION keyhole.add_operator(uuid, text, text, bytea, interval) TO %I',
                   current_user);
END $$;
