"""`make bench-jobs`: jobs a second and their pickup, beside other queues and what one would write by hand."""
