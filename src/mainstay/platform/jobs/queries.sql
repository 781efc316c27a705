-- name: add_job
-- Adds a job, or names the unfinished one of its kind that has the same key already. Touching that row holds it until
-- this transaction ends: a waiting job with the key starts after the commit, and so sees what the transaction wrote.
-- Nobody is woken while others of the kind wait, because commits that notify queue up behind each other, one fsync
-- each; a worker that has just taken the last of those finds this job when it looks again.
WITH job AS (
    INSERT INTO mainstay.jobs (tenant_id, id, principal_id, request_id, queue, kind, payload, unique_key, attempts_max,
                               run_at, priority, parent_id)
    VALUES (:tenant_id, :id, :principal_id, :request_id, :queue, :kind, :payload, :unique_key, :attempts_max,
            now() + make_interval(secs => :delay_s), :priority, :parent_id)
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

-- name: add_job_once
-- Adds a job, or names the one that the same principal enqueued with the same idempotency key, whatever became of it.
WITH job AS (
    INSERT INTO mainstay.jobs (tenant_id, id, principal_id, request_id, queue, kind, payload, idempotency_key,
                               attempts_max, run_at, priority, parent_id)
    VALUES (:tenant_id, :id, :principal_id, :request_id, :queue, :kind, :payload, :idempotency_key, :attempts_max,
            now() + make_interval(secs => :delay_s), :priority, :parent_id)
    ON CONFLICT (tenant_id, principal_id, kind, idempotency_key) WHERE idempotency_key IS NOT NULL
    DO UPDATE SET idempotency_key = excluded.idempotency_key
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
-- Claims due jobs of these queues and kinds, tenants in fair turns, within the rules of the queues.
SELECT tenant_id, principal_id, job_id, fence, queue, priority, run_at_us, looked_us
  FROM keyhole.claim_jobs(:queues, :kinds, :worker, :count_max, make_interval(secs => :lease_s),
                          make_interval(secs => :aging_s), :ruled_queues, :running_maxes, :tenant_maxes, :starts_maxes,
                          :anew, :line_queues, :line_tenants, :line_priorities, :line_run_ats_us, :line_jobs)

-- name: load_jobs
-- What claimed jobs are about; a job that was lost since is left out.
SELECT id, kind, request_id, payload, attempt, attempts_max, parent_id, joins, redrives, error_code
  FROM mainstay.load_jobs(:scopes, :places, :job_ids, :fences)

-- name: finish_jobs
-- Marks jobs as succeeded, and names those that were still held.
SELECT job_id FROM keyhole.finish_jobs(:tenant_ids, :job_ids, :fences)

-- name: pause_queue
-- Lets no job of a queue start for so long.
SELECT paused_s FROM keyhole.pause_queue(:queue, :pause_s)

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
-- Marks a job as succeeded, with its result, if its fence is still held.
UPDATE mainstay.jobs
   SET state = 'succeeded', finished_at = clock_timestamp(), lease_expires_at = NULL, worker = NULL,
       error_code = NULL, error = NULL, result = :result, result_object = :result_object
 WHERE tenant_id = :tenant_id AND id = :job_id AND fence = :fence AND lease_expires_at IS NOT NULL
RETURNING true

-- name: hold_job
-- Keeps a job from being rescued until the transaction ends, if its fence is still held. Here and below a job that runs
-- is known by its lease: asked for the state, the planner may read all dead entries of the index of what runs.
SELECT true FROM mainstay.jobs
 WHERE tenant_id = :tenant_id AND id = :job_id AND fence = :fence AND lease_expires_at IS NOT NULL
   FOR NO KEY UPDATE

-- name: postpone_job
-- Puts a job back for another attempt, or ends it for good when none is left, if its fence is still held; one that was
-- to be cancelled is. The attempt goes into the history.
WITH held AS MATERIALIZED (
    SELECT id, fence, attempt, worker, started_at,
           CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                WHEN attempt < attempts_max THEN 'queued' ELSE 'failed' END AS state_next
      FROM mainstay.jobs
     WHERE tenant_id = :tenant_id AND id = :job_id AND fence = :fence AND lease_expires_at IS NOT NULL
       FOR NO KEY UPDATE
), ended AS (
    UPDATE mainstay.jobs j
       SET state = h.state_next, lease_expires_at = NULL, worker = NULL, untold = h.state_next = 'cancelled',
           finished_at = CASE WHEN h.state_next = 'cancelled' THEN clock_timestamp() END,
           run_at = clock_timestamp() + make_interval(secs => CASE WHEN h.state_next = 'queued' THEN :delay_s ELSE 0 END),
           error_code = CASE WHEN h.state_next = 'cancelled' THEN 'cancelled' ELSE :code END,
           error = CASE WHEN h.state_next = 'cancelled' THEN 'The job was cancelled.' ELSE :reason END
      FROM held h
     WHERE j.tenant_id = :tenant_id AND j.id = h.id
    RETURNING j.state
), noted AS (
    INSERT INTO mainstay.job_attempts (tenant_id, job_id, fence, attempt, worker, started_at, outcome, error_code, error)
    SELECT :tenant_id, h.id, h.fence, h.attempt, h.worker, h.started_at,
           CASE h.state_next WHEN 'queued' THEN 'retried' ELSE h.state_next END, :code, :reason
      FROM held h
)
SELECT state FROM ended

-- name: fail_job
-- Ends a job for good if its fence is still held, and notes the attempt; its burial is due at once.
WITH held AS MATERIALIZED (
    SELECT id, fence, attempt, worker, started_at,
           CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE 'failed' END AS state_next
      FROM mainstay.jobs
     WHERE tenant_id = :tenant_id AND id = :job_id AND fence = :fence AND lease_expires_at IS NOT NULL
       FOR NO KEY UPDATE
), ended AS (
    UPDATE mainstay.jobs j
       SET state = h.state_next, run_at = clock_timestamp(), lease_expires_at = NULL, worker = NULL,
           untold = h.state_next = 'cancelled',
           finished_at = CASE WHEN h.state_next = 'cancelled' THEN clock_timestamp() END,
           error_code = CASE WHEN h.state_next = 'cancelled' THEN 'cancelled' ELSE :code END,
           error = CASE WHEN h.state_next = 'cancelled' THEN 'The job was cancelled.' ELSE :reason END
      FROM held h
     WHERE j.tenant_id = :tenant_id AND j.id = h.id
    RETURNING j.state
), noted AS (
    INSERT INTO mainstay.job_attempts (tenant_id, job_id, fence, attempt, worker, started_at, outcome, error_code, error)
    SELECT :tenant_id, h.id, h.fence, h.attempt, h.worker, h.started_at, h.state_next, :code, :reason
      FROM held h
)
SELECT state FROM ended

-- name: take_burials
-- Names failed jobs of these kinds whose burial is due, and puts it off for other workers.
SELECT tenant_id, principal_id, job_id
  FROM keyhole.take_burials(:kinds, :count_max, make_interval(secs => :retry_s))

-- name: find_burial
-- The request that a failed or cancelled job belongs to, as long as its kind was not told.
SELECT request_id FROM mainstay.jobs WHERE tenant_id = :tenant_id AND id = :job_id AND (state = 'failed' OR untold)

-- name: bury_job
-- Makes a failed job a dead letter, once, or notes that a cancelled one was told of; returns what its kind has to know.
UPDATE mainstay.jobs
   SET state = CASE state WHEN 'failed' THEN 'dead' ELSE state END, untold = false,
       finished_at = coalesce(finished_at, clock_timestamp())
 WHERE tenant_id = :tenant_id AND id = :job_id AND (state = 'failed' OR untold)
RETURNING id, kind, payload, attempt, error_code, error, state, parent_id

-- name: count_jobs
-- Jobs of all tenants that are unfinished or dead, by queue and state, for metrics.
SELECT queue, state, jobs, oldest_due_s FROM keyhole.count_jobs()

-- name: set_progress
-- Notes how far a job is, if its fence is still held, and whether it is to be cancelled.
UPDATE mainstay.jobs SET progress_done = :done, progress_total = :total
 WHERE tenant_id = :tenant_id AND id = :job_id AND fence = :fence AND state = 'running'
RETURNING cancel_requested_at IS NOT NULL

-- name: wait_for_children
-- Lets a job wait for its children, if its fence is still held and it is not to be cancelled; what comes after them has
-- attempts of its own. Where all have ended already, the look that follows the commit queues it.
UPDATE mainstay.jobs
   SET state = 'waiting', joins = true, attempt = 0, lease_expires_at = NULL, worker = NULL, error_code = NULL,
       error = NULL
 WHERE tenant_id = :tenant_id AND id = :job_id AND fence = :fence AND state = 'running' AND cancel_requested_at IS NULL
RETURNING true

-- name: count_children
-- How many children a job has had, counted no further than a limit.
SELECT count(*) FROM (SELECT FROM mainstay.jobs WHERE tenant_id = :tenant_id AND parent_id = :job_id LIMIT :limit) c

-- name: list_children
-- The children of a job with what became of them, in the order in which they were enqueued.
SELECT id, kind, state, result, result_object, error_code, error
  FROM mainstay.jobs
 WHERE tenant_id = :tenant_id AND parent_id = :job_id
 ORDER BY id LIMIT :limit

-- name: jobs_to_cancel
-- Which of the jobs that a worker runs are to be cancelled.
SELECT job_id FROM keyhole.jobs_to_cancel(:tenant_ids, :job_ids, :fences)

-- name: wake_parents
-- Queues those of these jobs that wait and whose children have all ended.
SELECT tenant_id, job_id, queue FROM keyhole.wake_parents(:tenant_ids, :job_ids)

-- name: wake_waiting
-- Queues jobs that wait although their children have all ended.
SELECT tenant_id, job_id, queue FROM keyhole.wake_waiting(:count_max)

-- name: list_old_jobs
-- Jobs that finished long ago, and whether their results lie in the object store.
SELECT tenant_id, job_id, objects
  FROM keyhole.list_old_jobs(make_interval(secs => :keep_s), make_interval(secs => :keep_dead_s), :count_max)

-- name: prune_jobs
-- Deletes those of these jobs that finished long ago.
SELECT jobs FROM keyhole.prune_jobs(make_interval(secs => :keep_s), make_interval(secs => :keep_dead_s), :tenant_ids,
                                    :job_ids)

-- name: cancel_jobs
-- Cancels jobs that do not run, and asks for the end of those that do. What is committing meanwhile is waited for, and
-- then has succeeded. A job that runs gives its key up: the same work may be wanted again before it has noticed.
UPDATE mainstay.jobs
   SET state = CASE state WHEN 'running' THEN state ELSE 'cancelled' END,
       cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
       finished_at = CASE state WHEN 'running' THEN NULL ELSE clock_timestamp() END,
       untold = state <> 'running',
       unique_key = CASE state WHEN 'running' THEN NULL ELSE unique_key END,
       run_at = CASE state WHEN 'running' THEN run_at ELSE clock_timestamp() END,
       error_code = CASE state WHEN 'running' THEN error_code ELSE 'cancelled' END,
       error = CASE state WHEN 'running' THEN error ELSE 'The job was cancelled.' END
 WHERE tenant_id = :tenant_id AND id = ANY (:job_ids::uuid[]) AND state IN ('queued', 'running', 'waiting')
RETURNING id, state, parent_id

-- name: list_ids_of_children
-- The children of some jobs.
SELECT id FROM mainstay.jobs WHERE tenant_id = :tenant_id AND parent_id = ANY (:job_ids::uuid[])

-- name: run_job_now
-- Lets a job that waits for its time or its backoff run now.
UPDATE mainstay.jobs SET run_at = clock_timestamp()
 WHERE tenant_id = :tenant_id AND id = :job_id AND state = 'queued'
RETURNING queue

-- name: redrive_job
-- Queues a dead letter again under its id, with all its attempts before it; what it had achieved is forgotten.
UPDATE mainstay.jobs
   SET state = 'queued', attempt = 0, redrives = redrives + 1, run_at = clock_timestamp(), finished_at = NULL,
       cancel_requested_at = NULL, progress_done = NULL, progress_total = NULL
 WHERE tenant_id = :tenant_id AND id = :job_id AND state = 'dead' AND redrives < :redrives_max
RETURNING queue

-- name: count_due_jobs
-- The queues of all tenants in which jobs are due, and how many up to a limit.
SELECT queue, jobs FROM keyhole.count_due_jobs(:count_max)
