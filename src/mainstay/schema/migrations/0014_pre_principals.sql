-- Principals of two kinds that can be disabled, keys with scopes, and operators above the tenants.

ALTER TABLE mainstay.principals
    ADD kind text NOT NULL DEFAULT 'user' CHECK (kind IN ('user', 'service_account')),
    ADD disabled_at timestamptz;
GRANT UPDATE (role, disabled_at) ON mainstay.principals TO mainstay_runtime;

-- Permissions to which the key is limited; without any it may do all that its holder's role may. The role beside it is
-- what the holder had when the key was made: what counts is the role that the holder has.
ALTER TABLE mainstay.api_keys
    ADD name text NOT NULL DEFAULT '' CHECK (length(name) <= 200),
    ADD scopes text[] CHECK (cardinality(scopes) BETWEEN 1 AND 32);

GRANT SELECT (tenant_id, id, role, disabled_at) ON mainstay.principals TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.principals FOR SELECT TO mainstay_keyhole USING (true);
GRANT SELECT (scopes) ON mainstay.api_keys TO mainstay_keyhole;
REVOKE SELECT (role) ON mainstay.api_keys FROM mainstay_keyhole;

DROP FUNCTION keyhole.find_key(text, bytea);
CREATE FUNCTION keyhole.find_key(prefix text, secret_sha256 bytea)
RETURNS TABLE (tenant_id uuid, key_id uuid, principal_id uuid, role text, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT k.tenant_id, k.id, k.principal_id, p.role, k.scopes
      FROM mainstay.api_keys k
      JOIN mainstay.principals p ON p.tenant_id = k.tenant_id AND p.id = k.principal_id
     WHERE k.prefix = find_key.prefix AND k.secret_sha256 = find_key.secret_sha256
       AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
       AND p.disabled_at IS NULL;
END;
CALL mainstay.open_keyhole('keyhole.find_key(text, bytea)');
