"""The benchmarks: SealDisk's disks beside what they can be compared with."""
