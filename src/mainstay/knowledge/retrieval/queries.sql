-- name: find_live_generation
-- The live generation of a visible store, with how alike to the query's vector its chunks are on average.
SELECT g.id, g.embedding_model, g.dimensions, g.chunk_count, g.term_count_total, g.languages,
       CASE WHEN g.dimensions = vector_dims(:vector::halfvec) AND g.chunk_count > 0
            THEN -(g.embedding_sum <#> :vector::halfvec::vector) / g.chunk_count END AS similarity_mean
  FROM mainstay.index_generations g
  JOIN mainstay.stores s ON s.tenant_id = g.tenant_id AND s.id = g.store_id
 WHERE g.tenant_id = :tenant_id AND g.store_id = :store_id AND g.live AND s.deleted_at IS NULL

-- name: plan_search_once
-- Lets PostgreSQL keep the plan of a search: a new one for each takes milliseconds, and no part of it depends on whose
-- store it is. Left to choose, it would plan anew each time, since it takes unknown words for more than they are. The
-- plan that it keeps reads by index, though it was made while the tables were small.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)

-- name: search_hybrid
-- Both legs over one generation: exact BM25 over its posting blocks, exact inner products over its embeddings.
-- Each leg proposes its best chunks, and all of them are scored by both and weighed together. Variants of a word in
-- several languages have the same :words number. The first :limit_count rows carry their text, the others were cut.
-- Chunks of documents that the caller must not see are cut before the best are chosen: row security hides their
-- embeddings from the vector leg, and a posting counts only with an embedding beside it. The frequencies of words stay
-- those of the whole store.
WITH query AS MATERIALIZED (
    SELECT word, key, weight, expected
      FROM unnest(:words::int[], :keys::bigint[], :weights::float8[], :expected::boolean[])
           AS q (word, key, weight, expected)
), block AS MATERIALIZED (
    SELECT q.key, b.postings[b.bounds[b.position] : b.bounds[b.position + 1] - 1] AS postings
      FROM mainstay.index_segments s
     CROSS JOIN (SELECT DISTINCT key FROM query) q
     CROSS JOIN LATERAL (
           SELECT p.bounds, p.postings, array_position(p.keys, q.key) AS position
             FROM mainstay.posting_blocks p
            WHERE p.tenant_id = :tenant_id AND p.generation_id = :generation_id
              AND p.segment_no = s.chunk_no_first AND p.bucket_no = (q.key >> (63 - s.bucket_bits))::int
           OFFSET 0) b
     WHERE s.tenant_id = :tenant_id AND s.generation_id = :generation_id AND b.position IS NOT NULL
), retired AS MATERIALIZED (
    SELECT r.chunk_no FROM mainstay.retired_chunks r
     WHERE r.tenant_id = :tenant_id AND r.generation_id = :generation_id
), retired_posting AS (
    SELECT p.key, count(*) AS postings
      FROM (SELECT b.key, (unnest(b.postings) >> 32)::int AS chunk_no FROM block b) p
      JOIN retired r ON r.chunk_no = p.chunk_no
     GROUP BY p.key
), found AS MATERIALIZED (
    -- ln((N + 1) / (df + 0.5)) is Lucene's ln(1 + (N - df + 0.5) / (df + 0.5)). N was read by the statement before this
    -- one; where chunks were added in between, more of them may have a word than there were.
    SELECT f.key, ln((greatest(:chunk_count::float8, f.df) + 1) / (f.df + 0.5)) AS idf
      FROM (SELECT b.key, sum(cardinality(b.postings)) - coalesce(max(r.postings), 0) AS df
              FROM block b LEFT JOIN retired_posting r ON r.key = b.key
             GROUP BY b.key) f
     WHERE f.df > 0
), weighted AS MATERIALIZED (
    SELECT f.key, f.idf * sum(q.weight) AS weight
      FROM found f JOIN query q ON q.key = f.key
     GROUP BY f.key, f.idf
), conceivable AS MATERIALIZED (
    -- What a chunk would score at most that had all words of the query; a word that no chunk has counts as rare.
    SELECT sum(word.score ORDER BY word.word) AS score
      FROM (SELECT q.word, max(q.weight) * coalesce(max(f.idf), ln((:chunk_count::float8 + 1) / 0.5)) AS score
              FROM query q LEFT JOIN found f ON f.key = q.key
             WHERE q.expected
             GROUP BY q.word) word
), lexical AS MATERIALIZED (
    -- In which order a score is summed is the plan's choice, which the rows of all tenants have a part in. Rounding takes
    -- away the last bits, in which it shows, so that equal scores stay equal and come by the numbers of their chunks.
    SELECT s.chunk_no, round(s.score * 1e9::float8) / 1e9::float8 AS score
      FROM (SELECT (p.posting >> 32)::int AS chunk_no,
                   sum(p.weight / (1::float8 + (:k1::float8 * (1::float8 - :b::float8)
                       + :k1::float8 * :b::float8 / :term_count_mean::float8 * (p.posting & 65535)::float8)
                       / ((p.posting >> 16) & 65535)::float8)) AS score
              FROM (SELECT w.weight, unnest(b.postings) AS posting FROM block b JOIN weighted w ON w.key = b.key) p
             GROUP BY 1) s
     WHERE NOT EXISTS (SELECT FROM retired r WHERE r.chunk_no = s.chunk_no)
       AND (:version_ids::uuid[] IS NULL OR s.chunk_no IN (
            SELECT c.chunk_no FROM mainstay.chunks c
             WHERE c.tenant_id = :tenant_id AND c.version_id = ANY (:version_ids::uuid[])))
), lexical_best AS MATERIALIZED (
    SELECT chunk_no, score, similarity, row_number() OVER (ORDER BY score DESC, chunk_no) AS rank
      FROM (SELECT l.chunk_no, l.score, e.similarity
              FROM (SELECT chunk_no, score FROM lexical ORDER BY score DESC, chunk_no) l
             CROSS JOIN LATERAL (
                   SELECT -(e.embedding <#> :vector::halfvec) AS similarity
                     FROM mainstay.embeddings e
                    WHERE e.tenant_id = :tenant_id AND e.generation_id = :generation_id AND e.chunk_no = l.chunk_no
                   OFFSET 0) e
             ORDER BY l.score DESC, l.chunk_no LIMIT :candidates) l
), vector_best AS MATERIALIZED (
    SELECT chunk_no, -distance AS similarity, row_number() OVER (ORDER BY distance, chunk_no) AS rank
      FROM (SELECT e.chunk_no, e.embedding <#> :vector::halfvec AS distance
              FROM mainstay.embeddings e
             WHERE e.tenant_id = :tenant_id AND e.generation_id = :generation_id AND :vector::halfvec IS NOT NULL
               AND (:version_ids::uuid[] IS NULL OR e.chunk_no IN (
                    SELECT c.chunk_no FROM mainstay.chunks c
                     WHERE c.tenant_id = :tenant_id AND c.version_id = ANY (:version_ids::uuid[])))
             ORDER BY distance, chunk_no LIMIT :candidates) v
), candidate AS (
    SELECT chunk_no FROM lexical_best UNION SELECT chunk_no FROM vector_best
), scored AS (
    SELECT c.chunk_no, coalesce(l.score, 0) AS lexical_score, lb.rank AS lexical_rank,
           coalesce(vb.similarity, lb.similarity) AS vector_score, vb.rank AS vector_rank
      FROM candidate c
      LEFT JOIN lexical l ON l.chunk_no = c.chunk_no
      LEFT JOIN lexical_best lb ON lb.chunk_no = c.chunk_no
      LEFT JOIN vector_best vb ON vb.chunk_no = c.chunk_no
), fused AS (
    -- fusion.py says why.
    SELECT s.*, row_number() OVER (ORDER BY s.fused_score DESC, s.vector_score DESC NULLS LAST, s.chunk_no) AS rank
      FROM (SELECT scored.*,
                   (:lexical_weight::float8 * coalesce(least(1, lexical_score / nullif(sqrt(
                        (SELECT max(score) FROM lexical_best) * (SELECT score FROM conceivable)), 0)), 0)
                    + :vector_weight::float8 * greatest(0, coalesce(
                        (vector_score - :similarity_mean::float8) / (1 - :similarity_mean::float8), 0)))
                   / (:lexical_weight::float8 + :vector_weight::float8) AS fused_score
              FROM scored) s
)
SELECT f.rank, f.lexical_score, f.lexical_rank, f.vector_score, f.vector_rank, f.fused_score,
       c.id, c.document_id, c.version_id, c.ordinal, c.start_char, c.end_char, c.page_first, c.page_last,
       c.heading_path, c.sha256, CASE WHEN f.rank <= :limit_count THEN c.text END AS text
  FROM fused f
  JOIN mainstay.chunks c ON c.tenant_id = :tenant_id AND c.store_id = :store_id AND c.chunk_no = f.chunk_no
 WHERE f.rank <= :limit_count + :cut_count
 ORDER BY f.rank

-- name: probe
-- Whether both legs find a chunk where a search looks for it: one of the keys has it among its postings, and its
-- embedding is that alike to the vector. It costs what the version costs, however large the store is.
SELECT EXISTS (SELECT FROM unnest(:keys::bigint[]) AS q (key)
                CROSS JOIN LATERAL (
                      SELECT p.bounds, p.postings, array_position(p.keys, q.key) AS position
                        FROM mainstay.posting_blocks p
                       WHERE p.tenant_id = :tenant_id AND p.generation_id = :generation_id
                         AND p.segment_no = s.chunk_no_first AND p.bucket_no = (q.key >> (63 - s.bucket_bits))::int
                      OFFSET 0) b
                CROSS JOIN LATERAL unnest(b.postings[b.bounds[b.position] : b.bounds[b.position + 1] - 1]) AS posting
                WHERE posting >> 32 = c.chunk_no) AS by_words,
       (SELECT -(e.embedding <#> :vector::halfvec) FROM mainstay.embeddings e
         WHERE e.tenant_id = :tenant_id AND e.generation_id = :generation_id AND e.chunk_no = c.chunk_no) AS similarity
  FROM mainstay.chunks c
 CROSS JOIN LATERAL (
       SELECT s.chunk_no_first, s.bucket_bits FROM mainstay.index_segments s
        WHERE s.tenant_id = :tenant_id AND s.generation_id = :generation_id AND s.chunk_no_first <= c.chunk_no
        ORDER BY s.chunk_no_first DESC LIMIT 1) s
 WHERE c.tenant_id = :tenant_id AND c.version_id = :version_id AND c.ordinal = :ordinal

-- name: reserve_chunk_numbers
-- Numbers for new chunks of a store; its writers queue here until the one before has committed.
INSERT INTO mainstay.chunk_counters (tenant_id, store_id, chunk_no_last)
VALUES (:tenant_id, :store_id, :count)
ON CONFLICT (tenant_id, store_id) DO UPDATE SET chunk_no_last = chunk_counters.chunk_no_last + :count
RETURNING chunk_no_last

-- name: lock_writers
-- Queue with the writers of a store, as they do with their first statement: in another order two would wait for each
-- other, one holding the counter and one the statistics.
SELECT chunk_no_last FROM mainstay.chunk_counters WHERE tenant_id = :tenant_id AND store_id = :store_id FOR UPDATE

-- name: find_generation
-- The live generation of a store, for its writers.
SELECT id, embedding_model, dimensions, chunk_count, term_count_total, languages
  FROM mainstay.index_generations
 WHERE tenant_id = :tenant_id AND store_id = :store_id AND live

-- name: insert_generation
-- The first generation of a store.
INSERT INTO mainstay.index_generations (tenant_id, id, store_id, number, live, embedding_model, dimensions)
VALUES (:tenant_id, :id, :store_id, 1, true, :embedding_model, :dimensions)

-- name: insert_chunks
-- The chunks of one version, none where it is not of this document and store. Heading paths travel joined by the unit
-- separator, because their lengths differ.
INSERT INTO mainstay.chunks
       (tenant_id, store_id, document_id, version_id, id, chunk_no, ordinal, text, start_char, end_char,
        page_first, page_last, heading_path, sha256, term_count)
SELECT :tenant_id, :store_id, :document_id, :version_id, c.id, c.chunk_no, c.ordinal, c.text, c.start_char, c.end_char,
       c.page_first, c.page_last, string_to_array(c.heading_path, E'\x1f'), c.sha256, c.term_count
  FROM unnest(:ids::uuid[], :chunk_nos::int[], :ordinals::int[], :texts::text[], :starts::int[], :ends::int[],
              :pages_first::int[], :pages_last::int[], :heading_paths::text[], :sha256s::bytea[], :term_counts::int[])
       AS c (id, chunk_no, ordinal, text, start_char, end_char, page_first, page_last, heading_path, sha256, term_count)
  JOIN mainstay.document_versions v
    ON v.tenant_id = :tenant_id AND v.id = :version_id AND v.document_id = :document_id AND v.store_id = :store_id

-- name: insert_segment
-- A segment: of one version, or merged from several.
INSERT INTO mainstay.index_segments
       (tenant_id, generation_id, chunk_no_first, chunk_no_last, chunk_count, bucket_bits)
VALUES (:tenant_id, :generation_id, :chunk_no_first, :chunk_no_last, :chunk_count, :bucket_bits)

-- name: insert_blocks
-- Blocks of a segment, cut from arrays that hold those of all of them; each block has a bound more than it has keys.
INSERT INTO mainstay.posting_blocks (tenant_id, generation_id, segment_no, bucket_no, block_no, keys, bounds, postings)
SELECT :tenant_id, :generation_id, :segment_no, b.bucket_no, b.block_no,
       (:keys::bigint[])[b.keys_before + 1 : b.keys_last],
       (:bounds::bigint[])[b.keys_before + b.number : b.keys_last + b.number]::int[],
       (:postings::bigint[])[b.postings_before + 1 : b.postings_last]
  FROM (SELECT c.bucket_no, c.block_no, c.keys_last, c.postings_last, c.number,
               lag(c.keys_last, 1, 0) OVER n AS keys_before, lag(c.postings_last, 1, 0) OVER n AS postings_before
          FROM unnest(:bucket_nos::int[], :block_nos::int[], :keys_last::int[], :postings_last::int[])
               WITH ORDINALITY AS c (bucket_no, block_no, keys_last, postings_last, number)
        WINDOW n AS (ORDER BY c.number)) b

-- name: add_embeddings
-- The embeddings of new chunks, and what these chunks add to the statistics of their generation. It comes last in a
-- transaction: from here on the other writers of the generation wait for the commit.
WITH added AS (
    INSERT INTO mainstay.embeddings (tenant_id, generation_id, chunk_no, document_id, input_sha256, embedding)
    SELECT :tenant_id, :generation_id, e.chunk_no, :document_id, e.input_sha256, e.embedding
      FROM unnest(:chunk_nos::int[], :input_sha256s::bytea[], :embeddings::halfvec[])
           AS e (chunk_no, input_sha256, embedding)
    RETURNING embedding
), total AS (
    SELECT sum(embedding::vector) AS embedding_sum FROM added
)
UPDATE mainstay.index_generations g
   SET chunk_count = g.chunk_count + :chunk_count,
       term_count_total = g.term_count_total + :term_count,
       languages = (SELECT array_agg(DISTINCT l ORDER BY l) FROM unnest(g.languages || :languages::text[]) AS l),
       embedding_sum = coalesce(g.embedding_sum + total.embedding_sum, total.embedding_sum)
  FROM total
 WHERE g.tenant_id = :tenant_id AND g.id = :generation_id

-- name: retire_version
-- Take the chunks of a version out of both legs and out of the statistics: its embeddings go, its postings are hidden
-- until a merge drops them. A version that was retired before, or never indexed, has nothing left to take.
WITH gone AS (
    DELETE FROM mainstay.embeddings e
     USING mainstay.chunks c
     WHERE c.tenant_id = :tenant_id AND c.version_id = :version_id AND c.store_id = :store_id
       AND e.tenant_id = :tenant_id AND e.generation_id = :generation_id AND e.chunk_no = c.chunk_no
    RETURNING e.chunk_no, e.embedding, c.term_count
), hidden AS (
    INSERT INTO mainstay.retired_chunks (tenant_id, generation_id, chunk_no)
    SELECT :tenant_id, :generation_id, chunk_no FROM gone
), total AS (
    SELECT count(*) AS chunk_count, sum(term_count) AS term_count, sum(embedding::vector) AS embedding_sum FROM gone
)
UPDATE mainstay.index_generations g
   SET chunk_count = g.chunk_count - total.chunk_count,
       term_count_total = g.term_count_total - total.term_count,
       embedding_sum = g.embedding_sum - total.embedding_sum
  FROM total
 WHERE g.tenant_id = :tenant_id AND g.id = :generation_id AND total.chunk_count > 0
RETURNING total.chunk_count, total.term_count

-- name: find_known_embeddings
-- Embeddings that a store already holds, by the digest of what was embedded.
SELECT DISTINCT ON (e.input_sha256) e.input_sha256, e.embedding
  FROM mainstay.embeddings e
 WHERE e.tenant_id = :tenant_id AND e.generation_id = :generation_id
   AND e.input_sha256 = ANY (:input_sha256s::bytea[])
 ORDER BY e.input_sha256

-- name: list_segments
-- The segments of a generation in the order of their chunks, with how many chunks of each are retired.
SELECT s.chunk_no_first, s.chunk_no_last, s.chunk_count,
       (SELECT count(*) FROM mainstay.retired_chunks r
         WHERE r.tenant_id = :tenant_id AND r.generation_id = :generation_id
           AND r.chunk_no BETWEEN s.chunk_no_first AND s.chunk_no_last) AS retired_count
  FROM mainstay.index_segments s
 WHERE s.tenant_id = :tenant_id AND s.generation_id = :generation_id
 ORDER BY s.chunk_no_first

-- name: list_indexed_stores
-- The stores that have a live index.
SELECT store_id FROM mainstay.index_generations WHERE tenant_id = :tenant_id AND live ORDER BY store_id

-- name: try_lock_merge
-- One merge of a generation at a time; the lock ends with the transaction.
SELECT pg_try_advisory_xact_lock(hashtextextended('mainstay.merge ' || :generation_id::text, 0))

-- name: list_blocks
-- The blocks of neighbouring segments in binary, to be merged.
SELECT array_send(keys) AS keys, array_send(bounds) AS bounds, array_send(postings) AS postings
  FROM mainstay.posting_blocks
 WHERE tenant_id = :tenant_id AND generation_id = :generation_id
   AND segment_no BETWEEN :segment_no_first AND :segment_no_last

-- name: list_retired
-- The retired chunks among those of some segments.
SELECT chunk_no FROM mainstay.retired_chunks
 WHERE tenant_id = :tenant_id AND generation_id = :generation_id
   AND chunk_no BETWEEN :chunk_no_first AND :chunk_no_last

-- name: delete_blocks
-- The blocks that a merge took up.
DELETE FROM mainstay.posting_blocks
 WHERE tenant_id = :tenant_id AND generation_id = :generation_id
   AND segment_no BETWEEN :segment_no_first AND :segment_no_last

-- name: delete_segments
-- The segments that a merge took up.
DELETE FROM mainstay.index_segments
 WHERE tenant_id = :tenant_id AND generation_id = :generation_id
   AND chunk_no_first BETWEEN :segment_no_first AND :segment_no_last

-- name: delete_retired
-- The retired chunks that a merge dropped, and no others: a version may have been retired meanwhile.
DELETE FROM mainstay.retired_chunks
 WHERE tenant_id = :tenant_id AND generation_id = :generation_id AND chunk_no = ANY (:chunk_nos::int[])
