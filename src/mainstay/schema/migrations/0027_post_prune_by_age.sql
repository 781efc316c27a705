-- The pruning that left the results of jobs in the object store.
DROP FUNCTION keyhole.prune_jobs(interval, interval, int);
