/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DRIFTD_DAEMON_INGEST_DATASET_PARTS_H
#define DRIFTD_DAEMON_INGEST_DATASET_PARTS_H

#include "base/buf.h"
#include "base/err.h"
#include "daemon/ingest/dataset.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct dict;
struct ingest_report;

/*
 * dataset_parts - what the files of dataset share: blocks (dataset_blocks.c),
 * record boundaries (dataset_cut.c) and labels (dataset_labels.c).
 */

/* Rows of all columns, one column after the other. */
struct dataset_block {
	uint64_t key; /* blocks in order of keys are the file */
	char *memory; /* owned; NULL: at `offset` of the file */
	uint64_t offset;
	size_t size;
	uint32_t n_rows;
	uint64_t line;		   /* of the piece's first record (CSV) */
	int64_t first_us, last_us; /* event times */
};

/* A categorical column's texts: keys are the mark of number or text, then
 * the text, so that texts end with the dictionary's NUL. */
struct dataset_texts {
	struct dict *dict;	     /* owned */
	struct category_text *texts; /* owned; made when all is read */
};

struct dataset_blocks {
	pthread_mutex_t lock;
	struct dataset_block *blocks; /* owned */
	size_t n, cap;
	size_t n_rows;
	size_t in_memory, max_memory;
	int fd;		 /* -1: none yet */
	char *directory; /* owned; where the file is made */
	bool is_full;	 /* no file, or no room in it: memory it is */
	uint64_t file_size;
	size_t n_columns;
	size_t *row_offset; /* owned; bytes of a row before each column, the
			       times last */
	size_t row_size;
	bool with_times;
	struct dataset_texts *texts;	     /* owned; by column */
	const struct dataset_labels *labels; /* borrowed; NULL: none */
	size_t label_column;
};

void dataset_blocks_init(struct dataset_blocks *s, const struct config_model *m,
			 bool with_times, size_t max_memory);
void dataset_blocks_release(struct dataset_blocks *s);

/* Copy the rows of ${b}; in any order of keys, from several threads. */
int dataset_blocks_add(struct dataset_blocks *s, uint64_t key, uint64_t line,
		       const struct batch *b, struct err *e);

/* All is there: put the blocks in order, list the texts. */
void dataset_blocks_finish(struct dataset_blocks *s);

/* Column ${column} (n_columns: the times), ${size} bytes a value. */
int dataset_blocks_read(const struct dataset_blocks *s, size_t column,
			size_t size, void *out, struct err *e);

/* The code of a text; the caller has the lock, or is alone. */
uint32_t dataset_text_code(struct dataset_texts *t, const char *text,
			   size_t len, bool is_number);

/* Length of the first record of CSV with its line end; 0: it does not end. */
size_t dataset_cut_first(const char *data, size_t len);

/* Bytes up to the last end of a record; 0: there is none. */
size_t dataset_cut_last(const char *data, size_t len);

/* Bytes before record ${n} (blank lines are none), from 0. */
size_t dataset_cut_skip(const char *data, size_t len, uint64_t n);

/* Newlines. */
uint64_t dataset_cut_lines(const char *data, size_t len);

/* Put the labels of these rows into ${out}, their label column in a block. */
void dataset_labels_join(const struct dataset_labels *l, const struct batch *b,
			 char *out);

/* The label texts into an empty dictionary, so that codes are equal. */
void dataset_labels_texts(const struct dataset_labels *l,
			  struct dataset_texts *t);

/* "file:line:column: message" where the message is about a place. */
void dataset_name_file(const char *path, struct err *e);

/* So much fed at once that a batch of records as short as can be stays small. */
size_t dataset_piece(size_t n_columns);

/* A record was rejected: say which.  ${line} is added to its line. */
int dataset_check_report(const struct ingest_report *r, unsigned line,
			 struct err *e);

struct dataset_piece {
	struct buf text;
	uint64_t index;
	uint64_t first_line;
	bool is_busy;  /* not free to be filled */
	bool is_ready; /* waits for a decoder */
};

struct dataset {
	struct dataset_options options;
	struct dataset_blocks blocks;
	bool *has; /* owned; by column of the model */
	/* While it is read. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct dataset_piece *pieces; /* owned */
	size_t n_pieces, n_threads;
	bool at_end; /* no more pieces will come */
	bool is_csv;
	struct buf header; /* of CSV, with a byte order mark and its line end */
	unsigned n_header_lines;
	bool has_failed;
	uint64_t failed_index; /* of the first piece that failed */
	struct err err;
};

#define DATASET_UNORDERED                                                      \
	"is earlier than the one before it: chunks of time need a file that "  \
	"is sorted by time"

/* A thread's decoder. */
struct dataset_decoder *dataset_decoder_new(struct dataset *d);
void dataset_decoder_free(struct dataset_decoder *t);

/* One piece into blocks; ${last} ends the body of JSON. */
int dataset_decode(struct dataset_decoder *t, const struct dataset_piece *p,
		   bool last, struct err *e);

enum {
	DATASET_RECORD = 4 * 1024 * 1024, /* bytes of a record */
	DATASET_DEPTH = 32,
	/* A batch is handed on at so many rows or values. */
	DATASET_BATCH_ROWS = 65536,
	DATASET_BATCH_VALUES = 1024 * 1024,
	DATASET_BATCH_BYTES = 32 * 1024 * 1024
};

#endif
