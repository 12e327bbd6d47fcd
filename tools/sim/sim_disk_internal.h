/* Shared by the two files of the disk: its operations, and what a crash makes of it. */
#ifndef SIM_DISK_INTERNAL_H
#define SIM_DISK_INTERNAL_H

#include "sim_disk.h"

#define SIM_SECTOR_BYTES 512u

/* Makes room for `size` bytes in a file's contents. Returns false when there is no memory. */
bool sim_inode_reserve(struct sim_inode *inode, uint64_t size);

/* Gives an inode's memory back when neither a name nor a handle leads to it. */
void sim_disk_forget_unnamed(struct sim_disk *disk);

#endif
