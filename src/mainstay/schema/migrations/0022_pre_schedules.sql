-- Schedules: a row for each schedule that the code declares and each tenant. What is due is decided here, by the clock
-- of the database; what a schedule does stands in the code, so one that is no longer declared rests.

CREATE TABLE mainstay.schedules (
    tenant_id uuid NOT NULL REFERENCES mainstay.tenants,
    id uuid NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    -- The service account of the tenant for which the jobs run.
    principal_id uuid NOT NULL,
    -- By which next_due_at was found; where the code says something else, it is found anew.
    cron text NOT NULL CHECK (length(cron) BETWEEN 9 AND 200),
    timezone text NOT NULL CHECK (length(timezone) BETWEEN 1 AND 64),
    next_due_at timestamptz NOT NULL,
    last_due_at timestamptz,
    paused_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES mainstay.principals (tenant_id, id)
);
CREATE INDEX schedules_due ON mainstay.schedules (name, next_due_at) WHERE paused_at IS NULL;
CALL mainstay.protect('mainstay.schedules', 'select, insert');
GRANT UPDATE (cron, timezone, next_due_at, last_due_at, paused_at) ON mainstay.schedules TO mainstay_runtime;

-- Which job was made of which due time. The key keeps a due time from becoming two jobs also where next_due_at was
-- set back, by a restored backup or the clock of a standby. The job itself is deleted when it is old.
CREATE TABLE mainstay.schedule_firings (
    tenant_id uuid NOT NULL,
    schedule_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    job_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, schedule_id, due_at),
    FOREIGN KEY (tenant_id, schedule_id) REFERENCES mainstay.schedules (tenant_id, id)
);
CALL mainstay.protect('mainstay.schedule_firings', 'select, insert, delete');

GRANT SELECT (tenant_id, id, name, principal_id, cron, timezone, next_due_at, paused_at)
   ON mainstay.schedules TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.schedules FOR SELECT TO mainstay_keyhole USING (true);

-- Which schedules of these names are due. Several ask at once and each starts elsewhere; where one cannot be fired,
-- it does not stand before the others.
CREATE FUNCTION keyhole.due_schedules(names text[], count_max int)
RETURNS TABLE (tenant_id uuid, schedule_id uuid, principal_id uuid)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.tenant_id, s.id, s.principal_id
      FROM mainstay.schedules s
      JOIN mainstay.principals p ON p.tenant_id = s.tenant_id AND p.id = s.principal_id
     WHERE s.name = ANY (due_schedules.names) AND s.next_due_at <= clock_timestamp() AND s.paused_at IS NULL
       AND p.disabled_at IS NULL
     ORDER BY random() LIMIT due_schedules.count_max;
END;
CALL mainstay.open_keyhole('keyhole.due_schedules(text[], int)');

-- Which tenants lack a schedule that is declared, or have it with another expression than is declared. What is due
-- already is fired first, and gets the new expression with that.
CREATE FUNCTION keyhole.unscheduled_tenants(names text[], crons text[], timezones text[], count_max int)
RETURNS TABLE (tenant_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.tenant_id
      FROM mainstay.tenants t
     WHERE EXISTS (
           SELECT FROM unnest(unscheduled_tenants.names, unscheduled_tenants.crons, unscheduled_tenants.timezones)
                       AS d (name, cron, timezone)
             LEFT JOIN mainstay.schedules s ON s.tenant_id = t.tenant_id AND s.name = d.name
            WHERE s.id IS NULL OR (s.cron <> d.cron OR s.timezone <> d.timezone) AND s.next_due_at > now())
     LIMIT unscheduled_tenants.count_max;
END;
CALL mainstay.open_keyhole('keyhole.unscheduled_tenants(text[], text[], text[], int)');
