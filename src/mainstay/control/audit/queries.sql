-- name: insert_entry
-- Adds a row; nobody may change or delete one.
INSERT INTO mainstay.audit_entries
       (tenant_id, id, at, principal_id, request_id, action, outcome, target_id, facts, digest)
VALUES (:tenant_id, :id, :at, :principal_id, :request_id, :action, :outcome, :target_id, :facts, :digest);

-- name: list_entries
-- A page of rows; ids sort by age. Of the two orders the planner keeps the one that is asked for.
SELECT id, at, tenant_id, principal_id, request_id, action, outcome, target_id, facts, digest
  FROM mainstay.audit_entries
 WHERE tenant_id = :tenant_id
   AND (:newer_than::uuid IS NULL OR id > :newer_than) AND (:older_than::uuid IS NULL OR id < :older_than)
   AND (:action::text IS NULL OR action = :action)
   AND (:request_id::text IS NULL OR request_id = :request_id)
 ORDER BY CASE WHEN :oldest_first::boolean THEN id END, CASE WHEN NOT :oldest_first::boolean THEN id END DESC
 LIMIT :limit;

-- name: find_entry_key
-- Where a page goes on from: the key of a visible row.
SELECT id FROM mainstay.audit_entries WHERE tenant_id = :tenant_id AND id = :id;
