"""What would exist without a browser: plans, kinds of job, hosts, records and the ways of a job."""
