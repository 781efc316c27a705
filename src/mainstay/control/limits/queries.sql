-- name: take_requests
-- Takes requests out of limits, and puts back what was not admitted, for many subjects at once.
SELECT tenant_id, subject_id, granted, requests_per_second, requests_burst, requests_per_hour, burst_left, hour_left,
       hour, hour_ends_s
  FROM keyhole.take_requests(:tenant_ids, :subject_ids, :wanted, :returned, :returned_hours);

-- name: list_plans
-- All plans: first those for tenants, the smallest first.
SELECT name, for_tenants, requests_per_second, requests_burst, requests_per_hour
  FROM mainstay.plans
 ORDER BY for_tenants DESC, requests_per_hour, name;

-- name: find_plan
-- One plan.
SELECT name, for_tenants, requests_per_second, requests_burst, requests_per_hour
  FROM mainstay.plans
 WHERE name = :name;

-- name: update_plan
-- Changes what a plan allows; run by the owner of the schema.
UPDATE mainstay.plans
   SET requests_per_second = :requests_per_second, requests_burst = :requests_burst,
       requests_per_hour = :requests_per_hour
 WHERE name = :name;

-- name: tenants_of_plan
-- Which tenants have a plan, across all of them; only maintenance may.
SELECT tenant_id FROM keyhole.tenants_of_plan(:plan);

-- name: plan_of_tenant
-- Which plan the tenant of the scope has.
SELECT plan FROM mainstay.tenants WHERE tenant_id = :tenant_id;

-- name: update_tenant_plan
-- Puts the tenant of the scope on a plan; run by the owner of the schema.
UPDATE mainstay.tenants SET plan = :plan WHERE tenant_id = :tenant_id;

-- name: is_principal
-- Whether the tenant has a principal.
SELECT true FROM mainstay.principals WHERE tenant_id = :tenant_id AND id = :id;

-- name: is_key
-- Whether the tenant has a key.
SELECT true FROM mainstay.api_keys WHERE tenant_id = :tenant_id AND id = :id;

-- name: upsert_cap
-- Sets the limits of one key or principal. What it has reached is told again, for it may be under the new ones.
INSERT INTO mainstay.request_caps (tenant_id, subject_id, requests_per_second, requests_burst, requests_per_hour)
VALUES (:tenant_id, :subject_id, :requests_per_second, :requests_burst, :requests_per_hour)
    ON CONFLICT (tenant_id, subject_id) DO UPDATE
   SET requests_per_second = excluded.requests_per_second, requests_burst = excluded.requests_burst,
       requests_per_hour = excluded.requests_per_hour, reached_hour = NULL;

-- name: delete_cap
-- Takes the limits of one key or principal away.
DELETE FROM mainstay.request_caps WHERE tenant_id = :tenant_id AND subject_id = :subject_id;

-- name: lock_unreached
-- Locks the cap of a subject if nobody noted yet that it was reached in an hour.
SELECT true FROM mainstay.request_caps
 WHERE tenant_id = :tenant_id AND subject_id = :subject_id AND reached_hour IS DISTINCT FROM :hour
   FOR UPDATE;

-- name: mark_reached
-- Notes in which hour a cap was last reached.
UPDATE mainstay.request_caps SET reached_hour = :hour WHERE tenant_id = :tenant_id AND subject_id = :subject_id;
