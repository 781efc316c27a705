-- name: find_job
-- One job as a person sees it.
SELECT id, principal_id, parent_id, request_id, queue, kind, state, priority, attempt, attempts_max, redrives, created_at,
       run_at, started_at, finished_at, cancel_requested_at, progress_done, progress_total, result, result_object,
       error_code, error,
       CASE state WHEN 'running' THEN extract(epoch FROM clock_timestamp() - started_at)::double precision END
           AS elapsed_s,
       payload
  FROM mainstay.jobs WHERE tenant_id = :tenant_id AND id = :id;

-- name: find_job_key
-- Where a page goes on from: the key of a job.
SELECT id FROM mainstay.jobs WHERE tenant_id = :tenant_id AND id = :id;

-- name: list_jobs
-- A page of jobs, of some states, a queue, a kind or a parent where asked.
SELECT id, principal_id, parent_id, request_id, queue, kind, state, priority, attempt, attempts_max, redrives, created_at,
       run_at, started_at, finished_at, cancel_requested_at, progress_done, progress_total, result, result_object,
       error_code, error,
       CASE state WHEN 'running' THEN extract(epoch FROM clock_timestamp() - started_at)::double precision END
           AS elapsed_s
  FROM mainstay.jobs
 WHERE tenant_id = :tenant_id AND (:newer_than::uuid IS NULL OR id > :newer_than)
   AND (:older_than::uuid IS NULL OR id < :older_than)
   AND (:states::text[] IS NULL OR state = ANY (:states))
   AND (:queue_of::text IS NULL OR queue = :queue_of)
   AND (:kind_of::text IS NULL OR kind = :kind_of)
   AND (:parent_of::uuid IS NULL OR parent_id = :parent_of)
 ORDER BY CASE WHEN :oldest_first::boolean THEN id END, CASE WHEN NOT :oldest_first::boolean THEN id END DESC
 LIMIT :limit;

-- name: list_attempts
-- The attempts of a job that ended badly, newest first.
SELECT fence, attempt, worker, started_at, ended_at, outcome, error_code, error
  FROM mainstay.job_attempts
 WHERE tenant_id = :tenant_id AND job_id = :job_id
 ORDER BY fence DESC LIMIT :limit;

-- name: count_children
-- How many children a job has in each state, and how long ago the first of each began.
SELECT state, count(*) AS jobs, extract(epoch FROM clock_timestamp() - min(started_at))::double precision AS elapsed_s
  FROM mainstay.jobs
 WHERE tenant_id = :tenant_id AND parent_id = :job_id
 GROUP BY state;

-- name: queue_depths
-- How many jobs of each queue are unfinished or dead, by state, and how long the oldest due one has waited. Each state is
-- asked for alone, because each has an index of its own.
SELECT queue, state, count(*) AS jobs,
       greatest(0, extract(epoch FROM clock_timestamp() - min(run_at)))::double precision AS oldest_due_s
  FROM mainstay.jobs WHERE tenant_id = :tenant_id AND state = 'queued' GROUP BY queue, state
UNION ALL
SELECT queue, state, count(*), 0 FROM mainstay.jobs
 WHERE tenant_id = :tenant_id AND state = 'running' GROUP BY queue, state
UNION ALL
SELECT queue, state, count(*), 0 FROM mainstay.jobs
 WHERE tenant_id = :tenant_id AND state = 'waiting' GROUP BY queue, state
UNION ALL
SELECT queue, state, count(*), 0 FROM mainstay.jobs
 WHERE tenant_id = :tenant_id AND state = 'failed' GROUP BY queue, state
UNION ALL
SELECT queue, state, count(*), 0 FROM mainstay.jobs
 WHERE tenant_id = :tenant_id AND state = 'dead' GROUP BY queue, state;

-- name: queue_outcomes
-- How attempts ended in each queue of late; one that ended well leaves nothing but its job. By now(), which an index
-- takes: the clock itself is asked anew for each row.
SELECT queue, 'succeeded' AS outcome, count(*) AS attempts
  FROM mainstay.jobs
 WHERE tenant_id = :tenant_id AND finished_at > now() - make_interval(secs => :window_s)
   AND state = 'succeeded'
 GROUP BY queue
UNION ALL
SELECT j.queue, a.outcome, count(*)
  FROM mainstay.job_attempts a
  JOIN mainstay.jobs j ON j.tenant_id = :tenant_id AND j.id = a.job_id
 WHERE a.tenant_id = :tenant_id AND a.ended_at > now() - make_interval(secs => :window_s)
 GROUP BY j.queue, a.outcome;

-- name: list_dead
-- Dead letters of a queue or a kind, the oldest first. Of several with one key the newest stands for the work; while
-- that is under way again, none of them is named.
SELECT id FROM (
       SELECT j.id, row_number() OVER (PARTITION BY j.kind, coalesce(j.unique_key, j.id::text) ORDER BY j.id DESC) AS place
         FROM mainstay.jobs j
        WHERE j.tenant_id = :tenant_id AND j.state = 'dead' AND j.redrives < :redrives_max
          AND (:queue_of::text IS NULL OR j.queue = :queue_of)
          AND (:kind_of::text IS NULL OR j.kind = :kind_of)
          AND NOT EXISTS (SELECT FROM mainstay.jobs t
                           WHERE t.tenant_id = :tenant_id AND t.kind = j.kind AND t.unique_key = j.unique_key
                             AND t.state IN ('queued', 'running', 'waiting'))) dead
 WHERE place = 1
 ORDER BY id LIMIT :limit;

-- name: due_schedules
-- Names schedules of all tenants that are due.
SELECT tenant_id, schedule_id, principal_id FROM keyhole.due_schedules(:names, :count_max);

-- name: unscheduled_tenants
-- Names tenants that lack a declared schedule, or have it as it was declared before.
SELECT tenant_id FROM keyhole.unscheduled_tenants(:names, :crons, :timezones, :count_max);

-- name: lock_tenant_schedules
-- Makes others wait that would give the same tenant its schedules and the service account they run for.
SELECT clock_timestamp() AS now
  FROM (SELECT pg_advisory_xact_lock(hashtextextended('mainstay.schedules ' || :tenant_id::uuid, 0))) lock;

-- name: find_schedules_principal
-- The service account that the tenant's schedules run for.
SELECT principal_id FROM mainstay.schedules WHERE tenant_id = :tenant_id LIMIT 1;

-- name: put_schedule
-- Adds a schedule, or gives it another expression; what is due already is fired first.
INSERT INTO mainstay.schedules AS s (tenant_id, id, name, principal_id, cron, timezone, next_due_at)
VALUES (:tenant_id, :id, :name, :holder_id, :cron, :timezone, :next_due_at)
ON CONFLICT (tenant_id, name) DO UPDATE
   SET cron = excluded.cron, timezone = excluded.timezone, next_due_at = excluded.next_due_at
 WHERE (s.cron <> excluded.cron OR s.timezone <> excluded.timezone) AND s.next_due_at > clock_timestamp();

-- name: lock_due_schedule
-- Takes a schedule that is still due, unless somebody else is firing it.
SELECT id, name, next_due_at, clock_timestamp() AS now
  FROM mainstay.schedules
 WHERE tenant_id = :tenant_id AND id = :id AND next_due_at <= clock_timestamp() AND paused_at IS NULL
   FOR UPDATE SKIP LOCKED;

-- name: list_firings
-- Which of these due times have become jobs already.
SELECT due_at FROM mainstay.schedule_firings
 WHERE tenant_id = :tenant_id AND schedule_id = :id AND due_at = ANY(:due::timestamptz[]);

-- name: insert_firing
-- Writes down which job was made of a due time.
INSERT INTO mainstay.schedule_firings (tenant_id, schedule_id, due_at, job_id)
VALUES (:tenant_id, :id, :due_at, :job_id);

-- name: advance_schedule
-- Says when a schedule is due next, and by which expression that was found.
UPDATE mainstay.schedules
   SET cron = :cron, timezone = :timezone, next_due_at = :next_due_at, last_due_at = coalesce(:last_due_at, last_due_at)
 WHERE tenant_id = :tenant_id AND id = :id;

-- name: delete_firings
-- Forgets due times that no clock can come back to.
DELETE FROM mainstay.schedule_firings
 WHERE tenant_id = :tenant_id AND schedule_id = :id AND due_at < clock_timestamp() - make_interval(days => :days);

-- name: list_schedules
-- All schedules of the tenant, by name.
SELECT s.id, s.name, s.cron, s.timezone, s.principal_id, p.disabled_at IS NOT NULL AS disabled, s.next_due_at,
       s.last_due_at, f.job_id AS last_job_id, s.paused_at
  FROM mainstay.schedules s
  JOIN mainstay.principals p ON p.tenant_id = s.tenant_id AND p.id = s.principal_id
  LEFT JOIN mainstay.schedule_firings f
    ON f.tenant_id = s.tenant_id AND f.schedule_id = s.id AND f.due_at = s.last_due_at
 WHERE s.tenant_id = :tenant_id AND (:name::text IS NULL OR s.name = :name)
 ORDER BY s.name;

-- name: pause_schedule
-- Lets a schedule rest; one that rests already keeps the time since when.
UPDATE mainstay.schedules SET paused_at = coalesce(paused_at, now()) WHERE tenant_id = :tenant_id AND id = :id;

-- name: resume_schedule
-- Lets a schedule go on with its first due time after now.
UPDATE mainstay.schedules
   SET paused_at = NULL, next_due_at = :next_due_at
 WHERE tenant_id = :tenant_id AND id = :id AND paused_at IS NOT NULL;

-- name: read_clock
-- The time by which everything is due.
SELECT clock_timestamp();
