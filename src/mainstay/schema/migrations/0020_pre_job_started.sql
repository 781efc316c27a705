-- The claim notes when an attempt began: history and the time that is left are told from it.
GRANT UPDATE (started_at) ON mainstay.jobs TO mainstay_keyhole;
-- Claims up to count_max due jobs and starts their leases. The tenant with the fewest running jobs comes first, and
-- a lottery decides between equals, so that no claimer has to remember whose turn it was. What several tenants leave
-- of their share stays free: claim again until nothing comes.
CREATE OR REPLACE FUNCTION keyhole.claim_jobs(queues text[], kinds text[], worker text, count_max int, lease interval)
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
           lease_expires_at = clock_timestamp() + claim_jobs.lease, started_at = clock_timestamp()
      FROM chosen c
     WHERE j.tenant_id = c.tenant_id AND j.id = c.id
    RETURNING j.tenant_id, j.principal_id, j.id, j.fence;
END;
