-- What a job goes through besides its claims: attempts that ended badly, cancellation, children, redrive, pruning.
--
-- Only an attempt that did not end well leaves a row, written by the statement that ends it: success costs nothing.
CREATE TABLE mainstay.job_attempts (
    tenant_id uuid NOT NULL,
    job_id uuid NOT NULL,
    -- Names the attempt for ever; a redriven job counts its attempts anew.
    fence bigint NOT NULL,
    attempt int NOT NULL CHECK (attempt >= 0),
    worker text CHECK (length(worker) <= 200),
    started_at timestamptz,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text COLLATE "C" NOT NULL CHECK (outcome IN ('retried', 'failed', 'lease_expired', 'cancelled')),
    error_code text CHECK (length(error_code) <= 64),
    error text CHECK (length(error) <= 2000),
    PRIMARY KEY (tenant_id, job_id, fence),
    FOREIGN KEY (tenant_id, job_id) REFERENCES mainstay.jobs (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX job_attempts_ended ON mainstay.job_attempts (tenant_id, ended_at);
CALL mainstay.protect('mainstay.job_attempts', 'select, insert');
CALL mainstay.narrow('mainstay.job_attempts',
    'EXISTS (SELECT FROM mainstay.jobs j WHERE j.tenant_id = job_attempts.tenant_id AND j.id = job_attempts.job_id)');
GRANT SELECT (tenant_id, job_id, fence),
      INSERT (tenant_id, job_id, fence, attempt, worker, started_at, outcome, error_code, error)
   ON mainstay.job_attempts TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.job_attempts TO mainstay_keyhole USING (true) WITH CHECK (true);

-- A job may be cancelled where its kind is not known; a worker that knows the kind tells it afterwards, as of a death.
ALTER TABLE mainstay.jobs ADD untold boolean NOT NULL DEFAULT false;
CREATE INDEX jobs_untold ON mainstay.jobs (run_at) WHERE untold;
-- All children, also those that have ended: for joins, and for the foreign key when a parent is pruned.
CREATE INDEX jobs_family ON mainstay.jobs (tenant_id, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX jobs_dead ON mainstay.jobs (tenant_id, queue, kind) WHERE state = 'dead';
CREATE INDEX jobs_finished ON mainstay.jobs (tenant_id, finished_at) WHERE finished_at IS NOT NULL;
-- Of a principal and not of the tenant: otherwise a key would tell one what another has enqueued.
DROP INDEX mainstay.jobs_idempotency_key;
CREATE UNIQUE INDEX jobs_idempotency_key ON mainstay.jobs (tenant_id, principal_id, kind, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

GRANT UPDATE (attempt, idempotency_key, joins, result, result_object, progress_done, progress_total,
              cancel_requested_at, redrives, untold)
   ON mainstay.jobs TO mainstay_runtime;
GRANT SELECT (worker, started_at, cancel_requested_at, parent_id, finished_at, untold), UPDATE (finished_at, untold)
   ON mainstay.jobs TO mainstay_keyhole;
GRANT DELETE ON mainstay.jobs TO mainstay_keyhole;

-- Puts claimed jobs back as if they had not been claimed: in their old place, and the attempt does not count. One that was to be
-- cancelled is cancelled instead.
CREATE OR REPLACE FUNCTION keyhole.return_jobs(tenant_ids uuid[], job_ids uuid[], fences bigint[])
RETURNS TABLE (job_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH held AS MATERIALIZED (
        SELECT j.tenant_id, j.id, j.cancel_requested_at IS NOT NULL AS cancelled
          FROM unnest(return_jobs.tenant_ids, return_jobs.job_ids, return_jobs.fences) AS l (tenant_id, id, fence)
          JOIN mainstay.jobs j ON j.tenant_id = l.tenant_id AND j.id = l.id AND j.fence = l.fence
         WHERE j.state = 'running'
           FOR UPDATE OF j
    ), cancelled AS (
        UPDATE mainstay.jobs j
           SET state = 'cancelled', untold = true, finished_at = clock_timestamp(), attempt = j.attempt - 1,
               run_at = clock_timestamp(), worker = NULL, lease_expires_at = NULL,
               error_code = 'cancelled', error = 'The job was cancelled.'
          FROM held h WHERE j.tenant_id = h.tenant_id AND j.id = h.id AND h.cancelled
        RETURNING j.id
    ), returned AS (
        UPDATE mainstay.jobs j
           SET state = 'queued', attempt = j.attempt - 1, worker = NULL, lease_expires_at = NULL
          FROM held h WHERE j.tenant_id = h.tenant_id AND j.id = h.id AND NOT h.cancelled
        RETURNING j.id
    )
    SELECT c.id FROM cancelled c UNION ALL SELECT r.id FROM returned r;
END;

-- Takes jobs away from workers that let the lease run out. A job keeps its place in the line, or it would start again
-- behind all that was queued since; one that kills its worker is alone the next time.
CREATE OR REPLACE FUNCTION keyhole.rescue_jobs(count_max int)
RETURNS TABLE (tenant_id uuid, job_id uuid, queue text, state text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH orphans AS MATERIALIZED (
        SELECT j.tenant_id, j.id, j.fence, j.attempt, j.worker, j.started_at,
               CASE WHEN j.cancel_requested_at IS NOT NULL THEN 'cancelled'
                    WHEN j.attempt >= j.attempts_max THEN 'failed' ELSE 'queued' END AS state_next
          FROM mainstay.jobs j
         WHERE j.state = 'running' AND j.lease_expires_at < clock_timestamp()
         LIMIT rescue_jobs.count_max FOR UPDATE SKIP LOCKED
    ), noted AS (
        INSERT INTO mainstay.job_attempts (tenant_id, job_id, fence, attempt, worker, started_at, outcome, error_code,
                                           error)
        SELECT o.tenant_id, o.id, o.fence, o.attempt, o.worker, o.started_at, 'lease_expired', 'lease_expired',
               'The worker stopped renewing its lease: it was killed, hung, or lost the database.'
          FROM orphans o
    )
    UPDATE mainstay.jobs j
       SET state = o.state_next, untold = o.state_next = 'cancelled',
           finished_at = CASE WHEN o.state_next = 'cancelled' THEN clock_timestamp() END,
           run_at = CASE WHEN o.state_next = 'queued' THEN j.run_at ELSE clock_timestamp() END,
           worker = NULL, lease_expires_at = NULL,
           error_code = CASE WHEN o.state_next = 'cancelled' THEN 'cancelled' ELSE 'lease_expired' END,
           error = CASE WHEN o.state_next = 'cancelled' THEN 'The job was cancelled.'
                        ELSE 'The worker stopped renewing its lease: it was killed, hung, or lost the database.' END
      FROM orphans o
     WHERE j.tenant_id = o.tenant_id AND j.id = o.id
    RETURNING j.tenant_id, j.id, j.queue, j.state;
END;

-- Names jobs of whose end their kind is to be told: failed ones, and cancelled ones. Who tells is decided by the
-- transaction that does; this only keeps the workers from all trying at once.
CREATE OR REPLACE FUNCTION keyhole.take_burials(kinds text[], count_max int, retry interval)
RETURNS TABLE (tenant_id uuid, principal_id uuid, job_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH failed AS MATERIALIZED (
        SELECT j.tenant_id, j.id FROM mainstay.jobs j
         WHERE j.state = 'failed' AND j.run_at <= now() AND j.kind = ANY (take_burials.kinds)
         ORDER BY j.run_at LIMIT take_burials.count_max FOR UPDATE SKIP LOCKED
    ), cancelled AS MATERIALIZED (
        SELECT j.tenant_id, j.id FROM mainstay.jobs j
         WHERE j.untold AND j.run_at <= now() AND j.kind = ANY (take_burials.kinds)
         ORDER BY j.run_at LIMIT take_burials.count_max FOR UPDATE SKIP LOCKED
    )
    UPDATE mainstay.jobs j SET run_at = clock_timestamp() + take_burials.retry
      FROM (SELECT f.tenant_id, f.id FROM failed f UNION ALL SELECT c.tenant_id, c.id FROM cancelled c) due
     WHERE j.tenant_id = due.tenant_id AND j.id = due.id
    RETURNING j.tenant_id, j.principal_id, j.id;
END;

-- Which of the jobs that a worker runs are to be cancelled.
CREATE FUNCTION keyhole.jobs_to_cancel(tenant_ids uuid[], job_ids uuid[], fences bigint[])
RETURNS TABLE (job_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT j.id
      FROM unnest(jobs_to_cancel.tenant_ids, jobs_to_cancel.job_ids, jobs_to_cancel.fences) AS l (tenant_id, id, fence)
      JOIN mainstay.jobs j ON j.tenant_id = l.tenant_id AND j.id = l.id AND j.fence = l.fence
     WHERE j.state = 'running' AND j.cancel_requested_at IS NOT NULL;
END;
CALL mainstay.open_keyhole('keyhole.jobs_to_cancel(uuid[], uuid[], bigint[])');

-- Queues waiting parents all of whose children have ended. It runs after the commit that ended a child, and so sees
-- every child that ended before: of two that end at once the later one sees both. The fence says that a parent still
-- waits for the children that were looked at, and not for those of a later claim.
CREATE FUNCTION keyhole.wake_parents(tenant_ids uuid[], job_ids uuid[])
RETURNS TABLE (tenant_id uuid, job_id uuid, queue text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH ready AS MATERIALIZED (
        SELECT p.tenant_id, p.id, p.fence
          FROM unnest(wake_parents.tenant_ids, wake_parents.job_ids) AS l (tenant_id, id)
          JOIN mainstay.jobs p ON p.tenant_id = l.tenant_id AND p.id = l.id
         WHERE p.state = 'waiting'
           AND NOT EXISTS (SELECT FROM mainstay.jobs c
                            WHERE c.tenant_id = p.tenant_id AND c.parent_id = p.id
                              AND c.state IN ('queued', 'running', 'waiting', 'failed'))
    )
    UPDATE mainstay.jobs j SET state = 'queued', run_at = clock_timestamp()
      FROM ready r
     WHERE j.tenant_id = r.tenant_id AND j.id = r.id AND j.fence = r.fence AND j.state = 'waiting'
    RETURNING j.tenant_id, j.id, j.queue;
END;
CALL mainstay.open_keyhole('keyhole.wake_parents(uuid[], uuid[])');

-- The same for all parents that wait: what a crash between a child's end and the waking left over.
CREATE FUNCTION keyhole.wake_waiting(count_max int)
RETURNS TABLE (tenant_id uuid, job_id uuid, queue text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH ready AS MATERIALIZED (
        SELECT p.tenant_id, p.id, p.fence
          FROM mainstay.jobs p
         WHERE p.state = 'waiting'
           AND NOT EXISTS (SELECT FROM mainstay.jobs c
                            WHERE c.tenant_id = p.tenant_id AND c.parent_id = p.id
                              AND c.state IN ('queued', 'running', 'waiting', 'failed'))
         LIMIT wake_waiting.count_max
    )
    UPDATE mainstay.jobs j SET state = 'queued', run_at = clock_timestamp()
      FROM ready r
     WHERE j.tenant_id = r.tenant_id AND j.id = r.id AND j.fence = r.fence AND j.state = 'waiting'
    RETURNING j.tenant_id, j.id, j.queue;
END;
CALL mainstay.open_keyhole('keyhole.wake_waiting(int)');

-- Deletes jobs that finished long ago, with their attempts; dead letters are kept longer, and a parent goes after its
-- children.
CREATE FUNCTION keyhole.prune_jobs(keep interval, keep_dead interval, count_max int) RETURNS TABLE (jobs bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH old AS MATERIALIZED (
        SELECT o.tenant_id, o.id
          FROM mainstay.tenants t
         CROSS JOIN LATERAL (
               SELECT j.tenant_id, j.id FROM mainstay.jobs j
                WHERE j.tenant_id = t.tenant_id AND j.finished_at < now() - prune_jobs.keep AND NOT j.untold
                  AND (j.state <> 'dead' OR j.finished_at < now() - prune_jobs.keep_dead)
                  AND NOT EXISTS (SELECT FROM mainstay.jobs c
                                   WHERE c.tenant_id = j.tenant_id AND c.parent_id = j.id)
                LIMIT prune_jobs.count_max
                  FOR UPDATE SKIP LOCKED) o
         LIMIT prune_jobs.count_max
    ), pruned AS (
        DELETE FROM mainstay.jobs j USING old WHERE j.tenant_id = old.tenant_id AND j.id = old.id RETURNING 1
    )
    SELECT count(*) FROM pruned;
END;
CALL mainstay.open_keyhole('keyhole.prune_jobs(interval, interval, int)');

-- How many jobs of each queue are unfinished or dead, and for how long the oldest that is due has waited; for metrics.
CREATE OR REPLACE FUNCTION keyhole.count_jobs()
RETURNS TABLE (queue text, state text, jobs bigint, oldest_due_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT j.queue, j.state, count(*), greatest(0, extract(epoch FROM now() - min(j.run_at)))::double precision
      FROM mainstay.jobs j
     WHERE j.state = 'queued' GROUP BY j.queue, j.state
    UNION ALL
    SELECT j.queue, j.state, count(*), 0 FROM mainstay.jobs j WHERE j.state = 'running' GROUP BY j.queue, j.state
    UNION ALL
    SELECT j.queue, j.state, count(*), 0 FROM mainstay.jobs j WHERE j.state = 'waiting' GROUP BY j.queue, j.state
    UNION ALL
    SELECT j.queue, j.state, count(*), 0 FROM mainstay.jobs j WHERE j.state = 'failed' GROUP BY j.queue, j.state
    UNION ALL
    SELECT j.queue, j.state, count(*), 0 FROM mainstay.jobs j WHERE j.state = 'dead' GROUP BY j.queue, j.state;
END;
