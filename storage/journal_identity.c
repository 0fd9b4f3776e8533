/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_identity - who this journal is (`source`), which life of it this is
 * (`epoch`), and that nobody else is at it (`lock`).
 *
 * Both files are replaced whole.  The epoch names the source it counts for, so
 * that a death between the two writes of a renewal leaves nothing in doubt: an
 * epoch of another source counts as none.
 */
#include "storage/journal_private.h"

#include "base/err.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCE_MAGIC UINT64_C(0x4352534654464952) /* "RIFTFSRC" */
#define EPOCH_MAGIC  UINT64_C(0x4850455446495244) /* "DRIFTEPH" */

struct identity_file {
	uint64_t magic;
	uint32_t version;
	uint32_t zero;
	int64_t source_id;
	uint64_t epoch; /* in `epoch` only */
	uint32_t zero2;
	uint32_t crc; /* of all before */
};
_Static_assert(sizeof(struct identity_file) == 40, "no padding");

/* A new directory is only there for good when its parent knows. */
static int sync_parent(struct journal *j, struct err *e)
{
	int fd = openat(j->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = 0;

	if (fd < 0 || io_sync_dir(j->io, fd) < 0)
		result = err_errno(e, "cannot sync the parent of \"%s\"",
				   j->dir);
	if (fd >= 0)
		close(fd);
	return result;
}

static int open_dir(struct journal *j, struct err *e)
{
	bool made = mkdir(j->dir, 0700) == 0;

	if (!made && errno != EEXIST)
		return err_errno(e, "cannot create journal \"%s\"", j->dir);
	j->dir_fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir_fd < 0)
		return err_errno(e, "cannot open journal \"%s\"", j->dir);
	return made ? sync_parent(j, e) : 0;
}

int journal_lock_dir(struct journal *j, struct err *e)
{
	if (open_dir(j, e) < 0)
		return -1;
	j->lock_fd =
		openat(j->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (j->lock_fd < 0)
		return err_errno(e, "cannot write to journal \"%s\"", j->dir);
	if (flock(j->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(e, ERR_FENCED,
			       "journal \"%s\" is held by another process",
			       j->dir);
	return err_errno(e, "cannot lock journal \"%s\"", j->dir);
}

/* 1: read; 0: not there; -1. */
static int read_file(struct journal *j, const char *name, uint64_t magic,
		     struct identity_file *out, struct err *e)
{
	int fd = openat(j->dir_fd, name, O_RDONLY | O_CLOEXEC);
	struct identity_file f;
	ssize_t n;
	int saved;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_errno(e, "cannot open \"%s/%s\"", j->dir, name);
	memset(&f, 0, sizeof(f));
	n = io_read(fd, &f, sizeof(f), 0);
	saved = errno;
	close(fd);
	errno = saved;
	if (n < 0)
		return err_errno(e, "cannot read \"%s/%s\"", j->dir, name);
	if (f.magic == magic && f.version > JOURNAL_VERSION)
		return err_set(e, ERR_INVALID,
			       "journal \"%s\" is of version %" PRIu32
			       ", newer than this program, which reads %d",
			       j->dir, f.version, JOURNAL_VERSION);
	if (n != (ssize_t)sizeof(f) || f.magic != magic ||
	    f.crc != crc32c(0, &f, offsetof(struct identity_file, crc)))
		return err_set(e, ERR_INVALID,
			       "\"%s/%s\" is damaged; move it away to go on "
			       "under a new identity",
			       j->dir, name);
	*out = f;
	return 1;
}

static int write_file(struct journal *j, const char *name, uint64_t magic,
		      int64_t source_id, uint64_t epoch, struct err *e)
{
	struct identity_file f = {
		.magic = magic,
		.version = JOURNAL_VERSION,
		.source_id = source_id,
		.epoch = epoch,
	};

	f.crc = crc32c(0, &f, offsetof(struct identity_file, crc));
	if (io_replace_file(j->io, j->dir_fd, name, &f, sizeof(f)) < 0)
		return err_errno(e, "cannot write \"%s/%s\"", j->dir, name);
	return 0;
}

int journal_new_identity(struct journal *j, struct err *e)
{
	uint64_t random = 0;

	while (random == 0) {
		random_bytes(&random, sizeof(random));
		random >>= 1;
	}
	if (write_file(j, "source", SOURCE_MAGIC, (int64_t)random, 0, e) < 0)
		return -1;
	atomic_store(&j->source_id, (int64_t)random);
	atomic_store(&j->epoch, 0);
	return 0;
}

int journal_load_identity(struct journal *j, bool *is_new, struct err *e)
{
	struct identity_file f = {0};
	int r = read_file(j, "source", SOURCE_MAGIC, &f, e);

	if (r < 0)
		return -1;
	*is_new = r == 0;
	if (r == 0)
		return journal_new_identity(j, e);
	atomic_store(&j->source_id, f.source_id);
	r = read_file(j, "epoch", EPOCH_MAGIC, &f, e);
	if (r < 0)
		return -1;
	if (r == 1 && f.source_id == atomic_load(&j->source_id))
		atomic_store(&j->epoch, f.epoch);
	return 0;
}

int journal_raise_epoch(struct journal *j, struct err *e)
{
	uint64_t epoch = atomic_load(&j->epoch) + 1;

	if (write_file(j, "epoch", EPOCH_MAGIC, atomic_load(&j->source_id),
		       epoch, e) < 0)
		return -1;
	atomic_store(&j->epoch, epoch);
	return 0;
}
