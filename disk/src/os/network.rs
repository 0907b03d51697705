//! Tells network file systems from local ones by the number Linux gives each kind.
//!
//! On these a lock may be seen by one machine only, a sync may end at the other side's memory,
//! and a page that cannot be fetched ends the process. FUSE has one number for all its file
//! systems, network or not, and is let through: the number does not tell.

/// The kind of network file system that has this magic number in `statfs`; `None` for all others.
pub(crate) fn kind_of(magic: i128) -> Option<&'static str> {
    // The number has 32 bits; what it is handed over in may have extended its sign.
    match magic & 0xffff_ffff {
        0x0000_6969 => Some("NFS"),
        0x0000_517b => Some("SMB"),
        0xff53_4d42 => Some("CIFS"),
        0xfe53_4d42 => Some("SMB2"),
        0x0000_564c => Some("NCP"),
        0x5346_414f | 0x6b41_4653 => Some("AFS"),
        0x7375_7245 => Some("Coda"),
        0x0102_1997 => Some("9P"),
        0x00c3_6400 => Some("Ceph"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x4750_4653 => Some("GPFS"),
        0x7461_636f => Some("OCFS2"),
        0x0116_1970 => Some("GFS2"),
        0x2003_0528 => Some("OrangeFS"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        assert_eq!(kind_of(0x6969), Some("NFS"));
        assert_eq!(kind_of(0xff53_4d42), Some("CIFS"));
        assert_eq!(kind_of(0xffff_ffff_ff53_4d42), Some("CIFS"), "with its sign extended");
        let local = [("ext4", 0xef53), ("xfs", 0x5846_5342), ("btrfs", 0x9123_683e)];
        for (name, magic) in local.into_iter().chain([("tmpfs", 0x0102_1994), ("zfs", 0x2fc1_2fc1)])
        {
            assert_eq!(kind_of(magic), None, "{name}");
        }
    }
}
