-- What a transport of messages has to announce again: the queues in which jobs are due, and how many.

-- At most count_max jobs of a queue are counted, so that a backlog costs no more than a hint is worth. Each queue is
-- found by one probe of jobs_queued.
CREATE FUNCTION keyhole.count_due_jobs(count_max int)
RETURNS TABLE (queue text, jobs bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH RECURSIVE queues AS (
        (SELECT j.queue FROM mainstay.jobs j WHERE j.state = 'queued' ORDER BY j.queue LIMIT 1)
        UNION ALL
        SELECT (SELECT j.queue FROM mainstay.jobs j
                 WHERE j.state = 'queued' AND j.queue > q.queue
                 ORDER BY j.queue LIMIT 1)
          FROM queues q
         WHERE q.queue IS NOT NULL
    )
    SELECT q.queue, due.jobs
      FROM queues q
     CROSS JOIN LATERAL (
           SELECT count(*) AS jobs
             FROM (SELECT FROM mainstay.jobs j
                    WHERE j.queue = q.queue AND j.state = 'queued' AND j.run_at <= now()
                    LIMIT count_due_jobs.count_max) counted) due
     WHERE q.queue IS NOT NULL AND due.jobs > 0;
END;
CALL mainstay.open_keyhole('keyhole.count_due_jobs(int)');
