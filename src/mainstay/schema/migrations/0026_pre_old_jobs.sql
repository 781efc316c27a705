-- Results of old jobs that lie in the object store go with their jobs, and before them: what a crash leaves in between is a
-- job without its result, and no object that no row names. So pruning has two steps, and the old one goes with 0027.
GRANT SELECT (result_object) ON mainstay.jobs TO mainstay_keyhole;

-- Jobs that finished long ago and whose kind knows it; a parent only after its children.
CREATE FUNCTION keyhole.list_old_jobs(keep interval, keep_dead interval, count_max int)
RETURNS TABLE (tenant_id uuid, job_id uuid, objects int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT o.tenant_id, o.id, num_nonnulls(o.result_object)
      FROM mainstay.tenants t
     CROSS JOIN LATERAL (
           SELECT j.tenant_id, j.id, j.result_object FROM mainstay.jobs j
            WHERE j.tenant_id = t.tenant_id AND j.finished_at < now() - list_old_jobs.keep AND NOT j.untold
              AND (j.state <> 'dead' OR j.finished_at < now() - list_old_jobs.keep_dead)
              AND NOT EXISTS (SELECT FROM mainstay.jobs c
                               WHERE c.tenant_id = j.tenant_id AND c.parent_id = j.id)
            LIMIT list_old_jobs.count_max) o
     LIMIT list_old_jobs.count_max;
END;
CALL mainstay.open_keyhole('keyhole.list_old_jobs(interval, interval, int)');

-- Deletes those of these jobs that are as old still: a dead letter may have been queued again meanwhile.
CREATE FUNCTION keyhole.prune_jobs(keep interval, keep_dead interval, tenant_ids uuid[], job_ids uuid[])
RETURNS TABLE (jobs bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH pruned AS (
        DELETE FROM mainstay.jobs j USING unnest(prune_jobs.tenant_ids, prune_jobs.job_ids) AS l (tenant_id, id)
         WHERE j.tenant_id = l.tenant_id AND j.id = l.id AND j.finished_at < now() - prune_jobs.keep AND NOT j.untold
           AND (j.state <> 'dead' OR j.finished_at < now() - prune_jobs.keep_dead)
        RETURNING 1
    )
    SELECT count(*) FROM pruned;
END;
CALL mainstay.open_keyhole('keyhole.prune_jobs(interval, interval, uuid[], uuid[])');
