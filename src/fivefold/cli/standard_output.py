"""`-`: a file by this name is standard output, which then holds nothing else."""

STDOUT = "-"
