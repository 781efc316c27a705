-- Jobs: this table is the truth on every transport; a message only wakes a worker.
--
-- queued → running → succeeded, or back to queued, or failed → dead.
-- A job that will not run again is `failed` until its kind's burial has run; only that commit makes it `dead`,
-- so no dead job lacks its burial, whichever process dies when. platform/jobs/models.py tells the whole story.

CREATE TABLE mainstay.jobs (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    id uuid NOT NULL,
    principal_id uuid NOT NULL,
    request_id text NOT NULL CHECK (length(request_id) BETWEEN 1 AND 64),
    queue text COLLATE "C" NOT NULL CHECK (length(queue) BETWEEN 1 AND 64),
    kind text COLLATE "C" NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    payload jsonb NOT NULL CHECK (octet_length(payload::text) <= 16384),
    unique_key text COLLATE "C" CHECK (length(unique_key) BETWEEN 1 AND 200),
    state text COLLATE "C" NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'dead')),
    -- When a queued job is due, and when the burial of a failed one is.
    run_at timestamptz NOT NULL,
    attempt int NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    attempts_max int NOT NULL CHECK (attempts_max BETWEEN 1 AND 25),
    CHECK (attempt <= attempts_max),
    -- Grows with every claim; a worker that was thought dead and comes back holds an old one and cannot commit.
    fence bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    worker text CHECK (length(worker) <= 200),
    error_code text CHECK (length(error_code) <= 64),
    error text CHECK (length(error) <= 2000),
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES mainstay.principals (tenant_id, id),
    CHECK ((state = 'running') = (lease_expires_at IS NOT NULL)),
    CHECK ((state = 'running') = (worker IS NOT NULL)),
    CHECK ((state IN ('succeeded', 'dead')) = (finished_at IS NOT NULL)),
    CHECK (state NOT IN ('failed', 'dead') OR (error_code IS NOT NULL AND error IS NOT NULL))
);
-- While a job waits or runs, no other of its kind with its key may; afterwards it may come again.
CREATE UNIQUE INDEX jobs_unique_key ON mainstay.jobs (tenant_id, kind, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('queued', 'running');
-- The tenant comes before the time, so that a claim finds each tenant that waits without reading the jobs of one
-- that queued ten thousand.
CREATE INDEX jobs_queued ON mainstay.jobs (queue, tenant_id, run_at, id) WHERE state = 'queued';
-- Without lease_expires_at: renewing leases changes no indexed column, and few jobs run at a time.
CREATE INDEX jobs_running ON mainstay.jobs (queue, tenant_id) WHERE state = 'running';
CREATE INDEX jobs_failed ON mainstay.jobs (run_at) WHERE state = 'failed';
-- A queue leaves dead rows in proportion to its traffic and not to its size.
ALTER TABLE mainstay.jobs SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000);

CALL mainstay.protect('mainstay.jobs', 'select, insert');
GRANT UPDATE (state, run_at, unique_key, lease_expires_at, worker, error_code, error, finished_at)
    ON mainstay.jobs TO mainstay_runtime;

-- Payloads and request ids are not among them: what a job is about is read inside its tenant.
GRANT SELECT (tenant_id, id, principal_id, queue, kind, state, run_at, attempt, attempts_max, fence, lease_expires_at),
      UPDATE (state, run_at, attempt, fence, lease_expires_at, worker, error_code, error)
   ON mainstay.jobs TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.jobs TO mainstay_keyhole USING (true) WITH CHECK (true);

-- Claims up to count_max due jobs and starts their leases. The tenant with the fewest running jobs comes first, and
-- a lottery decides between equals, so that no claimer has to remember whose turn it was. What several tenants leave
-- of their share stays free: claim again until nothing comes.
CREATE FUNCTION keyhole.claim_jobs(queues text[], kinds text[], worker text, count_max int, lease interval)
RETURNS TABLE (tenant_id uuid, principal_id uuid, job_id uuid, fence bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE waiting AS (
        -- One probe of jobs_queued for each tenant that waits, however many jobs it has.
        SELECT q.queue,
               (SELECT j.tenant_id FROM mainstay.jobs j
                 WHERE j.queue = q.queue AND j.state = 'queued'
                   AND j.run_at <= now() AND j.kind = ANY (claim_jobs.kinds)
                 ORDER BY j.tenant_id LIMIT 1) AS tenant_id
          FROM unnest(claim_jobs.queues) AS q (queue)
        UNION ALL
        SELECT w.queue,
               (SELECT j.tenant_id FROM mainstay.jobs j
                 WHERE j.queue = w.queue AND j.state = 'queued' AND j.tenant_id > w.tenant_id
                   AND j.run_at <= now() AND j.kind = ANY (claim_jobs.kinds)
                 ORDER BY j.tenant_id LIMIT 1)
          FROM waiting w
         WHERE w.tenant_id IS NOT NULL
    ), running AS (
        SELECT j.queue, j.tenant_id, count(*) AS jobs
          FROM mainstay.jobs j
         WHERE j.state = 'running' AND j.queue = ANY (claim_jobs.queues)
         GROUP BY j.queue, j.tenant_id
    ), turns AS MATERIALIZED (
        SELECT w.queue, w.tenant_id
          FROM waiting w LEFT JOIN running r ON r.queue = w.queue AND r.tenant_id = w.tenant_id
         WHERE w.tenant_id IS NOT NULL
         ORDER BY coalesce(r.jobs, 0), random()
         LIMIT claim_jobs.count_max
    ), chosen AS MATERIALIZED (
        SELECT d.tenant_id, d.id
          FROM (SELECT t.queue, t.tenant_id, claim_jobs.count_max / count(*) OVER () AS share FROM turns t) s
         CROSS JOIN LATERAL (
               SELECT j.tenant_id, j.id FROM mainstay.jobs j
                WHERE j.queue = s.queue AND j.tenant_id = s.tenant_id AND j.state = 'queued'
                  AND j.run_at <= now() AND j.kind = ANY (claim_jobs.kinds)
                ORDER BY j.run_at, j.id LIMIT s.share
                  FOR UPDATE SKIP LOCKED) d
    )
    UPDATE mainstay.jobs j
       SET state = 'running', attempt = j.attempt + 1, fence = j.fence + 1, worker = claim_jobs.worker,
           lease_expires_at = clock_timestamp() + claim_jobs.lease
      FROM chosen c
     WHERE j.tenant_id = c.tenant_id AND j.id = c.id
    RETURNING j.tenant_id, j.principal_id, j.id, j.fence;
END;
CALL mainstay.open_keyhole('keyhole.claim_jobs(text[], text[], text, int, interval)');

-- Prolongs leases, and returns the jobs that were not lost: one that its holder has just finished is among them. A row
-- that is locked is about to be committed or rescued: waiting for it would let the other leases run out.
CREATE FUNCTION keyhole.renew_leases(tenant_ids uuid[], job_ids uuid[], fences bigint[], lease interval)
RETURNS TABLE (job_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH held AS MATERIALIZED (
        SELECT j.tenant_id, j.id, j.fence
          FROM unnest(renew_leases.tenant_ids, renew_leases.job_ids, renew_leases.fences) AS l (tenant_id, id, fence)
          JOIN mainstay.jobs j ON j.tenant_id = l.tenant_id AND j.id = l.id AND j.fence = l.fence
         WHERE j.state IN ('running', 'succeeded')
    ), unlocked AS MATERIALIZED (
        SELECT j.tenant_id, j.id
          FROM held h JOIN mainstay.jobs j ON j.tenant_id = h.tenant_id AND j.id = h.id AND j.fence = h.fence
         WHERE j.state = 'running'
           FOR UPDATE OF j SKIP LOCKED
    ), renewed AS (
        UPDATE mainstay.jobs j SET lease_expires_at = clock_timestamp() + renew_leases.lease
          FROM unlocked u
         WHERE j.tenant_id = u.tenant_id AND j.id = u.id
    )
    SELECT h.id FROM held h;
END;
CALL mainstay.open_keyhole('keyhole.renew_leases(uuid[], uuid[], bigint[], interval)');

-- Puts claimed jobs back as if they had not been claimed: due now, and the attempt does not count.
CREATE FUNCTION keyhole.return_jobs(tenant_ids uuid[], job_ids uuid[], fences bigint[])
RETURNS TABLE (job_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE mainstay.jobs j
       SET state = 'queued', attempt = j.attempt - 1, run_at = clock_timestamp(), worker = NULL, lease_expires_at = NULL
      FROM unnest(return_jobs.tenant_ids, return_jobs.job_ids, return_jobs.fences) AS l (tenant_id, id, fence)
     WHERE j.tenant_id = l.tenant_id AND j.id = l.id AND j.fence = l.fence AND j.state = 'running'
    RETURNING j.id;
END;
CALL mainstay.open_keyhole('keyhole.return_jobs(uuid[], uuid[], bigint[])');

-- Takes jobs away from workers that let the lease run out. What was lost more than once waits up to two
-- seconds, so that a job that kills its worker does not take the same neighbours with it each time.
CREATE FUNCTION keyhole.rescue_jobs(count_max int)
RETURNS TABLE (tenant_id uuid, job_id uuid, queue text, state text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH orphans AS MATERIALIZED (
        SELECT j.tenant_id, j.id FROM mainstay.jobs j
         WHERE j.state = 'running' AND j.lease_expires_at < clock_timestamp()
         LIMIT rescue_jobs.count_max FOR UPDATE SKIP LOCKED
    )
    UPDATE mainstay.jobs j
       SET state = CASE WHEN j.attempt >= j.attempts_max THEN 'failed' ELSE 'queued' END,
           run_at = clock_timestamp() + CASE WHEN j.attempt >= j.attempts_max THEN interval '0'
                                             ELSE random() * least(j.attempt - 1, 2) * interval '1 second' END,
           worker = NULL, lease_expires_at = NULL, error_code = 'lease_expired',
           error = 'The worker stopped renewing its lease: it was killed, hung, or lost the database.'
      FROM orphans o
     WHERE j.tenant_id = o.tenant_id AND j.id = o.id
    RETURNING j.tenant_id, j.id, j.queue, j.state;
END;
CALL mainstay.open_keyhole('keyhole.rescue_jobs(int)');

-- Names failed jobs whose burial is due, and puts it off for everyone else while the caller tries. Who buries is
-- decided by the burial's own transaction; this only keeps the workers from all trying at once.
CREATE FUNCTION keyhole.take_burials(kinds text[], count_max int, retry interval)
RETURNS TABLE (tenant_id uuid, principal_id uuid, job_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH due AS MATERIALIZED (
        SELECT j.tenant_id, j.id FROM mainstay.jobs j
         WHERE j.state = 'failed' AND j.run_at <= now() AND j.kind = ANY (take_burials.kinds)
         ORDER BY j.run_at LIMIT take_burials.count_max FOR UPDATE SKIP LOCKED
    )
    UPDATE mainstay.jobs j SET run_at = clock_timestamp() + take_burials.retry
      FROM due d
     WHERE j.tenant_id = d.tenant_id AND j.id = d.id
    RETURNING j.tenant_id, j.principal_id, j.id;
END;
CALL mainstay.open_keyhole('keyhole.take_burials(text[], int, interval)');

-- How many jobs are unfinished in each queue, and for how long the oldest that is due has waited; for metrics.
CREATE FUNCTION keyhole.count_jobs()
RETURNS TABLE (queue text, state text, jobs bigint, oldest_due_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT j.queue, j.state, count(*), greatest(0, extract(epoch FROM now() - min(j.run_at)))::double precision
      FROM mainstay.jobs j
     WHERE j.state = 'queued' GROUP BY j.queue, j.state
    UNION ALL
    SELECT j.queue, j.state, count(*), 0 FROM mainstay.jobs j WHERE j.state = 'running' GROUP BY j.queue, j.state
    UNION ALL
    SELECT j.queue, j.state, count(*), 0 FROM mainstay.jobs j WHERE j.state = 'failed' GROUP BY j.queue, j.state;
END;
CALL mainstay.open_keyhole('keyhole.count_jobs()');
