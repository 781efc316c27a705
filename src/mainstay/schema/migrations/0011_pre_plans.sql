-- Plans: named limits on requests. They are data, so that a price list changes without a release.

CREATE TABLE mainstay.plans (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
    -- False for the two that hold for requests without a proven key: of one address, and of everyone together.
    for_tenants boolean NOT NULL DEFAULT true,
    requests_per_second double precision NOT NULL CHECK (requests_per_second BETWEEN 0.001 AND 1e6),
    requests_burst int NOT NULL CHECK (requests_burst BETWEEN 1 AND 10000000),
    requests_per_hour int NOT NULL CHECK (requests_per_hour BETWEEN 0 AND 1000000000)
);
REVOKE ALL ON mainstay.plans FROM PUBLIC;
GRANT SELECT ON mainstay.plans TO mainstay_runtime;
GRANT SELECT (name, requests_per_second, requests_burst, requests_per_hour) ON mainstay.plans TO mainstay_keyhole;
CREATE POLICY keyhole ON mainstay.plans FOR SELECT TO mainstay_keyhole USING (true);

INSERT INTO mainstay.plans (name, for_tenants, requests_per_second, requests_burst, requests_per_hour) VALUES
    ('free', true, 5, 20, 2000),
    ('team', true, 50, 200, 50000),
    ('scale', true, 1000, 5000, 2000000),
    ('address', false, 50, 500, 50000),
    ('everyone', false, 500, 2000, 1000000);

-- Whoever was served before there were limits keeps being served; who comes later begins with the smallest plan.
ALTER TABLE mainstay.tenants ADD COLUMN plan text COLLATE "C" NOT NULL DEFAULT 'scale' REFERENCES mainstay.plans;
ALTER TABLE mainstay.tenants ALTER COLUMN plan SET DEFAULT 'free';
GRANT SELECT (plan) ON mainstay.tenants TO mainstay_keyhole;

-- Whom a change of a plan concerns, so that each of them finds it in its audit; the runtime role may not call it.
CREATE FUNCTION keyhole.tenants_of_plan(plan text) RETURNS TABLE (tenant_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT t.tenant_id FROM mainstay.tenants t WHERE t.plan = tenants_of_plan.plan ORDER BY t.tenant_id;
END;
ALTER FUNCTION keyhole.tenants_of_plan(text) OWNER TO mainstay_keyhole;
REVOKE ALL ON FUNCTION keyhole.tenants_of_plan(text) FROM PUBLIC;
DO $$ BEGIN EXECUTE format('GRANT EXECUTE ON FUNCTION keyhole.tenants_of_plan(text) TO %I', current_user); END $$;
