-- Limits on requests: caps that an admin sets on a key or a principal, and how many requests were counted.

-- A row for each key and principal (or, beside its plan, tenant) that has limits of its own; NULL is no limit.
CREATE TABLE mainstay.request_caps (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    subject_id uuid NOT NULL,
    requests_per_second double precision CHECK (requests_per_second BETWEEN 0.001 AND 1e6),
    requests_burst int CHECK (requests_burst BETWEEN 1 AND 10000000),
    requests_per_hour int CHECK (requests_per_hour BETWEEN 0 AND 1000000000),
    -- The hour (counted from 1970) in which it was last reached, so that the audit tells of each once.
    reached_hour bigint,
    PRIMARY KEY (tenant_id, subject_id),
    CHECK ((requests_per_second IS NULL) = (requests_burst IS NULL)),
    CHECK (requests_per_second IS NOT NULL OR requests_per_hour IS NOT NULL)
);
CALL mainstay.protect('mainstay.request_caps', 'select, insert, update, delete');
GRANT SELECT (tenant_id, subject_id, requests_per_second, requests_burst, requests_per_hour)
   ON mainstay.request_caps TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.request_caps FOR SELECT TO mainstay_keyhole USING (true);

-- What was taken from each limit, by requests that were admitted and by those that a process may yet admit.
-- Requests without a proven key belong to no tenant and are counted under the nil UUID: all of them as subject nil,
-- and those of one address under one of 65,536 numbers that its digest falls on.
CREATE TABLE mainstay.request_counters (
    tenant_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    -- The bucket: how many requests stand in it, and when that was so. It leaks requests_per_second.
    backlog double precision NOT NULL DEFAULT 0,
    counted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The window: how many were counted in this hour from 1970.
    hour bigint NOT NULL DEFAULT 0,
    used bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, subject_id)
    -- No column that changes is indexed, and half of each page stays free for the next version of its rows.
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000);
CALL mainstay.protect('mainstay.request_counters', 'select');
GRANT SELECT (tenant_id, subject_id, backlog, counted_at, hour, used), INSERT (tenant_id, subject_id),
      UPDATE (backlog, counted_at, hour, used)
   ON mainstay.request_counters TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.request_counters TO mainstay_keyhole USING (true) WITH CHECK (true);

-- Takes requests out of limits for a process to admit, and puts back what it did not admit; see control/limits.
-- One call of a process is one statement: it is a transaction of its own, so no lock waits for the process. It may be
-- lost in a crash of the database (synchronous_commit), which then admits what was taken in its last half second again.
-- What is found by its key needs no plan of its own for each call: to make one costs ten times what the call does.
-- Rows are locked in one order, and the time is read once they are. A subject without limits has no row in the result.
CREATE FUNCTION keyhole.take_requests(
    tenant_ids uuid[], subject_ids uuid[], wanted int[], returned int[], returned_hours bigint[]
)
RETURNS TABLE (tenant_id uuid, subject_id uuid, granted int, requests_per_second double precision, requests_burst int,
               requests_per_hour int, burst_left double precision, hour_left bigint, hour bigint,
               hour_ends_s double precision)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT set_config('synchronous_commit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true);

    INSERT INTO mainstay.request_counters (tenant_id, subject_id)
    SELECT a.tenant_id, a.subject_id
      FROM unnest(take_requests.tenant_ids, take_requests.subject_ids) AS a (tenant_id, subject_id)
     WHERE a.tenant_id = '00000000-0000-0000-0000-000000000000' OR a.subject_id = a.tenant_id
        OR EXISTS (SELECT FROM mainstay.request_caps k
                    WHERE k.tenant_id = a.tenant_id AND k.subject_id = a.subject_id)
     ORDER BY a.tenant_id, a.subject_id
        ON CONFLICT DO NOTHING;

    WITH limited AS MATERIALIZED (
        SELECT a.tenant_id, a.subject_id, a.wanted, a.returned, a.returned_hour,
               coalesce(k.requests_per_second, p.requests_per_second) AS per_second,
               coalesce(k.requests_burst, p.requests_burst) AS burst,
               coalesce(k.requests_per_hour, p.requests_per_hour) AS per_hour
          FROM unnest(take_requests.tenant_ids, take_requests.subject_ids, take_requests.wanted,
                      take_requests.returned, take_requests.returned_hours)
               AS a (tenant_id, subject_id, wanted, returned, returned_hour)
          LEFT JOIN mainstay.request_caps k ON k.tenant_id = a.tenant_id AND k.subject_id = a.subject_id
          LEFT JOIN mainstay.tenants t ON t.tenant_id = a.tenant_id AND a.subject_id = a.tenant_id
          LEFT JOIN mainstay.plans p
                 ON p.name = coalesce(t.plan, CASE WHEN a.tenant_id <> '00000000-0000-0000-0000-000000000000' THEN NULL
                                                   WHEN a.subject_id = a.tenant_id THEN 'everyone'
                                                   ELSE 'address' END)
    ), locked AS MATERIALIZED (
        SELECT l.*, c.backlog, c.counted_at, c.hour, c.used
          FROM limited l
          JOIN mainstay.request_counters c ON c.tenant_id = l.tenant_id AND c.subject_id = l.subject_id
         WHERE l.per_second IS NOT NULL OR l.per_hour IS NOT NULL
         ORDER BY c.tenant_id, c.subject_id
           FOR UPDATE OF c
    ), timed AS MATERIALIZED (
        SELECT l.*, greatest(clock_timestamp(), l.counted_at) AS now FROM locked l
    ), counted AS MATERIALIZED (
        SELECT t.*, n.now_hour,
               greatest(0, t.backlog - extract(epoch FROM t.now - t.counted_at) * coalesce(t.per_second, 0)
                           - t.returned)::double precision AS now_backlog,
               greatest(0, CASE WHEN t.hour = n.now_hour THEN t.used ELSE 0 END
                           - CASE WHEN t.returned_hour = n.now_hour THEN t.returned ELSE 0 END) AS now_used
          FROM timed t
         CROSS JOIN LATERAL (SELECT floor(extract(epoch FROM t.now) / 3600)::bigint AS now_hour) n
    ), judged AS MATERIALIZED (
        -- Half of what is left at most, so that one process does not hold it all; the last few go to whoever asks.
        SELECT c.*, CASE WHEN f.free < 1 THEN 0
                         ELSE least(c.wanted, greatest(ceil(f.free / 2), least(floor(f.free), 8))::int) END AS granted
          FROM counted c
         CROSS JOIN LATERAL (SELECT least(c.burst - c.now_backlog, c.per_hour - c.now_used) AS free) f
    ), noted AS (
        UPDATE mainstay.request_counters c
           SET backlog = CASE WHEN j.per_second IS NULL THEN 0 ELSE j.now_backlog + j.granted END,
               counted_at = j.now, hour = j.now_hour, used = j.now_used + j.granted
          FROM judged j
         WHERE c.tenant_id = j.tenant_id AND c.subject_id = j.subject_id AND (j.granted > 0 OR j.returned > 0)
    )
    SELECT j.tenant_id, j.subject_id, j.granted, j.per_second, j.burst, j.per_hour,
           j.burst - j.now_backlog - j.granted, j.per_hour - j.now_used - j.granted, j.now_hour,
           ((j.now_hour + 1) * 3600 - extract(epoch FROM j.now))::double precision
      FROM judged j;
END;
CALL mainstay.open_keyhole('keyhole.take_requests(uuid[], uuid[], int[], int[], bigint[])');
