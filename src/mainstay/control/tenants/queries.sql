-- name: insert_tenant
-- Creates a tenant; run by the owner of the schema, in the new tenant's own scope.
INSERT INTO mainstay.tenants (tenant_id, name) VALUES (:tenant_id, :name);

-- name: find_tenant
-- Reads the tenant of the scope.
SELECT tenant_id, name, created_at FROM mainstay.tenants WHERE tenant_id = :tenant_id;

-- name: find_tenant_id
-- Finds a tenant by its name, across all of them; only maintenance may.
SELECT keyhole.find_tenant(:name);
