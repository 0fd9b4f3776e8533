/* SPDX-License-Identifier: GPL-3.0-or-later */

/* dataset_blocks - blocks of rows, in memory or in a file without a name. */

#include "daemon/ingest/dataset_parts.h"

#include "base/buf.h"
#include "base/dict.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "storage/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void dataset_blocks_init(struct dataset_blocks *s, const struct config_model *m,
			 bool with_times, size_t max_memory)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the decoders come later */
	const char *directory = getenv("TMPDIR");
	size_t at = 0;

	*s = (struct dataset_blocks){.fd = -1,
				     .max_memory = max_memory,
				     .n_columns = m->n_columns,
				     .with_times = with_times};
	pthread_mutex_init(&s->lock, NULL);
	s->directory =
		xstrdup(directory != NULL && directory[0] != '\0' ? directory
								  : "/var/tmp");
	s->row_offset = xcalloc(m->n_columns + 1, sizeof(*s->row_offset));
	s->texts = xcalloc(m->n_columns + 1, sizeof(*s->texts));
	/* what has eight bytes goes first, so that all is aligned */
	for (size_t i = 0; i < m->n_columns; i++) {
		if (m->columns[i].kind != COLUMN_NUMERIC)
			continue;
		s->row_offset[i] = at;
		at += sizeof(double);
	}
	s->row_offset[m->n_columns] = at;
	if (with_times)
		at += sizeof(int64_t);
	for (size_t i = 0; i < m->n_columns; i++) {
		if (m->columns[i].kind == COLUMN_NUMERIC)
			continue;
		s->row_offset[i] = at;
		at += sizeof(uint32_t);
		s->texts[i].dict = dict_new(0, 0);
	}
	s->row_size = at;
}

void dataset_blocks_release(struct dataset_blocks *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->blocks[i].memory);
	for (size_t i = 0; i < s->n_columns; i++) {
		dict_free(s->texts[i].dict);
		free(s->texts[i].texts);
	}
	if (s->fd >= 0)
		close(s->fd);
	free(s->blocks);
	free(s->texts);
	free(s->row_offset);
	free(s->directory);
	pthread_mutex_destroy(&s->lock);
}

/* A file that is gone when its descriptor is. */
static int open_nameless(const char *dir)
{
	struct buf path;
	int fd;

	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	buf_init(&path, 4096);
	buf_printf(&path, "%s/driftd-XXXXXX", dir);
	fd = path.failed ? -1 : mkostemp(path.data, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path.data);
	buf_release(&path);
	return fd;
}

/* Room in the file, or false: the block stays in memory. */
static bool reserve(struct dataset_blocks *s, size_t size, uint64_t *offset)
{
	bool found = false;

	pthread_mutex_lock(&s->lock);
	if (s->in_memory + size <= s->max_memory || s->is_full) {
		s->in_memory += size;
		goto out;
	}
	if (s->fd < 0)
		s->fd = open_nameless(s->directory);
	if (s->fd < 0) {
		s->is_full = true;
		s->in_memory += size;
		goto out;
	}
	*offset = s->file_size;
	s->file_size += size;
	found = true;
out:
	pthread_mutex_unlock(&s->lock);
	return found;
}

static bool write_all(int fd, const char *data, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return true;
}

static int read_all(int fd, char *out, size_t size, uint64_t offset,
		    struct err *e)
{
	while (size > 0) {
		ssize_t n = pread(fd, out, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "cannot read the temporary file");
		if (n == 0)
			return err_set(e, ERR_IO,
				       "the temporary file is too short");
		out += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

uint32_t dataset_text_code(struct dataset_texts *t, const char *text,
			   size_t len, bool is_number)
{
	char small[256];
	char *key = len < sizeof(small) ? small : xmalloc(len + 1);
	uint32_t code;

	key[0] = is_number ? 'n' : 't';
	if (len > 0)
		memcpy(key + 1, text, len);
	code = dict_add(t->dict, key, len + 1);
	if (key != small)
		free(key);
	return code;
}

/* The codes of a batch's column as codes of all blocks. */
static int put_codes(struct dataset_blocks *s, size_t column,
		     const struct batch *b, char *out, struct err *e)
{
	const struct batch_column *c = &b->columns[column];
	uint32_t *map = xcalloc(c->n_texts + (size_t)1, sizeof(*map));
	bool failed = false;

	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < c->n_texts; i++) {
		map[i] = dataset_text_code(&s->texts[column], c->texts[i].text,
					   c->texts[i].len,
					   c->texts[i].is_number);
		failed = failed || map[i] >= CODE_INVALID;
	}
	pthread_mutex_unlock(&s->lock);
	for (uint32_t i = 0; i < b->n_rows; i++) {
		uint32_t code = c->codes[i];

		if (code < c->n_texts)
			code = map[code];
		memcpy(out + i * sizeof(code), &code, sizeof(code));
	}
	free(map);
	if (failed)
		return err_set(e, ERR_LIMIT,
			       "column \"%s\" has too many "
			       "categories",
			       c->name);
	return 0;
}

static int fill(struct dataset_blocks *s, const struct batch *b, char *out,
		struct err *e)
{
	const size_t n = b->n_rows;

	for (size_t i = 0; i < s->n_columns; i++) {
		char *to = out + n * s->row_offset[i];

		if (b->columns[i].kind == COLUMN_NUMERIC)
			memcpy(to, b->columns[i].numbers, n * sizeof(double));
		else if (put_codes(s, i, b, to, e) < 0)
			return -1;
		if (s->labels != NULL && i == s->label_column)
			dataset_labels_join(s->labels, b, to);
	}
	if (s->with_times)
		memcpy(out + n * s->row_offset[s->n_columns], b->event_time_us,
		       n * sizeof(int64_t));
	return 0;
}

static void keep(struct dataset_blocks *s, const struct dataset_block *block)
{
	pthread_mutex_lock(&s->lock);
	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 64;
		s->blocks =
			xrealloc_array(s->blocks, s->cap, sizeof(*s->blocks));
	}
	s->blocks[s->n++] = *block;
	s->n_rows += block->n_rows;
	pthread_mutex_unlock(&s->lock);
}

int dataset_blocks_add(struct dataset_blocks *s, uint64_t key, uint64_t line,
		       const struct batch *b, struct err *e)
{
	struct dataset_block block = {.key = key,
				      .line = line,
				      .n_rows = b->n_rows,
				      .size = b->n_rows * s->row_size};

	if (b->n_rows == 0)
		return 0;
	block.first_us = b->event_time_us[0];
	block.last_us = b->event_time_us[b->n_rows - 1];
	block.memory = malloc(block.size + 1);
	if (block.memory == NULL)
		return err_set(e, ERR_TEMP, "no memory for %u rows", b->n_rows);
	if (fill(s, b, block.memory, e) < 0) {
		free(block.memory);
		return -1;
	}
	if (reserve(s, block.size, &block.offset)) {
		bool written = write_all(s->fd, block.memory, block.size,
					 block.offset);

		if (written) {
			free(block.memory);
			block.memory = NULL;
		}
		pthread_mutex_lock(&s->lock);
		s->is_full = s->is_full || !written;
		pthread_mutex_unlock(&s->lock);
	}
	keep(s, &block);
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct dataset_block *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

static void list_texts(struct dataset_texts *t)
{
	uint32_t n = dict_count(t->dict);

	t->texts = xcalloc(n + (size_t)1, sizeof(*t->texts));
	for (uint32_t i = 0; i < n; i++) {
		size_t len;
		const char *key = dict_text(t->dict, i, &len);

		t->texts[i] = (struct category_text){
			.text = key + 1,
			.len = (uint32_t)(len - 1),
			.is_number = key[0] == 'n',
		};
	}
}

void dataset_blocks_finish(struct dataset_blocks *s)
{
	if (s->n > 0)
		qsort(s->blocks, s->n, sizeof(*s->blocks), by_key);
	for (size_t i = 0; i < s->n_columns; i++)
		if (s->texts[i].dict != NULL)
			list_texts(&s->texts[i]);
}

int dataset_blocks_read(const struct dataset_blocks *s, size_t column,
			size_t size, void *out, struct err *e)
{
	char *to = out;

	for (size_t i = 0; i < s->n; i++) {
		const struct dataset_block *b = &s->blocks[i];
		size_t at = b->n_rows * s->row_offset[column];
		size_t n = b->n_rows * size;

		if (b->memory != NULL)
			memcpy(to, b->memory + at, n);
		else if (read_all(s->fd, to, n, b->offset + at, e) < 0)
			return -1;
		to += n;
	}
	return 0;
}
