-- What a job carries besides its work: priority, result, progress, children, cancellation.
--
-- queued → running → succeeded, back to queued, cancelled, or failed → dead; a job that waits for its children is
-- `waiting` until the last of them has ended, and is then queued again. A redriven dead letter is queued under its id.

ALTER TABLE mainstay.jobs
    -- 0 goes before 1 and 1 before 2, among the jobs of one tenant in one queue.
    ADD priority smallint NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 2),
    -- Unlike unique_key it is never free again: a second enqueue with it is the first one told twice.
    ADD idempotency_key text COLLATE "C" CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    ADD parent_id uuid,
    -- The job has had children; when it is claimed again, it joins them.
    ADD joins boolean NOT NULL DEFAULT false,
    ADD result jsonb CHECK (octet_length(result::text) <= 16384),
    -- The key of an object, for results that are larger.
    ADD result_object text CHECK (length(result_object) BETWEEN 1 AND 500),
    ADD progress_done int CHECK (progress_done >= 0),
    ADD progress_total int CHECK (progress_total >= progress_done),
    ADD cancel_requested_at timestamptz,
    ADD started_at timestamptz,
    ADD redrives int NOT NULL DEFAULT 0 CHECK (redrives BETWEEN 0 AND 1000),
    ADD FOREIGN KEY (tenant_id, parent_id) REFERENCES mainstay.jobs (tenant_id, id),
    ADD CONSTRAINT jobs_one_result CHECK (num_nonnulls(result, result_object) <= 1),
    DROP CONSTRAINT jobs_state_check,
    ADD CONSTRAINT jobs_state_check
        CHECK (state IN ('queued', 'running', 'waiting', 'succeeded', 'cancelled', 'failed', 'dead')),
    DROP CONSTRAINT jobs_check3,
    ADD CONSTRAINT jobs_finished CHECK ((state IN ('succeeded', 'cancelled', 'dead')) = (finished_at IS NOT NULL));
CREATE UNIQUE INDEX jobs_idempotency_key ON mainstay.jobs (tenant_id, kind, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- A job that waits for its children keeps its key: the work that the key names is not done.
CREATE UNIQUE INDEX jobs_unique_key_of_unfinished ON mainstay.jobs (tenant_id, kind, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('queued', 'running', 'waiting');
DROP INDEX mainstay.jobs_unique_key;
ALTER INDEX mainstay.jobs_unique_key_of_unfinished RENAME TO jobs_unique_key;
-- Asked when a child ends: is another still under way?
CREATE INDEX jobs_children ON mainstay.jobs (tenant_id, parent_id)
    WHERE parent_id IS NOT NULL AND state IN ('queued', 'running', 'waiting', 'failed');
CREATE INDEX jobs_waiting ON mainstay.jobs (tenant_id, id) WHERE state = 'waiting';

-- Who does not see all of the tenant sees the jobs that run for them.
CALL mainstay.narrow('mainstay.jobs', '(principal_id = (SELECT mainstay.current_principal()))');
