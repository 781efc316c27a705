-- From here on each embedding names its document. The rows that stand are looked at in 0019, with a lock beside which
-- others go on: a constraint that is not valid yet is added without reading them.
ALTER TABLE mainstay.embeddings
    ADD CONSTRAINT embeddings_document_id_known CHECK (document_id IS NOT NULL) NOT VALID;

-- Segments are added and deleted, and never changed.
REVOKE UPDATE ON mainstay.index_segments FROM mainstay_runtime;
