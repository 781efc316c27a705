-- Queues have rules: how many jobs of one run at a time, how many of them for one tenant, how many start in a minute.
-- A provider that asks for patience pauses a queue. Jobs have priorities, and ends are written down in batches.

-- A row for each queue that has rules or was paused. It is the lock under which a queue with rules is claimed, so that
-- its caps hold over any number of workers.
CREATE TABLE mainstay.queue_states (
    queue text COLLATE "C" PRIMARY KEY CHECK (length(queue) BETWEEN 1 AND 64),
    paused_until timestamptz,
    -- A bucket of starts, and when it held so many; it has never been emptied where there is none.
    starts_left double precision CHECK (starts_left >= 0),
    reckoned_at timestamptz,
    CHECK ((starts_left IS NULL) = (reckoned_at IS NULL))
    -- No column that changes is indexed, and half of each page stays free for the next version of its rows.
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000);
ALTER TABLE mainstay.queue_states ENABLE ROW LEVEL SECURITY;
ALTER TABLE mainstay.queue_states FORCE ROW LEVEL SECURITY;
REVOKE ALL ON mainstay.queue_states FROM PUBLIC;
GRANT SELECT (queue, paused_until, starts_left, reckoned_at), INSERT (queue, paused_until),
      UPDATE (paused_until, starts_left, reckoned_at)
   ON mainstay.queue_states TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.queue_states TO mainstay_keyhole USING (true) WITH CHECK (true);

-- The tenant comes first, so that a claim finds each tenant that waits without reading the jobs of one that queued ten
-- thousand; then the priority, so that it finds the head of each of the tenant's three lines.
CREATE INDEX jobs_due ON mainstay.jobs (queue, tenant_id, priority, run_at, id) WHERE state = 'queued';
GRANT SELECT (priority), UPDATE (started_at, finished_at) ON mainstay.jobs TO mainstay_keyhole;

-- Claims up to count_max due jobs and starts their leases.
--
-- A tenant's jobs of one priority in one queue are a line, served in the order in which they were due. Of a tenant's
-- lines the one goes first whose head is due first, a head of priority p being reckoned p times `aging` later than it
-- was due: so a low priority waits for what became due at most twice that time after it, and for nothing later.
-- The tenant with the fewest running jobs comes first, and a lottery decides between equals, so that no claimer has to
-- remember whose turn it was. What several tenants leave of their share stays free: claim again until nothing comes.
--
-- `anew` looks for all lines that wait, from their beginning. Without it only the lines are looked at that the claimer
-- names, from where it has read them: dead entries of the index stay as long as the oldest transaction of the database
-- runs, and whoever looks from the beginning passes over all of them. What was queued in front of such a place by a
-- transaction that took its time, and lines that nobody named, wait for the next claim that looks anew.
--
-- looked_us is how long it took to find out whose turn it is, without the wait for locks.
--
-- Rules come in arrays of the same length; NULL is no rule. Queues that have one are locked in one order, before the
-- statement that counts what runs. In no 60 seconds do more jobs of a queue start than starts_maxes says: the bucket
-- holds what it gives in two seconds, and what a full one may give at once is taken off the rate at which it fills.
CREATE FUNCTION keyhole.claim_jobs(
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
        SELECT d.tenant_id, d.id
          FROM (SELECT t.*, least(claim_jobs.count_max / count(*) OVER (),
                                  t.room / count(*) OVER (PARTITION BY t.queue), t.tenant_room) AS share
                  FROM turns t) s
         CROSS JOIN LATERAL (
               SELECT j.tenant_id, j.id FROM mainstay.jobs j
                WHERE j.queue = s.queue AND j.tenant_id = s.tenant_id AND j.priority = s.priority
                  AND j.state = 'queued' AND (j.run_at, j.id) >= (s.run_at, s.id) AND j.run_at <= now()
                  AND j.kind = ANY (claim_jobs.kinds)
                ORDER BY j.run_at, j.id LIMIT s.share
                  FOR UPDATE SKIP LOCKED) d
    ), claimed AS (
        UPDATE mainstay.jobs j
           SET state = 'running', attempt = j.attempt + 1, fence = j.fence + 1, worker = claim_jobs.worker,
               started_at = clock_timestamp(), lease_expires_at = clock_timestamp() + claim_jobs.lease
          FROM chosen c
         WHERE j.tenant_id = c.tenant_id AND j.id = c.id
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
CALL mainstay.open_keyhole('keyhole.claim_jobs(text[], text[], text, int, interval, interval, text[], int[], int[],
                                               int[], boolean, text[], uuid[], int[], bigint[], uuid[])');

-- Marks jobs as succeeded that are still held, many at a time, and returns them. One that was marked already under the
-- same fence is among them: whoever lost the database's answer asks again. A job that runs is known by its lease, as in
-- queries.sql: asked for the state, the planner may read all dead entries of the index of what runs.
CREATE FUNCTION keyhole.finish_jobs(tenant_ids uuid[], job_ids uuid[], fences bigint[])
RETURNS TABLE (job_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT set_config('plan_cache_mode', 'force_generic_plan', true);

    WITH finished AS (
        UPDATE mainstay.jobs j
           SET state = 'succeeded', finished_at = clock_timestamp(), lease_expires_at = NULL, worker = NULL,
               error_code = NULL, error = NULL
          FROM unnest(finish_jobs.tenant_ids, finish_jobs.job_ids, finish_jobs.fences) AS l (tenant_id, id, fence)
         WHERE j.tenant_id = l.tenant_id AND j.id = l.id AND j.fence = l.fence AND j.lease_expires_at IS NOT NULL
        RETURNING j.id
    )
    SELECT f.id FROM finished f
    UNION ALL
    SELECT j.id
      FROM unnest(finish_jobs.tenant_ids, finish_jobs.job_ids, finish_jobs.fences) AS l (tenant_id, id, fence)
      JOIN mainstay.jobs j ON j.tenant_id = l.tenant_id AND j.id = l.id AND j.fence = l.fence
     WHERE j.state = 'succeeded';
END;
CALL mainstay.open_keyhole('keyhole.finish_jobs(uuid[], uuid[], bigint[])');

-- Lets no job of a queue start for pause_s seconds, and returns for how many it stands still now: the longest pause
-- that anybody asked for counts.
CREATE FUNCTION keyhole.pause_queue(queue text, pause_s double precision)
RETURNS TABLE (paused_s double precision)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO mainstay.queue_states AS s (queue, paused_until)
    VALUES (pause_queue.queue, clock_timestamp() + make_interval(secs => pause_queue.pause_s))
        ON CONFLICT (queue) DO UPDATE SET paused_until = greatest(s.paused_until, excluded.paused_until)
    RETURNING extract(epoch FROM s.paused_until - clock_timestamp())::double precision;
END;
CALL mainstay.open_keyhole('keyhole.pause_queue(text, double precision)');

-- What claimed jobs are about, for the jobs of many tenants in one round trip: each tenant's are read under its own
-- signed scope, of which nothing is left afterwards. One that was lost since is left out.
-- In PL/pgSQL, because a policy's functions are asked while a statement is planned, and SQL may plan all at once.
CREATE FUNCTION mainstay.load_jobs(scopes text[], places int[], job_ids uuid[], fences bigint[])
RETURNS TABLE (id uuid, kind text, request_id text, payload jsonb, attempt int, attempts_max int, parent_id uuid,
               joins boolean, redrives int, error_code text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('plan_cache_mode', 'force_generic_plan', true);
    FOR turn IN 1 .. cardinality(scopes) LOOP
        PERFORM set_config('mainstay.scope', scopes[turn], true);
        RETURN QUERY
            SELECT j.id, j.kind, j.request_id, j.payload, j.attempt, j.attempts_max, j.parent_id, j.joins,
                   j.redrives, j.error_code
              FROM unnest(load_jobs.places, load_jobs.job_ids, load_jobs.fences) AS l (place, id, fence)
              JOIN mainstay.jobs j ON j.tenant_id = mainstay.claimed_tenant() AND j.id = l.id AND j.fence = l.fence
             WHERE l.place = turn AND j.lease_expires_at IS NOT NULL;
    END LOOP;
    PERFORM set_config('mainstay.scope', '', true);
END $$;
REVOKE ALL ON FUNCTION mainstay.load_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mainstay.load_jobs TO mainstay_runtime;

-- As in 0002, and found by the key alone: see finish_jobs.
CREATE OR REPLACE FUNCTION keyhole.renew_leases(tenant_ids uuid[], job_ids uuid[], fences bigint[], lease interval)
RETURNS TABLE (job_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH held AS MATERIALIZED (
        SELECT j.tenant_id, j.id, j.fence
          FROM unnest(renew_leases.tenant_ids, renew_leases.job_ids, renew_leases.fences) AS l (tenant_id, id, fence)
          JOIN mainstay.jobs j ON j.tenant_id = l.tenant_id AND j.id = l.id AND j.fence = l.fence
         WHERE j.lease_expires_at IS NOT NULL OR j.state = 'succeeded'
    ), unlocked AS MATERIALIZED (
        SELECT j.tenant_id, j.id
          FROM held h JOIN mainstay.jobs j ON j.tenant_id = h.tenant_id AND j.id = h.id AND j.fence = h.fence
         WHERE j.lease_expires_at IS NOT NULL
           FOR UPDATE OF j SKIP LOCKED
    ), renewed AS (
        UPDATE mainstay.jobs j SET lease_expires_at = clock_timestamp() + renew_leases.lease
          FROM unlocked u
         WHERE j.tenant_id = u.tenant_id AND j.id = u.id
    )
    SELECT h.id FROM held h;
END;
