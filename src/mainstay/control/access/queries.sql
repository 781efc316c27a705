-- name: find_key
-- Finds a living key by its prefix and digest, before any tenant is known.
SELECT tenant_id, key_id, principal_id, role, scopes FROM keyhole.find_key(:prefix, :secret_sha256);

-- name: insert_principal
-- Adds a principal to the tenant.
INSERT INTO mainstay.principals (tenant_id, id, name, role, kind) VALUES (:tenant_id, :id, :name, :role, :kind);

-- name: insert_key
-- Stores the digest of a new key.
INSERT INTO mainstay.api_keys (tenant_id, id, principal_id, name, prefix, secret_sha256, role, scopes, expires_at)
VALUES (:tenant_id, :id, :holder_id, :name, :prefix, :secret_sha256, :role, :scopes, :expires_at);

-- name: find_operator
-- Finds who holds a living operator's key, and whether the tenant that it names is there.
SELECT operator_id, found_tenant_id FROM keyhole.find_operator(:prefix, :secret_sha256, :of_tenant_id);

-- name: add_operator
-- Makes an operator with its key; only maintenance may.
SELECT keyhole.add_operator(:id, :name, :prefix, :secret_sha256, make_interval(days => :lifetime_days));
