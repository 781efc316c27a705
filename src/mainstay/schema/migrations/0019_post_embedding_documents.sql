-- The document of an embedding is never unknown. VALIDATE reads all rows beside those who read and write; with what it
-- proved, SET NOT NULL reads none, and its own lock is short.
DO $$ BEGIN
    ALTER TABLE mainstay.embeddings VALIDATE CONSTRAINT embeddings_document_id_known;
EXCEPTION WHEN check_violation THEN
    -- Writers from before 0013 left some out after it had run. Only then are all others kept waiting.
    ALTER TABLE mainstay.embeddings NO FORCE ROW LEVEL SECURITY;
    ALTER TABLE mainstay.index_generations NO FORCE ROW LEVEL SECURITY;
    ALTER TABLE mainstay.chunks NO FORCE ROW LEVEL SECURITY;
    UPDATE mainstay.embeddings e SET document_id = c.document_id
      FROM mainstay.index_generations g
      JOIN mainstay.chunks c ON c.tenant_id = g.tenant_id AND c.store_id = g.store_id
     WHERE g.tenant_id = e.tenant_id AND g.id = e.generation_id AND c.chunk_no = e.chunk_no AND e.document_id IS NULL;
    ALTER TABLE mainstay.embeddings FORCE ROW LEVEL SECURITY;
    ALTER TABLE mainstay.index_generations FORCE ROW LEVEL SECURITY;
    ALTER TABLE mainstay.chunks FORCE ROW LEVEL SECURITY;
    ALTER TABLE mainstay.embeddings VALIDATE CONSTRAINT embeddings_document_id_known;
END $$;
ALTER TABLE mainstay.embeddings ALTER document_id SET NOT NULL;
ALTER TABLE mainstay.embeddings DROP CONSTRAINT embeddings_document_id_known;
