-- The claim that knew neither rules nor priorities, and its index.
DROP FUNCTION keyhole.claim_jobs(text[], text[], text, int, interval);
DROP INDEX mainstay.jobs_queued;
