"""The worker process: runs jobs and periodic duties, and listens on no port."""
