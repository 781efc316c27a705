-- A claim marks the rows where it locked them. It looked them up by their key once more, and where many jobs waited the
-- planner took that for a join of half the table, and read all of it for each claim.

GRANT SELECT (ctid) ON mainstay.jobs TO mainstay_keyhole;

-- As in 0023.
CREATE OR REPLACE FUNCTION keyhole.claim_jobs(
    queues text[], kinds text[], worker text, count_max int, lease interval, aging interval,
    ruled_queues text[], running_maxes int[], tenant_maxes int[], starts_maxes int[],
    anew boolean, line_queues text[], line_tenants uuid[], line_priorities int[], line_run_ats_us bigint[],
    line_jobs uuid[]
)
RETURNS TABLE (tenant_id uuid, principal_id uuid, job_id uuid, fence bigint, queue text, priority int, run_at_us bigint,
               looked_us bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    -- To make a plan for each call costs more than the call.
    SELECT set_config('plan_cache_mode', 'force_generic_plan', true);

    INSERT INTO mainstay.queue_states (queue)
    SELECT r.queue FROM unnest(claim_jobs.ruled_queues) AS r (queue)
     WHERE NOT EXISTS (SELECT FROM mainstay.queue_states s WHERE s.queue = r.queue)
     ORDER BY r.queue
        ON CONFLICT DO NOTHING;

    SELECT s.queue FROM mainstay.queue_states s
     WHERE s.queue = ANY (claim_jobs.ruled_queues)
     ORDER BY s.queue
       FOR UPDATE;

    SELECT set_config('mainstay.claim_began', extract(epoch FROM clock_timestamp())::text, true);

    WITH RECURSIVE open AS MATERIALIZED (
        SELECT q.queue, r.running_max, r.tenant_max, r.starts_max, b.starts_left, b.reckoned_at
          FROM unnest(claim_jobs.queues) AS q (queue)
          LEFT JOIN unnest(claim_jobs.ruled_queues, claim_jobs.running_maxes, claim_jobs.tenant_maxes,
                           claim_jobs.starts_maxes) AS r (queue, running_max, tenant_max, starts_max)
                 ON r.queue = q.queue
          LEFT JOIN mainstay.queue_states s ON s.queue = q.queue
         CROSS JOIN LATERAL (
               SELECT 1 + r.starts_max / 30.0 AS size, greatest(s.reckoned_at, clock_timestamp()) AS reckoned_at) c
         CROSS JOIN LATERAL (
               SELECT least(c.size, coalesce(s.starts_left + extract(epoch FROM c.reckoned_at - s.reckoned_at)
                                                             * (r.starts_max + 1 - c.size) / 60, c.size))
                      ::double precision AS starts_left, c.reckoned_at) b
         WHERE (s.paused_until IS NULL OR s.paused_until <= clock_timestamp())
           AND (r.starts_max IS NULL OR b.starts_left >= 1)
    ), found AS (
        -- One probe of jobs_due for each line that waits, however many jobs it has.
        SELECT o.queue, n.tenant_id, n.priority, n.run_at, n.id
          FROM open o
         CROSS JOIN LATERAL (
               SELECT j.tenant_id, j.priority, j.run_at, j.id FROM mainstay.jobs j
                WHERE j.queue = o.queue AND j.state = 'queued'
                ORDER BY j.tenant_id, j.priority, j.run_at, j.id LIMIT 1) n
         WHERE claim_jobs.anew
        UNION ALL
        SELECT f.queue, n.tenant_id, n.priority, n.run_at, n.id
          FROM found f
         CROSS JOIN LATERAL (
               SELECT j.tenant_id, j.priority, j.run_at, j.id FROM mainstay.jobs j
                WHERE j.queue = f.queue AND j.state = 'queued'
                  AND (j.tenant_id, j.priority) > (f.tenant_id, f.priority)
                ORDER BY j.tenant_id, j.priority, j.run_at, j.id LIMIT 1) n
    ), lines AS (
        SELECT f.queue, f.tenant_id, f.priority, f.run_at, f.id FROM found f
        UNION ALL
        SELECT l.queue, l.tenant_id, l.priority::smallint,
               timestamptz '1970-01-01 00:00:00+00' + l.run_at_us * interval '1 microsecond', l.id
          FROM unnest(claim_jobs.line_queues, claim_jobs.line_tenants, claim_jobs.line_priorities,
                      claim_jobs.line_run_ats_us, claim_jobs.line_jobs)
               AS l (queue, tenant_id, priority, run_at_us, id)
         WHERE NOT claim_jobs.anew
    ), heads AS (
        SELECT DISTINCT ON (l.queue, l.tenant_id) l.queue, l.tenant_id, l.priority, h.run_at, h.id
          FROM lines l
         CROSS JOIN LATERAL (
               SELECT j.run_at, j.id FROM mainstay.jobs j
                WHERE j.queue = l.queue AND j.tenant_id = l.tenant_id AND j.priority = l.priority
                  AND j.state = 'queued' AND (j.run_at, j.id) >= (l.run_at, l.id) AND j.run_at <= now()
                  AND j.kind = ANY (claim_jobs.kinds)
                ORDER BY j.run_at, j.id LIMIT 1) h
         ORDER BY l.queue, l.tenant_id, h.run_at + l.priority * claim_jobs.aging
    ), running AS MATERIALIZED (
        SELECT o.queue, n.tenant_id, n.jobs
          FROM open o
         CROSS JOIN LATERAL (
               SELECT j.tenant_id, count(*) AS jobs FROM mainstay.jobs j
                WHERE j.state = 'running' AND j.queue = o.queue GROUP BY j.tenant_id) n
         WHERE claim_jobs.anew OR o.running_max IS NOT NULL OR o.tenant_max IS NOT NULL
    ), rooms AS MATERIALIZED (
        SELECT o.queue, least(o.running_max - coalesce(sum(r.jobs), 0), floor(o.starts_left))::bigint AS room
          FROM open o LEFT JOIN running r ON r.queue = o.queue
         WHERE o.running_max IS NOT NULL OR o.starts_max IS NOT NULL
         GROUP BY o.queue, o.running_max, o.starts_left
    ), drawn AS MATERIALIZED (
        SELECT h.queue, h.tenant_id, h.priority, h.run_at, h.id, coalesce(r.jobs, 0) AS jobs, random() AS lot,
               coalesce(m.room, claim_jobs.count_max) AS room,
               coalesce(o.tenant_max - coalesce(r.jobs, 0), claim_jobs.count_max) AS tenant_room
          FROM heads h
          JOIN open o ON o.queue = h.queue
          LEFT JOIN running r ON r.queue = h.queue AND r.tenant_id = h.tenant_id
          LEFT JOIN rooms m ON m.queue = h.queue
    ), turns AS MATERIALIZED (
        SELECT d.queue, d.tenant_id, d.priority, d.run_at, d.id, d.room, d.tenant_room
          FROM (SELECT d.*, row_number() OVER (PARTITION BY d.queue ORDER BY d.jobs, d.lot) AS turn
                  FROM drawn d WHERE d.tenant_room > 0) d
         WHERE d.turn <= d.room
         ORDER BY d.jobs, d.lot
         LIMIT claim_jobs.count_max
    ), looked AS MATERIALIZED (
        SELECT ((extract(epoch FROM clock_timestamp()) - current_setting('mainstay.claim_began')::numeric) * 1000000)
               ::bigint AS us
          FROM (SELECT count(*) FROM turns) t
    ), chosen AS MATERIALIZED (
        -- Nobody moves a row that is locked. One that was moved just before is not seen there, and stays queued.
        SELECT d.place
          FROM (SELECT t.*, least(claim_jobs.count_max / count(*) OVER (),
                                  t.room / count(*) OVER (PARTITION BY t.queue), t.tenant_room) AS share
                  FROM turns t) s
         CROSS JOIN LATERAL (
               SELECT j.ctid AS place FROM mainstay.jobs j
                WHERE j.queue = s.queue AND j.tenant_id = s.tenant_id AND j.priority = s.priority
                  AND j.state = 'queued' AND (j.run_at, j.id) >= (s.run_at, s.id) AND j.run_at <= now()
                  AND j.kind = ANY (claim_jobs.kinds)
                ORDER BY j.run_at, j.id LIMIT s.share
                  FOR UPDATE SKIP LOCKED) d
    ), claimed AS (
        UPDATE mainstay.jobs j
           SET state = 'running', attempt = j.attempt + 1, fence = j.fence + 1, worker = claim_jobs.worker,
               started_at = clock_timestamp(), lease_expires_at = clock_timestamp() + claim_jobs.lease
         WHERE j.ctid = ANY (ARRAY(SELECT c.place FROM chosen c))
        RETURNING j.tenant_id, j.principal_id, j.id, j.fence, j.queue, j.priority, j.run_at
    ), spent AS (
        UPDATE mainstay.queue_states s
           SET starts_left = o.starts_left - n.jobs, reckoned_at = o.reckoned_at
          FROM (SELECT c.queue, count(*) AS jobs FROM claimed c GROUP BY c.queue) n
          JOIN open o ON o.queue = n.queue
         WHERE s.queue = n.queue AND o.starts_max IS NOT NULL
    )
    SELECT c.tenant_id, c.principal_id, c.id, c.fence, c.queue, c.priority::int,
           (extract(epoch FROM c.run_at) * 1000000)::bigint, (SELECT l.us FROM looked l)
      FROM claimed c;
END;
