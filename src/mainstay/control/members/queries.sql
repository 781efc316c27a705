-- name: find_principal
-- Reads one principal.
SELECT id, name, kind, role, created_at, disabled_at
  FROM mainstay.principals WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_principals
-- A page of principals.
SELECT id, name, kind, role, created_at, disabled_at
  FROM mainstay.principals
 WHERE tenant_id = :tenant_id AND (:newer_than::uuid IS NULL OR id > :newer_than)
   AND (:older_than::uuid IS NULL OR id < :older_than)
 ORDER BY CASE WHEN :oldest_first::boolean THEN id END, CASE WHEN NOT :oldest_first::boolean THEN id END DESC
 LIMIT :limit;

-- name: known_principals
-- Which of these are principals of the tenant.
SELECT id FROM mainstay.principals WHERE tenant_id = :tenant_id AND id = ANY(:ids::uuid[]);

-- name: lock_owners
-- The owners that are not disabled, locked, so that two changes at once cannot each leave the other's.
SELECT id FROM mainstay.principals
 WHERE tenant_id = :tenant_id AND role = 'owner' AND disabled_at IS NULL
 ORDER BY id
   FOR UPDATE;

-- name: change_principal
-- Gives a principal a role, and disables or enables it.
UPDATE mainstay.principals
   SET role = :role, disabled_at = CASE WHEN :disabled::boolean THEN coalesce(disabled_at, now()) END
 WHERE tenant_id = :tenant_id AND id = :id;

-- name: find_key_record
-- Reads one key.
SELECT id, principal_id, name, prefix, scopes, created_at, expires_at, revoked_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'active' END AS state
  FROM mainstay.api_keys WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_keys
-- A page of keys, of one principal where asked.
SELECT id, principal_id, name, prefix, scopes, created_at, expires_at, revoked_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'active' END AS state
  FROM mainstay.api_keys
 WHERE tenant_id = :tenant_id AND (:newer_than::uuid IS NULL OR id > :newer_than)
   AND (:older_than::uuid IS NULL OR id < :older_than)
   AND (:principal_id_of::uuid IS NULL OR principal_id = :principal_id_of)
 ORDER BY CASE WHEN :oldest_first::boolean THEN id END, CASE WHEN NOT :oldest_first::boolean THEN id END DESC
 LIMIT :limit;

-- name: revoke_key
-- Ends a key; the next request with it is refused.
UPDATE mainstay.api_keys SET revoked_at = now() WHERE tenant_id = :tenant_id AND id = :id AND revoked_at IS NULL;

-- name: insert_group
-- Makes a group.
INSERT INTO mainstay.groups (tenant_id, id, name) VALUES (:tenant_id, :id, :name);

-- name: find_group
-- Reads one group.
SELECT g.id, g.name, g.created_at,
       (SELECT count(*) FROM mainstay.group_members m
         WHERE m.tenant_id = :tenant_id AND m.group_id = g.id) AS member_count
  FROM mainstay.groups g WHERE g.tenant_id = :tenant_id AND g.id = :id;

-- name: list_groups
-- A page of groups.
SELECT g.id, g.name, g.created_at,
       (SELECT count(*) FROM mainstay.group_members m
         WHERE m.tenant_id = :tenant_id AND m.group_id = g.id) AS member_count
  FROM mainstay.groups g
 WHERE g.tenant_id = :tenant_id AND (:newer_than::uuid IS NULL OR g.id > :newer_than)
   AND (:older_than::uuid IS NULL OR g.id < :older_than)
 ORDER BY CASE WHEN :oldest_first::boolean THEN g.id END, CASE WHEN NOT :oldest_first::boolean THEN g.id END DESC
 LIMIT :limit;

-- name: known_groups
-- Which of these are groups of the tenant.
SELECT id FROM mainstay.groups WHERE tenant_id = :tenant_id AND id = ANY(:ids::uuid[]);

-- name: delete_group
-- Deletes a group; what was shared with it is seen by its members no more.
DELETE FROM mainstay.groups WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_members
-- A page of the principals of a group.
SELECT p.id, p.name, p.kind, p.role, p.created_at, p.disabled_at
  FROM mainstay.group_members m
  JOIN mainstay.principals p ON p.tenant_id = m.tenant_id AND p.id = m.principal_id
 WHERE m.tenant_id = :tenant_id AND m.group_id = :group_id AND (:newer_than::uuid IS NULL OR p.id > :newer_than)
   AND (:older_than::uuid IS NULL OR p.id < :older_than)
 ORDER BY CASE WHEN :oldest_first::boolean THEN p.id END, CASE WHEN NOT :oldest_first::boolean THEN p.id END DESC
 LIMIT :limit;

-- name: add_member
-- Puts a principal into a group, where it may be already.
INSERT INTO mainstay.group_members (tenant_id, group_id, principal_id)
VALUES (:tenant_id, :group_id, :member_id) ON CONFLICT DO NOTHING;

-- name: remove_member
-- Takes a principal out of a group.
DELETE FROM mainstay.group_members
 WHERE tenant_id = :tenant_id AND group_id = :group_id AND principal_id = :member_id;

-- name: find_principal_key
-- Where a page goes on from: the key of a principal.
SELECT id FROM mainstay.principals WHERE tenant_id = :tenant_id AND id = :id;

-- name: find_api_key_key
-- Where a page goes on from: the key of an API key, revoked or not.
SELECT id FROM mainstay.api_keys WHERE tenant_id = :tenant_id AND id = :id;

-- name: find_group_key
-- Where a page goes on from: the key of a group.
SELECT id FROM mainstay.groups WHERE tenant_id = :tenant_id AND id = :id;
