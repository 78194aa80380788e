"""How what SealDisk does costs as the work grows: disks, jobs, snapshots, lost checkpoints."""
