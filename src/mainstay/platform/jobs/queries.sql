-- name: add_job
-- Adds a job, or names the unfinished one of its kind that has the same key already. Touching that row holds it until
-- this transaction ends: a waiting job with the key starts after the commit, and so sees what the transaction wrote.
-- Nobody is woken while others of the kind wait, because commits that notify queue up behind each other, one fsync
-- each; a worker that has just taken the last of those finds this job when it looks again.
WITH job AS (
    INSERT INTO mainstay.jobs (tenant_id, id, principal_id, request_id, queue, kind, payload, unique_key, attempts_max,
                               run_at)
    VALUES (:tenant_id, :id, :principal_id, :request_id, :queue, :kind, :payload, :unique_key, :attempts_max,
            now() + make_interval(secs => :delay_s))
    ON CONFLICT (tenant_id, kind, unique_key) WHERE unique_key IS NOT NULL AND state IN ('queued', 'running', 'waiting')
    DO UPDATE SET unique_key = excluded.unique_key
    RETURNING id
)
SELECT job.id, woken.nothing
  FROM job
  LEFT JOIN LATERAL (
       SELECT pg_notify(:channel, :queue)::text AS nothing
        WHERE :delay_s = 0::double precision
          AND NOT EXISTS (SELECT FROM mainstay.jobs waiting
                           WHERE waiting.tenant_id = :tenant_id AND waiting.queue = :queue AND waiting.kind = :kind
                             AND waiting.state = 'queued' AND waiting.run_at <= now())) woken ON true

-- name: notify_queue
-- Wakes whoever listens, when the transaction commits.
SELECT pg_notify(:channel, :queue)::text

-- name: claim_jobs
-- Claims due jobs of these queues and kinds, tenants in fair turns.
SELECT tenant_id, principal_id, job_id, fence
  FROM keyhole.claim_jobs(:queues, :kinds, :worker, :count_max, make_interval(secs => :lease_s))

-- name: load_jobs
-- What claimed jobs of one tenant are about; a job that was lost since is left out.
SELECT j.id, j.kind, j.request_id, j.payload, j.attempt, j.attempts_max, j.error_code
  FROM mainstay.jobs j
  JOIN unnest(:job_ids::uuid[], :fences::bigint[]) AS l (id, fence) ON l.id = j.id AND l.fence = j.fence
 WHERE j.tenant_id = :tenant_id AND j.state = 'running'

-- name: renew_leases
-- Prolongs leases, and names the jobs that are still held.
SELECT job_id
  FROM keyhole.renew_leases(:tenant_ids, :job_ids, :fences, make_interval(secs => :lease_s))

-- name: return_jobs
-- Hands unfinished jobs back at once, their attempt not counted.
SELECT job_id FROM keyhole.return_jobs(:tenant_ids, :job_ids, :fences)

-- name: rescue_jobs
-- Takes jobs away from workers that let their leases run out.
SELECT tenant_id, job_id, queue, state FROM keyhole.rescue_jobs(:count_max)

-- name: finish_job
-- Marks a job as succeeded if its fence is still held.
UPDATE mainstay.jobs
   SET state = 'succeeded', finished_at = clock_timestamp(), lease_expires_at = NULL, worker = NULL,
       error_code = NULL, error = NULL
 WHERE tenant_id = :tenant_id AND id = :job_id AND fence = :fence AND state = 'running'
RETURNING true

-- name: hold_job
-- Keeps a job from being rescued until the transaction ends, if its fence is still held.
SELECT true FROM mainstay.jobs
 WHERE tenant_id = :tenant_id AND id = :job_id AND fence = :fence AND state = 'running'
   FOR NO KEY UPDATE

-- name: postpone_job
-- Puts a job back for another attempt, or ends it for good when none is left, if its fence is still held.
UPDATE mainstay.jobs
   SET state = CASE WHEN attempt < attempts_max THEN 'queued' ELSE 'failed' END,
       run_at = clock_timestamp() + make_interval(secs => CASE WHEN attempt < attempts_max THEN :delay_s ELSE 0 END),
       lease_expires_at = NULL, worker = NULL, error_code = :code, error = :reason
 WHERE tenant_id = :tenant_id AND id = :job_id AND fence = :fence AND state = 'running'
RETURNING state

-- name: fail_job
-- Ends a job for good if its fence is still held; its burial is due at once.
UPDATE mainstay.jobs
   SET state = 'failed', run_at = clock_timestamp(), lease_expires_at = NULL, worker = NULL,
       error_code = :code, error = :reason
 WHERE tenant_id = :tenant_id AND id = :job_id AND fence = :fence AND state = 'running'
RETURNING true

-- name: take_burials
-- Names failed jobs of these kinds whose burial is due, and puts it off for other workers.
SELECT tenant_id, principal_id, job_id
  FROM keyhole.take_burials(:kinds, :count_max, make_interval(secs => :retry_s))

-- name: find_burial
-- The request that a failed job belongs to, as long as it is not buried.
SELECT request_id FROM mainstay.jobs WHERE tenant_id = :tenant_id AND id = :job_id AND state = 'failed'

-- name: bury_job
-- Makes a failed job a dead letter, once, and returns what its kind has to know.
UPDATE mainstay.jobs
   SET state = 'dead', finished_at = clock_timestamp()
 WHERE tenant_id = :tenant_id AND id = :job_id AND state = 'failed'
RETURNING id, kind, payload, attempt, error_code, error

-- name: count_jobs
-- Unfinished jobs of all tenants by queue and state, for metrics.
SELECT queue, state, jobs, oldest_due_s FROM keyhole.count_jobs()
