-- name: insert_entry
-- Adds a row; nobody may change or delete one.
INSERT INTO mainstay.audit_entries
       (tenant_id, id, at, principal_id, request_id, action, outcome, target_id, facts, digest)
VALUES (:tenant_id, :id, :at, :principal_id, :request_id, :action, :outcome, :target_id, :facts, :digest);

-- name: list_entries
-- A page of rows, newest first; ids sort by age.
SELECT id, at, tenant_id, principal_id, request_id, action, outcome, target_id, facts, digest
  FROM mainstay.audit_entries
 WHERE tenant_id = :tenant_id
   AND (:before::uuid IS NULL OR id < :before)
   AND (:action::text IS NULL OR action = :action)
   AND (:request_id::text IS NULL OR request_id = :request_id)
 ORDER BY id DESC
 LIMIT :limit;
