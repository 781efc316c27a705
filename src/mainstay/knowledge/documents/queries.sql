-- name: insert_file
-- Records an upload whose bytes are stored already.
INSERT INTO mainstay.files (tenant_id, id, owner_id, visibility, filename, purpose, content_type, bytes, sha256)
VALUES (:tenant_id, :id, :principal_id, :visibility, :filename, :purpose, :content_type, :bytes, :sha256)
RETURNING created_at;

-- name: find_file
-- Reads one upload.
SELECT id, owner_id, visibility, filename, purpose, content_type, bytes AS size_bytes, sha256, created_at
  FROM mainstay.files
 WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL;

-- name: list_files
-- A page of uploads. Of the two orders the planner keeps the one that is asked for.
SELECT id, owner_id, visibility, filename, purpose, content_type, bytes AS size_bytes, sha256, created_at
  FROM mainstay.files
 WHERE tenant_id = :tenant_id AND deleted_at IS NULL
   AND (:newer_than::uuid IS NULL OR id > :newer_than) AND (:older_than::uuid IS NULL OR id < :older_than)
   AND (:purpose::text IS NULL OR purpose = :purpose)
 ORDER BY CASE WHEN :oldest_first::boolean THEN id END, CASE WHEN NOT :oldest_first::boolean THEN id END DESC
 LIMIT :limit;

-- name: find_file_key
-- Where a page goes on from: the key of a visible upload, deleted or not.
SELECT id FROM mainstay.files WHERE tenant_id = :tenant_id AND id = :id;

-- name: delete_file
-- Hides an upload; its bytes are removed after the commit.
UPDATE mainstay.files SET deleted_at = now() WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL;

-- name: lock_name
-- Lets one transaction at a time look for a store by name and make it when missing.
SELECT pg_advisory_xact_lock(hashtextextended(:tenant_id::uuid::text || '/' || :name, 0));

-- name: insert_store
-- Makes a store.
INSERT INTO mainstay.stores (tenant_id, id, owner_id, visibility, name, metadata)
VALUES (:tenant_id, :id, :principal_id, :visibility, :name, :metadata);

-- name: find_store
-- Reads one store.
SELECT id, owner_id, visibility, name, metadata, created_at, last_active_at
  FROM mainstay.stores
 WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL;

-- name: sees_store
-- Whether there is a store that the caller sees.
SELECT EXISTS (SELECT FROM mainstay.stores WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL);

-- name: find_store_named
-- Finds the oldest visible store of a name.
SELECT id, owner_id, visibility, name, metadata, created_at, last_active_at
  FROM mainstay.stores
 WHERE tenant_id = :tenant_id AND name = :name AND deleted_at IS NULL
 ORDER BY id
 LIMIT 1;

-- name: had_store
-- Whether the tenant has, or ever had, a visible store of a name.
SELECT EXISTS (SELECT FROM mainstay.stores WHERE tenant_id = :tenant_id AND name = :name);

-- name: list_stores
-- A page of stores.
SELECT id, owner_id, visibility, name, metadata, created_at, last_active_at
  FROM mainstay.stores
 WHERE tenant_id = :tenant_id AND deleted_at IS NULL
   AND (:newer_than::uuid IS NULL OR id > :newer_than) AND (:older_than::uuid IS NULL OR id < :older_than)
 ORDER BY CASE WHEN :oldest_first::boolean THEN id END, CASE WHEN NOT :oldest_first::boolean THEN id END DESC
 LIMIT :limit;

-- name: find_store_key
-- Where a page goes on from: the key of a visible store, deleted or not.
SELECT id FROM mainstay.stores WHERE tenant_id = :tenant_id AND id = :id;

-- name: count_documents
-- Counts the documents of stores by the state of their newest version.
SELECT store_id, state, count(*) AS documents, sum(bytes)::bigint AS bytes
  FROM (SELECT DISTINCT ON (v.document_id) v.store_id, v.state, f.bytes
          FROM mainstay.document_versions v
          JOIN mainstay.documents d ON d.tenant_id = v.tenant_id AND d.id = v.document_id
          JOIN mainstay.files f ON f.tenant_id = v.tenant_id AND f.id = v.file_id
         WHERE v.tenant_id = :tenant_id AND v.store_id = ANY(:store_ids::uuid[]) AND d.deleted_at IS NULL
         ORDER BY v.document_id, v.number DESC) AS newest
 GROUP BY store_id, state;

-- name: delete_store
-- Hides a store; its documents are not found any more from this moment.
UPDATE mainstay.stores SET deleted_at = now() WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL;

-- name: claim_document
-- Finds the document of an external id or makes it, and locks it, so that versions are numbered one at a time.
INSERT INTO mainstay.documents (tenant_id, id, store_id, external_id, attributes)
VALUES (:tenant_id, :id, :store_id, :external_id, :attributes)
    ON CONFLICT (tenant_id, store_id, external_id) WHERE deleted_at IS NULL
    DO UPDATE SET attributes = EXCLUDED.attributes
RETURNING id;

-- name: newest_version
-- The newest version of a document.
SELECT id, number, sha256, state FROM mainstay.document_versions
 WHERE tenant_id = :tenant_id AND document_id = :document_id
 ORDER BY number DESC
 LIMIT 1;

-- name: insert_version
-- Adds a version to be ingested.
INSERT INTO mainstay.document_versions (tenant_id, id, store_id, document_id, file_id, number, sha256)
VALUES (:tenant_id, :id, :store_id, :document_id, :file_id, :number, :sha256);

-- name: requeue_version
-- Gives a failed version another try, from the upload that came with it: the bytes of the first may be gone.
UPDATE mainstay.document_versions SET state = 'queued', file_id = :file_id, reason = NULL, reason_code = NULL
 WHERE tenant_id = :tenant_id AND id = :id AND state = 'failed';

-- name: touch_store
-- Notes that a store was used.
UPDATE mainstay.stores SET last_active_at = now() WHERE tenant_id = :tenant_id AND id = :id;

-- name: find_work
-- What an ingest job needs to know of its version, locked until the job's transaction ends. The document comes first,
-- as where one is removed: two orders would be a deadlock.
SELECT v.id AS version_id, v.number, v.document_id, v.store_id, v.file_id, f.filename, f.content_type, v.state,
       d.version_current_id, coalesce(c.number, 0) AS number_current
  FROM mainstay.document_versions v
  JOIN mainstay.documents d ON d.tenant_id = v.tenant_id AND d.id = v.document_id
  JOIN mainstay.files f ON f.tenant_id = v.tenant_id AND f.id = v.file_id
  LEFT JOIN mainstay.document_versions c ON c.tenant_id = d.tenant_id AND c.id = d.version_current_id
 WHERE v.tenant_id = :tenant_id AND v.id = :id AND d.deleted_at IS NULL
   FOR UPDATE OF d, v;

-- name: start_version
-- Notes that a worker has begun.
UPDATE mainstay.document_versions SET state = 'working'
 WHERE tenant_id = :tenant_id AND id = :id AND state IN ('queued', 'working');

-- name: finish_version
-- Makes a version ready, with what it turned out to hold.
UPDATE mainstay.document_versions
   SET state = 'ready', ready_at = now(), title = :title, content_type = :content_type, page_count = :page_count,
       char_count = :char_count, chunk_count = :chunk_count
 WHERE tenant_id = :tenant_id AND id = :id AND state IN ('queued', 'working');

-- name: insert_text
-- Keeps the text against which quotes are checked.
INSERT INTO mainstay.version_texts (tenant_id, version_id, text, page_numbers, page_starts)
VALUES (:tenant_id, :version_id, :text, :page_numbers, :page_starts);

-- name: set_current
-- Lets a document be retrieved by another version from now on.
UPDATE mainstay.documents SET version_current_id = :version_id WHERE tenant_id = :tenant_id AND id = :id;

-- name: end_version
-- Ends a version: failed with a reason, or cancelled because a newer one overtook it.
UPDATE mainstay.document_versions SET state = :state, reason_code = :reason_code, reason = :reason
 WHERE tenant_id = :tenant_id AND id = :id AND state IN ('queued', 'working');

-- name: retire_version
-- Notes that a version is not retrieved any more.
UPDATE mainstay.document_versions SET state = 'retired', retired_at = now()
 WHERE tenant_id = :tenant_id AND id = :id AND state = 'ready';

-- name: list_documents
-- A page of the documents of a visible store, each as its newest version stands: all of them, or of one state, or those
-- that have one of some versions. A file names the newest document that stands as it; one before it is shadowed.
SELECT d.id, d.store_id, d.external_id, d.attributes, v.id AS version_id, v.number AS version_number, d.version_current_id,
       v.file_id, f.filename, f.bytes, v.state, v.reason_code, v.reason, v.title, v.page_count, v.chunk_count,
       v.created_at, v.ready_at,
       EXISTS (SELECT FROM mainstay.document_versions w
                 JOIN mainstay.documents e ON e.tenant_id = w.tenant_id AND e.id = w.document_id AND e.deleted_at IS NULL
                WHERE w.tenant_id = :tenant_id AND w.file_id = v.file_id AND w.store_id = d.store_id
                  AND w.document_id > d.id
                  AND NOT EXISTS (SELECT FROM mainstay.document_versions n WHERE n.tenant_id = :tenant_id
                                     AND n.document_id = w.document_id AND n.number > w.number)) AS shadowed
  FROM mainstay.documents d
  JOIN mainstay.stores s ON s.tenant_id = d.tenant_id AND s.id = d.store_id AND s.deleted_at IS NULL
  JOIN LATERAL (SELECT * FROM mainstay.document_versions v
                 WHERE v.tenant_id = :tenant_id AND v.document_id = d.id ORDER BY v.number DESC LIMIT 1) v ON true
  JOIN mainstay.files f ON f.tenant_id = v.tenant_id AND f.id = v.file_id
 WHERE d.tenant_id = :tenant_id AND d.store_id = :store_id AND d.deleted_at IS NULL
   AND (:newer_than::uuid IS NULL OR d.id > :newer_than) AND (:older_than::uuid IS NULL OR d.id < :older_than)
   AND (:states::text[] IS NULL OR v.state = ANY(:states))
   AND (:version_ids::uuid[] IS NULL OR d.id IN (SELECT b.document_id FROM mainstay.document_versions b
                                                  WHERE b.tenant_id = :tenant_id AND b.id = ANY(:version_ids)))
 ORDER BY CASE WHEN :oldest_first::boolean THEN d.id END, CASE WHEN NOT :oldest_first::boolean THEN d.id END DESC
 LIMIT :limit;

-- name: find_document_key
-- Where a page goes on from: the document that an id names, its own or a file's, taken out or not.
SELECT d.id
  FROM mainstay.document_versions v
  JOIN mainstay.documents d ON d.tenant_id = v.tenant_id AND d.id = v.document_id
 WHERE v.tenant_id = :tenant_id AND v.store_id = :store_id AND (v.file_id = :id OR v.document_id = :id)
 ORDER BY d.deleted_at IS NULL DESC,
          EXISTS (SELECT FROM mainstay.document_versions n WHERE n.tenant_id = :tenant_id
                     AND n.document_id = v.document_id AND n.number > v.number),
          d.id DESC
 LIMIT 1;

-- name: find_document_of_file
-- The document of a visible store that an id names, its own or a file's, or that came from a file with the same content,
-- as that version stands. The newest document that stands as the file now comes first.
SELECT d.id, d.store_id, d.external_id, d.attributes, v.id AS version_id, v.number AS version_number, d.version_current_id,
       v.file_id, f.filename, f.bytes, v.state, v.reason_code, v.reason, v.title, v.page_count, v.chunk_count,
       v.created_at, v.ready_at,
       EXISTS (SELECT FROM mainstay.document_versions w
                 JOIN mainstay.documents e ON e.tenant_id = w.tenant_id AND e.id = w.document_id AND e.deleted_at IS NULL
                WHERE w.tenant_id = :tenant_id AND w.file_id = v.file_id AND w.store_id = v.store_id
                  AND w.document_id > v.document_id
                  AND NOT EXISTS (SELECT FROM mainstay.document_versions n WHERE n.tenant_id = :tenant_id
                                     AND n.document_id = w.document_id AND n.number > w.number)) AS shadowed
  FROM mainstay.document_versions v
  JOIN mainstay.documents d ON d.tenant_id = v.tenant_id AND d.id = v.document_id AND d.deleted_at IS NULL
  JOIN mainstay.stores s ON s.tenant_id = d.tenant_id AND s.id = d.store_id AND s.deleted_at IS NULL
  JOIN mainstay.files f ON f.tenant_id = v.tenant_id AND f.id = v.file_id
 WHERE v.tenant_id = :tenant_id AND v.store_id = :store_id
   AND (:document_id::uuid IS NULL OR v.document_id = :document_id)
   AND (v.file_id = :id OR v.document_id = :id
        OR v.sha256 = (SELECT g.sha256 FROM mainstay.files g WHERE g.tenant_id = :tenant_id AND g.id = :id))
 ORDER BY v.file_id = :id DESC,
          EXISTS (SELECT FROM mainstay.document_versions n WHERE n.tenant_id = :tenant_id
                     AND n.document_id = v.document_id AND n.number > v.number),
          v.document_id DESC, v.number DESC
 LIMIT 1;

-- name: find_known_documents
-- Documents of a visible store whose newest version has just the content that is asked for, and has not failed with it.
-- Whether a newer document of the same file hides one is not asked: it was named by its external id.
SELECT d.id, d.store_id, d.external_id, d.attributes, v.id AS version_id, v.number AS version_number, d.version_current_id,
       v.file_id, f.filename, f.bytes, v.state, v.reason_code, v.reason, v.title, v.page_count, v.chunk_count,
       v.created_at, v.ready_at, false AS shadowed
  FROM unnest(:external_ids::text[], :sha256s::bytea[]) AS asked (external_id, sha256)
  JOIN mainstay.documents d ON d.tenant_id = :tenant_id AND d.store_id = :store_id AND d.external_id = asked.external_id
   AND d.deleted_at IS NULL
  JOIN mainstay.stores s ON s.tenant_id = d.tenant_id AND s.id = d.store_id AND s.deleted_at IS NULL
  JOIN LATERAL (SELECT * FROM mainstay.document_versions v
                 WHERE v.tenant_id = :tenant_id AND v.document_id = d.id ORDER BY v.number DESC LIMIT 1) v
    ON v.sha256 = asked.sha256 AND v.state NOT IN ('failed', 'cancelled')
  JOIN mainstay.files f ON f.tenant_id = v.tenant_id AND f.id = v.file_id;

-- name: delete_document
-- Takes a document out of its store.
UPDATE mainstay.documents SET deleted_at = now(), version_current_id = NULL
 WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL;

-- name: cancel_versions
-- Cancels what still waits of a document that was taken out.
UPDATE mainstay.document_versions SET state = 'cancelled'
 WHERE tenant_id = :tenant_id AND document_id = :document_id AND state IN ('queued', 'working');

-- name: slice_text
-- The code points [start_char, end_char) of a version's text, to check a quote against, and the page of the first.
SELECT substr(text, :start_char::int + 1, :end_char::int - :start_char::int) AS text,
       (SELECT p.number FROM unnest(page_numbers, page_starts) AS p (number, start_char)
         WHERE p.start_char <= :start_char ORDER BY p.start_char DESC, p.number DESC LIMIT 1) AS page
  FROM mainstay.version_texts
 WHERE tenant_id = :tenant_id AND version_id = :version_id;

-- name: read_text
-- The text of a version, for whoever may see its store.
SELECT t.text
  FROM mainstay.version_texts t
  JOIN mainstay.document_versions v ON v.tenant_id = t.tenant_id AND v.id = t.version_id
  JOIN mainstay.stores s ON s.tenant_id = v.tenant_id AND s.id = v.store_id AND s.deleted_at IS NULL
 WHERE t.tenant_id = :tenant_id AND t.version_id = :version_id;

-- name: states_of
-- How versions that answers used stand today: current, changed or deleted.
SELECT v.id AS version_id,
       CASE WHEN d.deleted_at IS NOT NULL OR s.deleted_at IS NOT NULL THEN 'deleted'
            WHEN d.version_current_id = v.id THEN 'current'
            ELSE 'changed' END AS state
  FROM mainstay.document_versions v
  JOIN mainstay.documents d ON d.tenant_id = v.tenant_id AND d.id = v.document_id
  LEFT JOIN mainstay.stores s ON s.tenant_id = d.tenant_id AND s.id = d.store_id
 WHERE v.tenant_id = :tenant_id AND v.id = ANY(:version_ids::uuid[]);

-- name: describe_versions
-- What a citation shows of the versions it points to.
SELECT v.id AS version_id, v.number, v.file_id, f.filename, v.title, d.external_id, d.attributes, v.page_count
  FROM mainstay.document_versions v
  JOIN mainstay.documents d ON d.tenant_id = v.tenant_id AND d.id = v.document_id
  JOIN mainstay.files f ON f.tenant_id = v.tenant_id AND f.id = v.file_id
 WHERE v.tenant_id = :tenant_id AND v.id = ANY(:version_ids::uuid[]);

-- name: update_store
-- Renames a store or replaces its metadata; what is NULL stays.
UPDATE mainstay.stores SET name = coalesce(:name, name), metadata = coalesce(:metadata, metadata)
 WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL;

-- name: set_attributes
-- Replaces the attributes of a document.
UPDATE mainstay.documents SET attributes = :attributes WHERE tenant_id = :tenant_id AND id = :id AND deleted_at IS NULL;

-- name: list_matching_versions
-- The versions by which a store is searched whose documents have certain attributes.
SELECT d.version_current_id AS version_id
  FROM mainstay.documents d
 WHERE d.tenant_id = :tenant_id AND d.store_id = :store_id AND d.deleted_at IS NULL AND d.version_current_id IS NOT NULL
   AND jsonb_path_match(d.attributes, :condition::text::jsonpath);

-- name: insert_batch
-- Notes which files were put into a store together.
INSERT INTO mainstay.file_batches (tenant_id, id, store_id, version_ids)
VALUES (:tenant_id, :id, :store_id, :version_ids);

-- name: find_batch
-- Reads one batch of a store, with how many of its documents are in which state.
SELECT b.id, b.store_id, b.version_ids, b.created_at, b.cancelled_at,
       count(*) FILTER (WHERE v.state IN ('queued', 'working')) AS in_progress,
       count(*) FILTER (WHERE v.state IN ('ready', 'retired')) AS completed,
       count(*) FILTER (WHERE v.state = 'failed') AS failed,
       count(*) FILTER (WHERE v.state = 'cancelled') AS cancelled
  FROM mainstay.file_batches b
  JOIN mainstay.document_versions v ON v.tenant_id = b.tenant_id AND v.id = ANY(b.version_ids)
 WHERE b.tenant_id = :tenant_id AND b.store_id = :store_id AND b.id = :id
 GROUP BY b.tenant_id, b.id;

-- name: cancel_batch
-- Notes that a batch was cancelled.
UPDATE mainstay.file_batches SET cancelled_at = now() WHERE tenant_id = :tenant_id AND id = :id AND cancelled_at IS NULL;

-- name: cancel_batch_versions
-- Cancels what a batch brought in and still waits; locked in one order, so that two who cancel do not wait in a circle.
UPDATE mainstay.document_versions v SET state = 'cancelled'
  FROM (SELECT w.id FROM mainstay.document_versions w
          JOIN mainstay.file_batches b ON b.tenant_id = :tenant_id AND b.id = :id
         WHERE w.tenant_id = :tenant_id AND w.id = ANY(b.version_ids) AND w.created_at >= b.created_at
           AND w.state IN ('queued', 'working')
         ORDER BY w.id
           FOR UPDATE OF w) waiting
 WHERE v.tenant_id = :tenant_id AND v.id = waiting.id;

-- name: has_file
-- Whether a store has a document that was made from a file.
SELECT EXISTS (SELECT FROM mainstay.document_versions v
                 JOIN mainstay.documents d ON d.tenant_id = v.tenant_id AND d.id = v.document_id AND d.deleted_at IS NULL
                WHERE v.tenant_id = :tenant_id AND v.store_id = :store_id AND v.file_id = :file_id);

-- name: is_restricted
-- Whether a document is seen by those alone with whom it is shared itself.
SELECT EXISTS (SELECT FROM mainstay.restricted_documents WHERE tenant_id = :tenant_id AND document_id = :document_id);

-- name: list_shares
-- With whom a store, or a restricted document of it, is shared.
SELECT principal_id, group_id FROM mainstay.shares
 WHERE tenant_id = :tenant_id AND store_id = :store_id AND document_id IS NOT DISTINCT FROM :document_id::uuid
 ORDER BY principal_id, group_id;

-- name: add_shares
-- Shares a store, or a restricted document of it, with these; with whom it is shared already it stays so.
INSERT INTO mainstay.shares (tenant_id, id, store_id, document_id, principal_id, group_id)
SELECT :tenant_id, s.id, :store_id, :document_id, s.principal_id, s.group_id
  FROM unnest(:ids::uuid[], :principal_ids::uuid[], :group_ids::uuid[]) AS s (id, principal_id, group_id)
    ON CONFLICT DO NOTHING;

-- name: delete_other_shares
-- Shares a store, or a restricted document of it, with nobody but these.
DELETE FROM mainstay.shares
 WHERE tenant_id = :tenant_id AND store_id = :store_id AND document_id IS NOT DISTINCT FROM :document_id::uuid
   AND coalesce(principal_id <> ALL (:principal_ids::uuid[]), true)
   AND coalesce(group_id <> ALL (:group_ids::uuid[]), true);

-- name: set_visibility
-- Shows a store to the whole tenant, or to its owner and those with whom it is shared.
UPDATE mainstay.stores SET visibility = :visibility WHERE tenant_id = :tenant_id AND id = :id;

-- name: restrict_document
-- Hides a document from everyone with whom it is not shared itself.
INSERT INTO mainstay.restricted_documents (tenant_id, document_id)
VALUES (:tenant_id, :document_id) ON CONFLICT DO NOTHING;

-- name: open_document
-- Shows a document to whoever sees its store.
DELETE FROM mainstay.restricted_documents WHERE tenant_id = :tenant_id AND document_id = :document_id;

-- name: narrow_files
-- Makes the files of a store, or of one document, private: from now on they are seen through their documents.
UPDATE mainstay.files f SET visibility = 'private'
 WHERE f.tenant_id = :tenant_id AND f.visibility = 'tenant'
   AND f.id IN (SELECT v.file_id FROM mainstay.document_versions v
                 WHERE v.tenant_id = :tenant_id AND v.store_id = :store_id
                   AND (:document_id::uuid IS NULL OR v.document_id = :document_id)
                   AND (:file_id::uuid IS NULL OR v.file_id = :file_id));
