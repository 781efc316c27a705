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
