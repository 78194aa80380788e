"""What a store on S3 and in Ceph costs, beside s3backer and librbd over the same servers."""
