-- To look up the version of each chunk took more time than to write all of the chunk. The statement that adds chunks joins
-- their version once instead; versions are never deleted, and retrieval alone writes chunks.
ALTER TABLE mainstay.chunks DROP CONSTRAINT chunks_tenant_id_version_id_fkey;
