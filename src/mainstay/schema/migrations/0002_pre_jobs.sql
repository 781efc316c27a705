-- Jobs: this table is the truth on every transport; a message only wakes a worker.

CREATE TABLE mainstay.jobs (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    id uuid NOT NULL,
    principal_id uuid NOT NULL,
    request_id text NOT NULL,
    queue text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    payload jsonb NOT NULL CHECK (pg_column_size(payload) <= 16384),
    unique_key text COLLATE "C",
    state text COLLATE "C" NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'succeeded', 'dead', 'cancelled')),
    run_at timestamptz NOT NULL DEFAULT now(),
    attempt int NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    attempts_max int NOT NULL CHECK (attempts_max BETWEEN 1 AND 25),
    -- Grows with every claim; a worker that was thought dead and comes back holds an old one and cannot commit.
    fence bigint NOT NULL DEFAULT 0,
    lease_expires_at timestamptz,
    worker text,
    error_code text,
    error text CHECK (length(error) <= 2000),
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES mainstay.principals (tenant_id, id),
    CHECK ((state = 'running') = (lease_expires_at IS NOT NULL)),
    CHECK ((state = 'running') = (worker IS NOT NULL)),
    CHECK ((state IN ('succeeded', 'dead', 'cancelled')) = (finished_at IS NOT NULL))
);
-- While a job waits or runs, nothing else with its key may; afterwards it may come again.
CREATE UNIQUE INDEX jobs_unique_key ON mainstay.jobs (tenant_id, unique_key) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_queued ON mainstay.jobs (queue, run_at, id) WHERE state = 'queued';
CREATE INDEX jobs_leased ON mainstay.jobs (lease_expires_at) WHERE state = 'running';
CALL mainstay.protect('mainstay.jobs', 'select, insert, update');

GRANT SELECT (tenant_id, id, queue, state, run_at, attempt, attempts_max, fence, lease_expires_at, worker),
      UPDATE (state, run_at, attempt, fence, lease_expires_at, worker, error_code, error, finished_at)
   ON mainstay.jobs TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.jobs TO mainstay_keyhole USING (true) WITH CHECK (true);

-- Claims up to count_max jobs that are due, the tenants taking turns, and starts their leases.
CREATE FUNCTION keyhole.claim_jobs(queue text, worker text, count_max int, lease interval)
RETURNS TABLE (tenant_id uuid, job_id uuid, fence bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH due AS (
        SELECT j.tenant_id, j.id, j.run_at,
               row_number() OVER (PARTITION BY j.tenant_id ORDER BY j.run_at, j.id) AS turn
          FROM (SELECT q.tenant_id, q.id, q.run_at FROM mainstay.jobs q
                 WHERE q.queue = claim_jobs.queue AND q.state = 'queued' AND q.run_at <= now()
                 ORDER BY q.run_at, q.id LIMIT 1000) j
    ), chosen AS MATERIALIZED (
        SELECT j.tenant_id, j.id
          FROM due d JOIN mainstay.jobs j ON j.tenant_id = d.tenant_id AND j.id = d.id
         WHERE j.state = 'queued'
         ORDER BY d.turn, d.run_at LIMIT claim_jobs.count_max FOR UPDATE OF j SKIP LOCKED
    )
    UPDATE mainstay.jobs j
       SET state = 'running', attempt = j.attempt + 1, fence = j.fence + 1, worker = claim_jobs.worker,
           lease_expires_at = clock_timestamp() + claim_jobs.lease
      FROM chosen c
     WHERE j.tenant_id = c.tenant_id AND j.id = c.id
    RETURNING j.tenant_id, j.id, j.fence;
END;
CALL mainstay.open_keyhole('keyhole.claim_jobs(text, text, int, interval)');

-- Puts jobs whose lease ran out back into their queue, or to the dead letters when no attempt is left.
CREATE FUNCTION keyhole.rescue_jobs(count_max int)
RETURNS TABLE (tenant_id uuid, job_id uuid, state text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH orphans AS MATERIALIZED (
        SELECT j.tenant_id, j.id FROM mainstay.jobs j
         WHERE j.state = 'running' AND j.lease_expires_at < clock_timestamp()
         ORDER BY j.lease_expires_at LIMIT rescue_jobs.count_max FOR UPDATE SKIP LOCKED
    )
    UPDATE mainstay.jobs j
       SET state = CASE WHEN j.attempt >= j.attempts_max THEN 'dead' ELSE 'queued' END,
           finished_at = CASE WHEN j.attempt >= j.attempts_max THEN clock_timestamp() END,
           fence = j.fence + 1, worker = NULL, lease_expires_at = NULL, run_at = clock_timestamp(),
           error_code = 'lease_expired', error = 'The worker stopped renewing its lease; it was killed or hung.'
      FROM orphans o
     WHERE j.tenant_id = o.tenant_id AND j.id = o.id
    RETURNING j.tenant_id, j.id, j.state;
END;
CALL mainstay.open_keyhole('keyhole.rescue_jobs(int)');

-- How many jobs wait and run in each queue, for metrics.
CREATE FUNCTION keyhole.count_jobs()
RETURNS TABLE (queue text, state text, jobs bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT j.queue, j.state, count(*) FROM mainstay.jobs j WHERE j.state IN ('queued', 'running') GROUP BY 1, 2;
END;
CALL mainstay.open_keyhole('keyhole.count_jobs()');
