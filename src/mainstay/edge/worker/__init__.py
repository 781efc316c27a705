"""The worker process: runs jobs and periodic duties, and listens on no port but that of its probes, if it has one."""
