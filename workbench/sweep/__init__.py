"""Many runs: what a sweep file asks for, its cells on Dask, the table they become, and what the table says."""
